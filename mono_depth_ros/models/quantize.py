# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation to int8 by NNCF, OpenVINO's own tool, with pictures of the user's own.

What comes out is judged by pictures that it was not calibrated with, against the network in float32; what differs
more than MAX_MEAN and MAX_P95 is not kept. Depth is regressed, not classified: where one layer rounds too coarsely
whole surfaces move, and how far shows on pictures of the same kind alone.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.runtime import int8
from mono_depth_ros.models.runtime.device import load_package
from mono_depth_ros.models.runtime.engine import Engine, GraphFile, Inputs, Network, first_line
from mono_depth_ros.models.runtime.engines import build, cannot_run
from mono_depth_ros.models.runtime.graph import graph_of
from mono_depth_ros.models.runtime.openvino_engine import OpenVinoEngine, read_graph
from mono_depth_ros.models.runtime.selfcheck import TOLERANCES, absrel, relative_errors

LOGGER = logging.getLogger(__name__)
MAX_MEAN, MAX_P95, MAX_KNOWN_IN_ONE = TOLERANCES["int8"], 0.1, 0.01
"""Of the relative difference of depth on held-back pictures, and of the pixels that only one of both knows."""

MIN_PICTURES, MIN_DIFFERENT, MAX_PICTURES = 20, 10, 80
"""Of all, a quarter of which are held back; NNCF takes the time of three runs in float32 and more for each."""

_ALIKE = 2.0  # mean difference, in grey levels, of thumbnails without their mean
_THUMBNAIL = (32, 24)
_COUNTED = 300_000  # pixels of a held-back picture
_ROUNDS = 7

Picture = Callable[[], tuple[np.ndarray, Camera]]
"""Reads (H, W, 3) uint8 RGB and its camera."""


@dataclass(frozen=True)
class Difference:
    """Of int8 to float32 on the held-back pictures.

    Attributes:
        mean, p95: of the relative difference of depth. known_in_one: fraction of the pixels that only one of them has.
    """

    mean: float
    p95: float
    known_in_one: float

    @property
    def passes(self) -> bool:
        """False for NaN, too."""
        return self.mean <= MAX_MEAN and self.p95 <= MAX_P95 and self.known_in_one <= MAX_KNOWN_IN_ONE

    def __str__(self) -> str:
        unknown = f", {self.known_in_one:.2%} of the pixels known in one alone" if self.known_in_one else ""
        return f"mean {self.mean:.2%}, 95th percentile {self.p95:.2%}{unknown}"


