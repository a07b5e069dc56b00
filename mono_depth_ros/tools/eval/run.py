# SPDX-License-Identifier: Apache-2.0
"""The loop: images and ground truth are read ahead, models work in batches, and one at a time is in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.config import EvalConfig, ModelConfig, MotionConfig
from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import ConfigError, DataError, ModelError, MonoDepthError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.depth import unit_problem
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.memory import History, Memory, is_video, still
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools.checked_model import load_checked
from mono_depth_ros.tools.eval.aligning import align, check, disparity, possible
from mono_depth_ros.tools.eval.flicker import FlickerSum
from mono_depth_ros.tools.eval.motion import InOrder
from mono_depth_ros.tools.eval.score import ModelScore

GPU_BATCH = 8


@dataclass(frozen=True, eq=False)
class Loaded:
    """One item in memory: rgb (H, W, 3) uint8, truth (H, W) metres, mask (H, W) the pixels that count."""

    item: Item
    rgb: NDArray[np.uint8]
    camera: Camera | None
    truth: NDArray[np.float64]
    mask: NDArray[np.bool_]


Read = tuple[Item, Loaded | MonoDepthError]
"""One item, and what came of reading it."""

Progress = Callable[[str, Iterator[Read]], Iterator[Read]]


def chosen_protocol(dataset: DataSet, config: EvalConfig) -> Protocol:
    """The protocol of the data set with what was asked for otherwise.

    Raises:
        ConfigError: a crop that the data set does not have, or an empty range.
    """
    own = dataset.protocol
    return replace(
        own,
        crop=own.crop if config.crop == "auto" else config.crop,
        min_depth=config.min_depth or own.min_depth,
        max_depth=config.max_depth or own.max_depth,
        clamp=config.clamp,
    )


def load(dataset: DataSet, protocol: Protocol, item: Item) -> Loaded:
    """Read one image with its ground truth.

    Raises:
        MonoDepthError: a file cannot be read, the sizes differ, or nothing in it counts.
    """
    frame = dataset.load(item)
    mask = protocol.mask(frame.truth)
    if not mask.any():
        raise DataError(f"ground truth {item.truth} has no pixel that counts: found none, {protocol.words()}")
    return Loaded(item, frame.rgb, frame.camera, frame.truth, mask)


def evaluate(
    dataset: DataSet,
    protocol: Protocol,
    config: EvalConfig,
    models: list[ModelConfig],
    progress: Progress = lambda _, items: items,
    motion: MotionConfig | None = None,
) -> list[ModelScore]:
    """Every model on every image, and aligned by `config.reference` too. The images shown are the same of all.

    Raises:
        MonoDepthError: a model cannot be loaded or has no metres, or needs a camera that there is not.
    """
    for other in models[1:]:
        _load(other, dataset, config)  # a misspelt second model must not be found out after an hour with the first
    found: list[ModelScore] = []
    for model_config in models:
        model = _load(model_config, dataset, config)
        spec = model.spec
        score = ModelScore(model_config.model, spec.kind.value, model.engine, spec.licence, most=config.pictures)
        if found:
            score.keep = frozenset(image.name for image in found[0].shown)
        aligned = None
        if config.reference != "none":
            aligned = _Aligned(InOrder(dataset, config.reference, motion or MotionConfig()), score)
        _one_model(dataset, protocol, config, model, score, progress, aligned)
        found += [score] if score.scores or aligned is None else []
        if aligned is not None:
            found.append(aligned.finished())
        del model
    return found


def _load(wanted: ModelConfig, dataset: DataSet, config: EvalConfig) -> DepthModel:
    def check_model(_: str, kind: DepthKind, needs_camera: bool) -> None:
        if config.reference == "none":
            check(config.align, kind, wanted.model)
        if needs_camera and any(item.camera is None for item in dataset.items):
            raise ConfigError(
                f"the model {wanted.model} needs the camera and {dataset.name} in the layout {dataset.layout} gives "
                "none: expected --camera fx,fy,cx,cy, --hfov DEG, or a calibration beside the images"
            )

    return load_checked(load_model, wanted, check_model)


def _one_model(
    dataset: DataSet,
    protocol: Protocol,
    config: EvalConfig,
    model: DepthModel,
    score: ModelScore,
    progress: Progress,
    aligned: _Aligned | None,
) -> None:
    pipeline = Pipeline(model)
    if is_video(model) and not all(item.sequence for item in dataset.items):
        score.note = still(score.model)
    sequence, history = "", History(model)
    size = config.batch or (GPU_BATCH if model.device.type == "cuda" else 1)
    batch: list[tuple[Loaded, Memory | None]] = []
    for item, result in progress(score.model, _ahead(dataset, protocol, config)):
        if isinstance(result, MonoDepthError):
            score.failed[item.name] = str(result)
            continue
        if item.sequence != sequence:
            sequence, history = item.sequence, History(model)
        height, width = result.rgb.shape[:2]
        stamp_ns = None if item.stamp_s is None else round(item.stamp_s * 1e9)
        batch.append((result, history.at(width, height, stamp_ns) if sequence else None))
        if len(batch) == size:
            _batch(pipeline, batch, protocol, config, score, aligned)
            batch = []
    if batch:
        _batch(pipeline, batch, protocol, config, score, aligned)


def _ahead(dataset: DataSet, protocol: Protocol, config: EvalConfig) -> Iterator[Read]:
    """The items in order, read by threads while the model works."""
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="read") as pool:
        waiting: deque[tuple[Item, Future[Loaded]]] = deque()
        try:
            for item in dataset.items:
                waiting.append((item, pool.submit(load, dataset, protocol, item)))
                if len(waiting) > config.read_ahead:
                    yield _done(*waiting.popleft())
            while waiting:
                yield _done(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _done(item: Item, future: Future[Loaded]) -> Read:
    try:
        return item, future.result()
    except MonoDepthError as error:
        return item, error


def _batch(
    pipeline: Pipeline,
    batch: list[tuple[Loaded, Memory | None]],
    protocol: Protocol,
    config: EvalConfig,
    score: ModelScore,
    aligned: _Aligned | None,
) -> None:
    start_s = time.perf_counter()
    frames = pipeline.estimate_batch([Shot(loaded.rgb, loaded.camera, memory=memory) for loaded, memory in batch])
    values = [_values(frame) if isinstance(frame, Frame) else frame for frame in frames]
    score.seconds += time.perf_counter() - start_s
    kind = pipeline.model.spec.kind
    for (loaded, _), frame, found in zip(batch, frames, values, strict=True):
        name = loaded.item.name
        try:
            if isinstance(found, MonoDepthError):
                raise found
            if isinstance(found, Exception):
                raise ModelError(f"{score.model} fails at {loaded.item.rgb}: {found}") from found
            if possible(config.align, kind):
                _image(loaded, found, kind, protocol, config.align, score)
            if aligned is not None and isinstance(frame, Frame):
                aligned.add(loaded, frame, protocol)
        except ModelError:
            raise  # too little memory, say: it would fail every image
        except MonoDepthError as error:
            score.failed[name] = str(error)


class _Aligned:
    """The score of a model's frames aligned by a reference, beside that of the same frames as they are."""

    def __init__(self, reference: InOrder, raw: ModelScore) -> None:
        self._reference, self._raw = reference, raw
        self._score = ModelScore(
            f"{raw.model} by {reference.name}", DepthKind.METRIC.value, raw.engine, raw.licence, raw.most, raw.keep
        )

    def add(self, loaded: Loaded, frame: Frame, protocol: Protocol) -> None:
        assert loaded.camera is not None, "InOrder has checked it"
        start_s = time.perf_counter()
        values = self._reference.align(loaded.item, frame, loaded.camera, loaded.rgb)
        self._score.seconds += time.perf_counter() - start_s
        if values is None:
            return
        if self._raw.scores:
            self._score.keep = frozenset(image.name for image in self._raw.shown)
            self._score.shown = [image for image in self._score.shown if image.name in self._score.keep]
        _image(loaded, values, DepthKind.METRIC, protocol, "none", self._score)

    def finished(self) -> ModelScore:
        """The score, whose time is that of tracks, triangulation, fit and correction alone."""
        self._score.note = self._reference.words(self._raw.model)
        return self._score


