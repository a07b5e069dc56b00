# SPDX-License-Identifier: Apache-2.0
"""Accuracy on the frames of KITTI and NYUv2 at hand, by the protocol of `mono_depth eval`, beside what is published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mono_depth_ros.config import EvalConfig, ModelConfig
from mono_depth_ros.datasets import READERS
from mono_depth_ros.datasets.dataset import DataSet
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools.eval.aligning import ALIGNMENTS
from mono_depth_ros.tools.eval.run import chosen_protocol, evaluate
from mono_depth_ros.tools.models.prove.published import PUBLISHED, SPLIT
from mono_depth_ros.tools.models.prove.results import FAILED, MEASURED, NOT_DONE, Row

DATASETS = {"kitti": ("kitti", "kitti_depth"), "nyu": ("nyu", "nyu_depth", "nyu_depth_v2")}
"""The folders below DIR that each is looked for in."""
_ALIGN = {DepthKind.METRIC: "none", DepthKind.INVERSE_AFFINE: "affine_inverse", DepthKind.SCALE: "scale"}


@dataclass(frozen=True)
class Samples:
    """What was found in DIR: data sets by their names, and why one is not there."""

    found: dict[str, DataSet]
    missing: dict[str, str]


def find(folder: Path, camera: CameraArgument | None) -> Samples:
    """The data sets in a folder; one in a layout without cameras gets `camera`, or `camera.yaml` beside its frames."""
    found, missing = {}, {}
    for name, places in DATASETS.items():
        place = next((folder / place for place in places if (folder / place).is_dir()), None)
        if place is None:
            missing[name] = f"{folder} holds none of {', '.join(f'{place}/' for place in places)}"
            continue
        try:
            dataset = READERS[name](Wanted(place))
            own = place / "camera.yaml"
            given = camera if name == "kitti" else None
            given = CameraArgument.of_file(own) if given is None and own.is_file() else given
            if given is not None and all(item.camera is None for item in dataset.items):
                dataset = dataset.with_camera(given)
            if dataset.items:
                found[name] = dataset
            else:
                missing[name] = f"{place} holds no image with ground truth"
        except MonoDepthError as error:
            missing[name] = str(error)
    return Samples(found, missing)


def rows(name: str, spec: ModelSpec, device: str, samples: Samples | None) -> Iterator[Row]:
    """One row for each data set. `samples` is None where no folder was given."""
    for dataset in DATASETS:
        if samples is None or dataset in samples.missing:
            why = "no --data DIR" if samples is None else samples.missing[dataset]
            yield Row("accuracy", dataset, NOT_DONE, why, asked=samples is not None and not samples.found)
        elif spec.needs_prompt:
            yield Row(
                "accuracy", dataset, NOT_DONE, "it takes known depths beside the picture, which no protocol gives"
            )
        elif spec.kind not in _ALIGN:
            words = f"there is no protocol for depth of kind {spec.kind.value} here"
            yield Row("accuracy", dataset, NOT_DONE, words)
        else:
            try:
                yield _row(name, spec, device, dataset, samples.found[dataset])
            except MonoDepthError as error:
                yield Row("accuracy", dataset, FAILED, str(error))


def _row(name: str, spec: ModelSpec, device: str, which: str, dataset: DataSet) -> Row:
    if spec.needs_camera and any(item.camera is None for item in dataset.items):
        words = "the model needs the camera and this layout has none: give --camera, or camera.yaml beside the frames"
        return Row("accuracy", which, NOT_DONE, words, asked=True)
    config = EvalConfig(align=_ALIGN[spec.kind], pictures=0)
    engine = "onnxruntime" if name.endswith(".onnx") else "torch"
    model = ModelConfig(model=name, device=device, engine=engine, precision="fp32")
    (score,) = evaluate(dataset, chosen_protocol(dataset, config), config, [model])
    if score.failed or not score.scores:
        first = next(iter(score.failed.items()), ("", "none"))
        words = f"{len(score.failed)} of {len(dataset.items)} images failed, such as {first[0]}: {first[1]}"
        return Row("accuracy", which, FAILED, words)
    mean, count = score.mean(), len(score.scores)
    published, source = PUBLISHED.get(name, {}).get(which, ({}, ""))
    beside = f"published {_words(published)} ({source})" if published else "no published figure is known here"
    sample = f", a sample of the split's {SPLIT[which]}" if count < SPLIT[which] else ""
    words = f"{_words(mean)} of {count} images{sample}; {beside}"
    words += f"; {ALIGNMENTS[config.align]}" if spec.kind is not DepthKind.METRIC else ""
    numbers = {"images": count, **{key: round(mean[key], 5) for key in _METRICS}}
    numbers["coverage"] = round(score.known / max(score.counted, 1), 5)
    return Row("accuracy", which, MEASURED, words, {**numbers, "published": published, "source": source})


_METRICS = {"abs_rel": "AbsRel {:.3f}", "delta1": "delta1 {:.3f}", "rmse_m": "RMSE {:.2f} m"}


def _words(values: dict[str, float]) -> str:
    return ", ".join(form.format(values[key]) for key, form in _METRICS.items() if key in values)