def split(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Those to calibrate with and those to judge by, evenly out of all.

    Frames of a recording are like their neighbours, so runs of them are held back: the last quarter of each quarter.

    Raises:
        ModelError: they are too few, or too much alike.
    """
    count = len(pictures)
    if count < MIN_PICTURES:
        raise ModelError(
            f"found {count} pictures, expected {MIN_PICTURES} at least, of what the camera will see: quantisation goes "
            "by them"
        )
    taken = [pictures[index * count // min(count, MAX_PICTURES)] for index in range(min(count, MAX_PICTURES))]
    different = _count_different(taken)
    if different < MIN_DIFFERENT:
        raise ModelError(
            f"of {len(taken)} pictures {different} differ{'s' * (different == 1)} from the others, expected "
            f"{MIN_DIFFERENT} at least: pictures all alike say nothing of others"
        )
    held = [index * 16 // len(taken) % 4 == 3 for index in range(len(taken))]
    return (
        [picture for picture, back in zip(taken, held, strict=True) if not back],
        [picture for picture, back in zip(taken, held, strict=True) if back],
    )


def quantise(
    model: EngineModel, calibration: Sequence[Picture], held_back: Sequence[Picture], folder: Path
) -> dict[str, Any]:
    """Write the network of a model in int8 to a folder, and what it was judged by; all of it or nothing.

    Args:
        model: in the engine that others are compared with: torch in float32, of an ONNX file ONNX Runtime, on the CPU.

    Returns:
        The record: `difference`, `recipe`, `ms` of fp32, bf16 and int8 in turns, where the processor is made for int8.

    Raises:
        ModelError: NNCF or OpenVINO are missing, the network cannot be quantised, or it differs too much.
    """
    os.environ.setdefault("NNCF_CI", "1")  # its telemetry would call home
    nncf = load_package("nncf", "nncf openvino onnx onnxscript", "quantisation")
    network, device = model.network, torch.device("cpu")
    if (reason := cannot_run(network, "openvino", device, "fp32")) is not None:
        raise ModelError(reason)
    nncf.set_log_level(logging.ERROR)
    examples = tuple(model.examples())
    graph = graph_of(network, examples) if isinstance(network, Network) else network
    expected = [_depth(model, model.run, picture) for picture in held_back]
    LOGGER.info("calibrating with %d pictures, %d are held back", len(calibration), len(held_back))

    def fill(directory: Path) -> dict[str, Any]:
        for words, options in _recipes(nncf, read_graph(graph.path)):
            engine = _quantised(nncf, model, graph, calibration, options, directory)
            if engine is None:
                continue
            found = _difference(model, engine, held_back, expected)
            LOGGER.info("%s in int8, the rest in float: %s%s", words, found, "" if found.passes else ": too much")
            tried.append(found)
            if not found.passes:
                continue
            on_tests = [absrel(*(network.depth(run(*inputs)) for run in (engine, model.run))) for inputs in examples]
            return {
                "model": network.name,
                "facts": int8.facts(network),
                "nncf": nncf.__version__,
                "recipe": words,
                "pictures": len(calibration),
                "held_back": len(held_back),
                "difference": asdict(found),
                "abs_rel_of_test_images": max(on_tests),
                "ms": _speeds(model, engine, examples) if int8.has_instructions() else None,
            }
        if not tried:
            raise ModelError(f"{network.name} has no layer that NNCF quantises, expected convolutions or products")
        best = min(tried, key=lambda difference: (math.isnan(difference.mean), difference.mean))
        raise ModelError(
            f"{network.name} in int8 differs from float32 by {best} of {len(held_back)} held-back pictures, expected "
            f"{MAX_MEAN:.0%}, {MAX_P95:.0%} and {MAX_KNOWN_IN_ONE:.0%} at most: nothing is written. More pictures, and "
            "more like what the camera will see, may help"
        )

    tried: list[Difference] = []
    try:
        return int8.write(folder, fill)
    except OSError as error:  # of a picture
        raise ModelError(f"{network.name} cannot be quantised: {error}") from error


def _recipes(nncf: Any, graph: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is quantised, in words, and the options of NNCF for it: the most first.

    First and last layers have the widest ranges: colours and rays side by side at the start, depth in metres at the
    end. Sums, norms and softmax are cheap and round badly.
    """
    operations = graph.get_ordered_ops()
    convolutions = [node.get_friendly_name() for node in operations if "Convolution" in node.get_type_name()]
    transformer = any(node.get_type_name() in ("Softmax", "MVN") for node in operations)
    options: dict[str, Any] = {"preset": nncf.QuantizationPreset.MIXED}
    if transformer:
        options["model_type"] = nncf.ModelType.TRANSFORMER  # with smooth quantisation of its products

    def without(*names: str) -> dict[str, Any]:
        return {**options, "ignored_scope": nncf.IgnoredScope(names=[*names], types=_FLOAT, validate=False)}

    yield "all layers", options
    yield "layers but the first and last", without(*convolutions[:3], *convolutions[-4:])
    if transformer:
        yield "products of the transformer", without(*convolutions)


_FLOAT = [
    *("Add", "AvgPool", "Concat", "Divide", "Gelu", "Interpolate", "Multiply", "MVN", "ReduceMean", "Sigmoid"),
    *("Softmax", "Subtract"),
]


def _quantised(
    nncf: Any,
    model: EngineModel,
    graph: GraphFile,
    calibration: Sequence[Picture],
    options: dict[str, Any],
    directory: Path,
) -> Engine | None:
    """The network quantised so, in its engine; None where nothing of it was."""

    def inputs(picture: Picture) -> dict[str, np.ndarray]:
        rgb, camera = picture()
        with torch.inference_mode():
            values = model.preprocess(torch.from_numpy(rgb)[None], (camera,))
        return {name: value.contiguous().numpy() for name, value in zip(graph.inputs, values, strict=True)}

    data = nncf.Dataset(list(calibration), inputs)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # bars
            found = nncf.quantize(read_graph(graph.path), data, subset_size=len(calibration), **options)
    except ModelError:
        raise
    except Exception as error:  # whatever NNCF finds in somebody's graph
        raise ModelError(f"{graph.name} cannot be quantised: {first_line(error)}") from error
    if not any(node.get_type_name() == "FakeQuantize" for node in found.get_ordered_ops()):
        return None
    importlib.import_module("openvino").save_model(found, str(directory / int8.GRAPH), compress_to_fp16=False)
    file = GraphFile(graph.name, directory / int8.GRAPH, graph.inputs, graph.outputs, graph.depth)
    return OpenVinoEngine(file, torch.device("cpu"), "int8")


def _difference(
    model: EngineModel, engine: Engine, pictures: Sequence[Picture], expected: Sequence[Tensor]
) -> Difference:
    errors, apart, total = [], 0, 0
    for picture, right in zip(pictures, expected, strict=True):
        found = _depth(model, engine, picture)
        both = found.isfinite() & right.isfinite()
        apart += int((found.isfinite() != right.isfinite()).sum())
        total += right.numel()
        errors.append(relative_errors(found[both], right[both]))
    together = np.concatenate([values.numpy() for values in errors])
    if not len(together):
        return Difference(math.nan, math.nan, 1.0)
    return Difference(float(together.mean()), float(np.quantile(together, 0.95)), apart / total)


def _depth(model: EngineModel, engine: Engine, picture: Picture) -> Tensor:
    """The model's depth of a picture by an engine, at every n-th pixel."""
    rgb, camera = picture()
    reference, model.run = model.run, engine
    try:
        (prediction,) = model.predict(torch.from_numpy(rgb)[None], (camera,))
    finally:
        model.run = reference
    step = math.ceil(math.sqrt(prediction.values.numel() / _COUNTED))
    return prediction.values[::step, ::step].abs().clone()


def _speeds(model: EngineModel, engine: Engine, examples: Sequence[Inputs]) -> dict[str, float]:
    """Milliseconds of the network in OpenVINO in each precision that is here, run in turns: the shortest of each."""
    device = torch.device("cpu")
    engines = {
        precision: build(model.network, examples, "openvino", device, precision)
        for precision in ("fp32", "bf16")
        if cannot_run(model.network, "openvino", device, precision) is None
    }
    times: dict[str, float] = {}
    for _ in range(_ROUNDS):
        for precision, run in {**engines, "int8": engine}.items():
            start = time.perf_counter()
            run(*examples[0])
            times[precision] = min(times.get(precision, math.inf), (time.perf_counter() - start) * 1e3)
    return {precision: round(value, 2) for precision, value in times.items()}


def _count_different(pictures: Sequence[Picture]) -> int:
    kept: list[np.ndarray] = []
    for picture in pictures:
        grey = cv2.resize(cv2.cvtColor(picture()[0], cv2.COLOR_RGB2GRAY), _THUMBNAIL, interpolation=cv2.INTER_AREA)
        thumbnail = grey.astype(np.float32) - grey.mean()
        if all(float(np.abs(thumbnail - other).mean()) > _ALIKE for other in kept):
            kept.append(thumbnail)
    return len(kept)
