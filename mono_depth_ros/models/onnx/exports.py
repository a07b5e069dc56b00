# SPDX-License-Identifier: Apache-2.0
"""Contracts of the networks that this package exports itself, so that their graphs can be loaded by path."""

from __future__ import annotations

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.contract import ModelSpec
from mono_depth_ros.models.onnx.contract import OnnxContract
from mono_depth_ros.models.onnx.parts import InputContract, OutputsContract, Padding, SizeRule
from mono_depth_ros.prediction import DepthKind

_WHY_NOT = {
    "tiny": "it reads the rays of the camera",
    "zoedepth": "its images are padded by reflection before they are resized",
}
_HALF = (0.5, 0.5, 0.5)


def contract_of(spec: ModelSpec, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> OnnxContract:
    """The contract of an exported network of the catalogue, with its authors' processing as our own model has it.

    Of a ported model it is that of the published checkpoints, whatever a preprocessor_config.json asks for.

    Args:
        spec: of the model. inputs, outputs: names in the graph, in the order of `Network`.

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
    kind, image, result, focal_px = makers[spec.family](spec, inputs[0], outputs)
    return OnnxContract(kind, image, result, focal_px, family=spec.family, licence=spec.licence)


_Parts = tuple[str, InputContract, OutputsContract, "float | None"]


def _depth_anything_v2(spec: ModelSpec, image: str, outputs: tuple[str, ...]) -> _Parts:
    size, mean, std = SizeRule(shorter_side=518, multiple=14), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    reach = None if spec.max_depth_m is None else (0.0, spec.max_depth_m)
    return (
        "metric" if spec.kind is DepthKind.METRIC else "inverse_affine",
        InputContract(image, size, "cubic", 1, mean=mean, std=std),
        OutputsContract("corners", outputs[0], range_m=reach),
        None,
    )


def _metric3d_v2(_spec: ModelSpec, image: str, outputs: tuple[str, ...]) -> _Parts:
    """Its confidence, a regressed number about 0 to 1, is left out: a contract's is a probability."""
    depth, confidence, normals = outputs
    return (
        "canonical",
        InputContract(
            image,
            SizeRule(fit=(1064, 616), rounding="down"),
            "linear",
            255,
            Padding("centre", (124.0, 116.0, 104.0)),
            resample_dtype="uint8",
            mean=(123.675, 116.28, 103.53),
            std=(58.395, 57.12, 57.375),
        ),
        OutputsContract("linear", depth, normals=normals, range_m=(0.0, 300.0), ignored=(confidence,)),
        1000.0,
    )


def _dpt(_spec: ModelSpec, image: str, outputs: tuple[str, ...]) -> _Parts:
    return (
        "inverse_affine",
        _pillow(image, SizeRule(fixed=(384, 384)), "cubic", _HALF),
        OutputsContract("cubic", outputs[0]),
        None,
    )


def _glpn(_spec: ModelSpec, image: str, outputs: tuple[str, ...]) -> _Parts:
    """Without a range: bicubic values past the largest depth are as the processor of `transformers` leaves them."""
    size = SizeRule(source=True, multiple=32, rounding="down")
    return "metric", _pillow(image, size, "linear"), OutputsContract("cubic", outputs[0]), None


def _depth_pro(_spec: ModelSpec, image: str, outputs: tuple[str, ...]) -> _Parts:
    """Depth = f / (1536 * output), with f at 1536 pixels' width: the paper's eq. 1."""
    return (
        "inverse_canonical",
        InputContract(image, SizeRule(fixed=(1536, 1536)), "linear", 1, mean=_HALF, std=_HALF),
        OutputsContract("linear", outputs[0]),
        1536.0,
    )


def _pillow(image: str, size: SizeRule, kernel: str, half: tuple[float, ...] | None = None) -> InputContract:
    mean, std = (half, half) if half else ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return InputContract(image, size, kernel, 1, antialias=True, resample_dtype="uint8", mean=mean, std=std)