def _values(frame: Frame) -> NDArray[np.float64]:
    metric = frame.prediction.kind is DepthKind.METRIC
    values = frame.depth if metric else frame.prediction.values
    return values.cpu().numpy().astype(np.float64)


def _image(
    loaded: Loaded,
    values: NDArray[np.float64],
    kind: DepthKind,
    protocol: Protocol,
    how: str,
    score: ModelScore,
) -> None:
    """One image: align to its truth as `how` says, clamp, compare."""
    item = loaded.item
    if item.sequence and kind is not DepthKind.AFFINE:  # which has no disparity, up to whatever scale and shift
        flicker = score.flickers.setdefault(item.sequence, FlickerSum(item.sequence, kind is DepthKind.METRIC))
        flicker.add(item.index, disparity(values, kind), loaded.truth, loaded.mask)
    if kind is DepthKind.METRIC and (problem := unit_problem(loaded.truth[loaded.mask], values[loaded.mask])):
        raise DataError(f"ground truth {item.truth}: {problem} --depth-scale says how many of them make a metre")
    far = protocol.far(loaded.truth, loaded.mask)
    aligned = align(values, kind, loaded.truth, loaded.mask, how, far)
    depth = protocol.limited(aligned.depth, far)
    score.add(item.name, loaded.rgb, depth, loaded.truth, loaded.mask, aligned.scale, aligned.shift)
