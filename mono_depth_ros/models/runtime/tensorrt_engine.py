# SPDX-License-Identifier: Apache-2.0
"""TensorRT through ONNX Runtime: one engine for each size of the images, built once, kept under what it was made of.

An engine for all sizes is slower, and ONNX Runtime builds it anew, in the frame that needs it, for every size outside
of those seen so far. An engine takes minutes; `prepare` of a model builds it before the first frame.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.cache import cache_folder, sealed_sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.device_errors import is_out_of_memory
from mono_depth_ros.models.runtime.engine import GraphFile, Inputs
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.models.runtime.onnxruntime_providers import (
    BF16_SINCE,
    load_runtime,
    provider_missing,
    tensorrt_version,
    version,
)
from mono_depth_ros.progress import tell

LOGGER = logging.getLogger(__name__)
SHAPES_KEPT = 4
Shapes = tuple[tuple[int, ...], ...]


class TensorRtEngine:
    """`Engine` of an ONNX file on TensorRT. A batch of up to the largest one so far runs in the same engine."""

    name = "tensorrt"

    def __init__(self, graph: GraphFile, device: torch.device, precision: str, folder: Path | None = None) -> None:
        """Nothing is built before the first call.

        Args:
            precision: what a float32 graph is to run in, else that of the graph.
            folder: that has or gets the built engines; None is one of the cache.

        Raises:
            ModelError: it cannot run here, or a file of the graph cannot be read.
        """
        reason = cannot_run(device, precision)
        if reason is not None:
            raise ModelError(reason)
        self.precision, self.graph, self._device = precision, graph, device
        try:
            self._folder = folder or _folder_of(graph, device, precision)
        except OSError as error:
            raise ModelError(f"{error.filename} cannot be read: {error.strerror}") from error
        self._given, self.shapes_kept = folder is not None, SHAPES_KEPT
        self._engines: OrderedDict[Shapes, tuple[int, OnnxRuntimeEngine]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *inputs: Tensor) -> Inputs:
        """Raises ModelError where no engine can be built for these inputs, or it cannot run them."""
        shapes = tuple(tuple(value.shape) for value in inputs)
        batched = [0 in axes for axes in self._axes(shapes)]
        count = max([shape[0] for shape, open_ in zip(shapes, batched, strict=True) if open_], default=1)
        key = tuple(shape[1:] if open_ else shape for shape, open_ in zip(shapes, batched, strict=True))
        with self._lock:
            largest, engine = self._engines.get(key, (0, None))
            if engine is None or count > largest:
                engine = None
                self._engines.pop(key, None)  # the smaller one's memory goes first
                return self._built(key, count, shapes, inputs)
            self._engines.move_to_end(key)
        return engine(*inputs)

    def _built(self, key: Shapes, count: int, shapes: Shapes, inputs: Inputs) -> Inputs:
        """Build an engine, keep it, and give what it makes of the inputs."""
        size = _size(shapes[0])
        label = size if count == 1 else f"{size}, up to {count} images at once"
        folder = self._folder if self._given else self._folder / f"{'_'.join(_dims(shape) for shape in key)}-{count}"
        known = {path.name for path in folder.glob("*.engine")}
        if not known:
            LOGGER.info("%s: building the TensorRT engine for %s, this takes minutes", self.graph.name, label)
            tell(f"building the TensorRT engine for {label}, this takes minutes")
        began = time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ModelError(f"the cache folder {folder} cannot be made: {error.strerror}") from error
        try:
            engine = self._engine(folder, shapes, count)
            outputs = engine(*inputs)
        except ModelError as error:
            if not known or self._given or is_out_of_memory(error):
                raise
            LOGGER.warning("%s: the TensorRT engine in %s cannot be used and is built anew: %s", label, folder, error)
            shutil.rmtree(folder, ignore_errors=True)
            return self._built(key, count, shapes, inputs)
        took, new = time.monotonic() - began, {path.name for path in folder.glob("*.engine")} - known
        if known and new:
            LOGGER.warning("%s: %s had no engine for %s: built in %.0f s", self.graph.name, folder, label, took)
        else:
            done = "loaded" if known else "built"
            LOGGER.info("%s: the TensorRT engine for %s was %s in %.1f s", self.graph.name, label, done, took)
        while len(self._engines) >= self.shapes_kept:
            self._engines.popitem(last=False)
        self._engines[key] = (count, engine)
        return outputs

    def _engine(self, folder: Path, shapes: Shapes, count: int) -> OnnxRuntimeEngine:
        """Of fixed shapes; by the profile alone where the file has other names for its axes."""
        names, axes, options = self.graph.inputs, self._axes(shapes), self._options(folder)
        sides, profile = ranges(names, axes, shapes, count)
        engine = OnnxRuntimeEngine(self.graph, self._device, self.precision, {**options, **profile}, sides)
        found = {port.name: port.shape for port in engine.ports()}
        if all(
            isinstance(found[name][axis], int)
            for name, named in zip(names, axes, strict=True)
            for axis, side in named.items()
            if side in sides
        ):
            return engine
        _, profile = ranges(names, [dict.fromkeys(named, "") for named in axes], shapes, count)
        return OnnxRuntimeEngine(self.graph, self._device, self.precision, {**options, **profile})

    def _options(self, folder: Path) -> dict[str, Any]:
        options: dict[str, Any] = {
            "trt_fp16_enable": self.precision == "fp16",
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": str(self._folder.parent if not self._given else folder),
        }
        return {**options, "trt_bf16_enable": True} if self.precision == "bf16" else options

    def _axes(self, shapes: Shapes) -> Sequence[dict[int, str]]:
        return self.graph.axes or [{} for _ in shapes]


def cannot_run(device: torch.device, precision: str) -> str | None:
    """Why TensorRT cannot run on this device in this precision, None where it may.

    Raises:
        ModelError: onnxruntime cannot be imported.
    """
    reason = provider_missing("tensorrt", device)
    if reason is not None or precision != "bf16":
        return reason
    runtime = load_runtime("engine 'tensorrt'", device)
    if version(runtime) < BF16_SINCE:
        expected = ".".join(map(str, BF16_SINCE))
        found = f"found onnxruntime {runtime.__version__}"
        return f"engine 'tensorrt' on {device} has no bf16: {found}, expected {expected} or later, or fp16 or fp32"
    if strongly_typed():
        return (
            f"engine 'tensorrt' on {device} has no bf16: TensorRT {tensorrt_version()} takes the precision from the "
            "graph, expected fp16 or fp32"
        )
    return None


def strongly_typed() -> bool:
    """Whether this TensorRT runs a graph in its own precision and no other: from 11 on there are no flags for that."""
    return int(tensorrt_version().partition(".")[0] or 0) >= 11


def ranges(
    names: Sequence[str], axes: Sequence[dict[int, str]], shapes: Shapes, count: int
) -> tuple[dict[str, int], dict[str, str]]:
    """How an engine for these shapes, with 1 to `count` in the batch, is asked for.

    Returns:
        sizes of axes by their names in the file, which make the graph a fixed one; and, for the inputs that stay open,
        TensorRT's profile as options. A profile alone would not do: it must name the inputs of every part of the graph
        that TensorRT gets, where that is cut in parts.
    """
    sides: dict[str, int] = {}
    several: set[str] = {""}
    for named, shape in zip(axes, shapes, strict=True):
        for axis, name in named.items():
            if (axis == 0 and count > 1) or sides.setdefault(name, shape[axis]) != shape[axis]:
                several.add(name)
    sides = {name: size for name, size in sides.items() if name not in several}
    least, most = [], []
    for name, named, shape in zip(names, axes, shapes, strict=True):
        if all(axis_name in sides for axis_name in named.values()):
            continue
        batch = 0 in named and count > 1
        least.append(f"{name}:{_dims((1, *shape[1:]) if batch else shape)}")
        most.append(f"{name}:{_dims((count, *shape[1:]) if batch else shape)}")
    if not least:
        return sides, {}
    largest = ",".join(most)
    profile = {"min": ",".join(least), "opt": largest, "max": largest}
    return sides, {f"trt_profile_{kind}_shapes": text for kind, text in profile.items()}


def _dims(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _size(shape: tuple[int, ...]) -> str:
    """WIDTHxHEIGHT of an image, channels first or last."""
    height, width = shape[-3:-1] if len(shape) > 2 and shape[-1] == 3 else shape[-2:]
    return f"{width}x{height}"


def _folder_of(graph: GraphFile, device: torch.device, precision: str) -> Path:
    """Where engines of these weights, for this GPU and these versions, are kept.

    ONNX Runtime names an engine by the file's name and the graph's structure: another fine-tune in a file of the same
    name would get it.

    Raises:
        OSError: a file cannot be read.
    """
    beside = graph.path.with_name(f"{graph.path.name}.data")
    files = dict.fromkeys((graph.path, *graph.beside, *([beside] if beside.exists() else [])))
    digest = hashlib.sha256(repr([(path.name, sealed_sha256(path)) for path in files]).encode()).hexdigest()
    runtime = load_runtime("engine 'tensorrt'", device)
    major, minor = torch.cuda.get_device_capability(device)
    here = f"{torch.cuda.get_device_name(device)} sm{major}{minor} ort{runtime.__version__} trt{tensorrt_version()}"
    stem = re.sub(r"[^\w.-]", "_", graph.path.parent.name if graph.path.stem == "graph" else graph.path.stem)[:60]
    place = cache_folder("tensorrt") / re.sub(r"[^\w.-]", "_", here)
    return place / f"{stem}-{digest[:32]}-{precision}"
