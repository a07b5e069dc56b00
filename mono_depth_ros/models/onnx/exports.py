# SPDX-License-Identifier: Apache-2.0
"""Contracts of the networks that this package exports itself, so that their graphs can be loaded by path."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.onnx.contract import OnnxContract
from mono_depth_ros.models.onnx.parts import InputContract, OutputsContract, Padding, SizeRule
from mono_depth_ros.models.ported.processing import Processing
from mono_depth_ros.models.resample import Size
from mono_depth_ros.prediction import DepthKind

_WHY_NOT = {
    "tiny": "it reads the rays of the camera",
    "zoedepth": "its images are padded by reflection before they are resized",
}
_PUBLISHED = {
    "dpt": Processing(size=(384, 384), kernel="bicubic"),
    "glpn": Processing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), multiple=32),
    "depth_pro": Processing(size=(1536, 1536)),
}


@dataclass(frozen=True)
class Exported:
    """A graph of ours.

    Attributes:
        spec: of the model. inputs, outputs: names in the graph, in the order of `Network`.
        processing: of a ported model, None for that of the published checkpoints.
        input_size: (width, height) that Metric3D v2 reads at.
    """

    spec: ModelSpec
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    processing: Processing | None = None
    input_size: Size = (1064, 616)

    @property
    def steps(self) -> Processing:
        """The processing of a ported model."""
        return self.processing or _PUBLISHED[self.spec.family]


def contract_of(
    spec: ModelSpec,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    processing: Processing | None = None,
    input_size: Size | None = None,
) -> OnnxContract:
    """The contract of an exported network of the catalogue, with the processing that our own model has.

    Args: see `Exported`.

    Raises:
        ModelError: its processing is none that a contract can describe.
    """
    makers = {
        "depth_anything_v2": _depth_anything_v2,
        "metric3d_v2": _metric3d_v2,
        "dpt": _dpt,
        "glpn": _glpn,
        "depth_pro": _depth_pro,
    }
    if spec.family not in makers or len(inputs) != 1:
        why = _WHY_NOT.get(spec.family, f"it reads {', '.join(inputs)}")
        raise ModelError(
            f"{spec.name} has no contract for its ONNX file, as {why}: expected one of the families {', '.join(makers)}"
        )
    graph = Exported(spec, inputs, outputs, processing, input_size or Exported.input_size)
    kind, image, result, focal_px = makers[spec.family](graph)
    return OnnxContract(kind, image, result, focal_px, family=spec.family, licence=spec.licence)


_Parts = tuple[str, InputContract, OutputsContract, "float | None"]


def _depth_anything_v2(graph: Exported) -> _Parts:
    size, mean, std = SizeRule(shorter_side=518, multiple=14), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    reach = None if graph.spec.max_depth_m is None else (0.0, graph.spec.max_depth_m)
    return (
        "metric" if graph.spec.kind is DepthKind.METRIC else "inverse_affine",
        InputContract(graph.inputs[0], size, "cubic", 1, mean=mean, std=std),
        OutputsContract("corners", graph.outputs[0], range_m=reach),
        None,
    )


def _metric3d_v2(graph: Exported) -> _Parts:
    """Its confidence, a regressed number about 0 to 1, is left out: a contract's stays in these bounds."""
    depth, confidence, normals = graph.outputs
    image = InputContract(
        graph.inputs[0],
        SizeRule(fit=graph.input_size, rounding="down"),
        "linear",
        255,
        Padding("centre", (124.0, 116.0, 104.0)),
        resample_dtype="uint8",
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
    )
    outputs = OutputsContract("linear", depth, normals=normals, range_m=(0.0, 300.0), ignored=(confidence,))
    return "canonical", image, outputs, 1000.0


def _dpt(graph: Exported) -> _Parts:
    return "inverse_affine", _ported(graph, pillow=True), OutputsContract("cubic", graph.outputs[0]), None


def _glpn(graph: Exported) -> _Parts:
    """Without a range: bicubic values past the largest depth are as the processor of `transformers` leaves them."""
    return "metric", _ported(graph, pillow=True), OutputsContract("cubic", graph.outputs[0]), None


def _depth_pro(graph: Exported) -> _Parts:
    """The paper's eq. 1: depth = f / (width * output), with f and the width of the network's input."""
    assert graph.steps.size is not None
    outputs = OutputsContract("linear", graph.outputs[0])
    return "inverse_canonical", _ported(graph, pillow=False), outputs, float(graph.steps.size[0])


def _ported(graph: Exported, pillow: bool) -> InputContract:
    """The processing of `transformers`: Pillow's resize, or torch's."""
    steps = graph.steps
    levels = steps.factor * 255
    if not (math.isclose(levels, 1) or math.isclose(levels, 255)) or steps.multiple % 1:
        found = f"factor {steps.factor:g} and multiple {steps.multiple:g}"
        raise ModelError(
            f"{graph.spec.name} has no contract for its ONNX file: found {found}, expected 1/255 or 1, whole"
        )
    size = (
        SizeRule(fixed=steps.size)
        if steps.size
        else SizeRule(source=True, multiple=int(steps.multiple), rounding="down")
    )
    return InputContract(
        graph.inputs[0],
        size,
        {"bilinear": "linear", "bicubic": "cubic"}[steps.kernel if pillow else "bilinear"],
        round(levels),
        antialias=pillow,
        resample_dtype="uint8" if pillow else "float32",
        mean=steps.mean,
        std=steps.std,
    )
