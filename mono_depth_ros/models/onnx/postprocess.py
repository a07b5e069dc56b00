# SPDX-License-Identifier: Apache-2.0
"""From the outputs of the graph to predictions at the size of the image, as the contract says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.onnx.contract import OnnxContract
from mono_depth_ros.models.onnx.layout import Layout
from mono_depth_ros.models.onnx.points import recover_shift
from mono_depth_ros.models.onnx.preprocess import focal_px
from mono_depth_ros.models.resample import Size, resize_cubic, resize_linear
from mono_depth_ros.prediction import DepthKind, DepthPrediction


def postprocess(
    outputs: Mapping[str, Tensor], contract: OnnxContract, camera: Camera, place: Layout
) -> DepthPrediction:
    """The prediction for one image.

    Args:
        outputs: of one image, by the key of the contract ("depth", "normals", ...).
        camera: of the image. place: where it lies in the network's input.

    Raises:
        ModelError: an output is of a shape that the contract does not allow; found and expected.
    """
    wanted, size = contract.outputs, (camera.width, camera.height)
    planes = {key: _plane(value, contract, key) for key, value in outputs.items() if key not in _NOT_PLANES}

    def full(key: str) -> Tensor | None:
        return back(planes[key], place, size, wanted.resize)[0] if key in planes else None

    mask, score = full("mask"), full("sky")
    depth = planes["depth"] if "depth" in planes else _depth_of_points(outputs, contract, camera, place)
    values = back(depth, place, size, wanted.resize)[0]
    invalid = None if mask is None else ~(mask > wanted.mask_above)
    if contract.depth_kind is DepthKind.METRIC:
        values = _metric(values, outputs, contract, focal_px(place.camera(camera), contract))
        if score is not None:
            above, below = wanted.sky_above, wanted.sky_below
            sky = score > above if above is not None else score < cast(float, below)
            values = values.masked_fill(sky, math.inf)
    confidence, normals = full("confidence"), None
    if "normals" in outputs:
        normals = back(_channels(outputs["normals"], "normals", wanted.normals), place, size, wanted.resize)
        normals = functional.normalize(normals * normals.new_tensor(wanted.normals_signs)[:, None, None], dim=0)
        normals = normals.movedim(0, -1).contiguous()
    if invalid is not None:
        values = values.masked_fill(invalid, math.nan)
        confidence = None if confidence is None else confidence.masked_fill(invalid, math.nan)
        normals = None if normals is None else normals.masked_fill(invalid[..., None], math.nan)
    return DepthPrediction(values, contract.depth_kind, confidence, normals)


def back(values: Tensor, place: Layout, size: Size, how: str) -> Tensor:
    """(C, h, w) float32 of the network to (C, H, W) at the `size` of the image: padding removed, then resized.

    Raises:
        ModelError: the padding is no whole number of pixels of `values`.
    """
    values = _without_padding(values, place)
    width, height = size
    if values.shape[1:] == (height, width):
        return values
    if how == "corners":
        return functional.interpolate(values[None], (height, width), mode="bilinear", align_corners=True)[0]
    if how == "linear":
        return torch.stack([resize_linear(plane, size) for plane in values])
    return torch.stack([resize_cubic(plane[..., None], size).reshape(height, width) for plane in values])


_NOT_PLANES = ("points", "normals", "scale")


def _metric(values: Tensor, outputs: Mapping[str, Tensor], contract: OnnxContract, focal: float) -> Tensor:
    """Metres; NaN where the network says what is no distance or is out of the contract's range."""
    ratio = 1.0 if contract.focal_px is None else focal / contract.focal_px
    inverse = contract.kind.startswith("inverse")
    values = ratio / values if inverse else values * ratio  # an inverse depth of 0 is beyond every range
    if "scale" in outputs:
        values = values * outputs["scale"].reshape(())
    values = torch.where(values > 0, values, math.nan)
    if contract.outputs.range_m is not None:
        low, high = contract.outputs.range_m
        values = torch.where((values >= low) & (values <= high), values, math.nan)
    return values


def _depth_of_points(outputs: Mapping[str, Tensor], contract: OnnxContract, camera: Camera, place: Layout) -> Tensor:
    """(1, h, w): z of the point map, shifted where the contract says so."""
    points = _channels(outputs["points"], "points", contract.outputs.points)
    z = points[2:]
    if contract.outputs.points_shift:
        inside = _without_padding(points, place)
        valid = None
        if "mask" in outputs:
            valid = _without_padding(_plane(outputs["mask"], contract, "mask"), place)[0] > contract.outputs.mask_above
        focal = camera.fx * inside.shape[2] / camera.width
        z = z + recover_shift(inside.permute(1, 2, 0), valid, focal)
    return z


def _without_padding(values: Tensor, place: Layout) -> Tensor:
    if not place.padded:
        return values
    box = []
    for start, length, whole, found in (
        (place.top, place.content[1], place.canvas[1], values.shape[1]),
        (place.left, place.content[0], place.canvas[0], values.shape[2]),
    ):
        begin, end = start * found / whole, (start + length) * found / whole
        if begin % 1 or end % 1:
            raise ModelError(
                f"the network gives {found} pixels for the {whole} it reads, of which {length} from {start} on are the "
                "image: expected whole pixels, choose the padding right_bottom or a size rule without padding"
            )
        box.append(slice(int(begin), int(end)))
    return values[:, box[0], box[1]]


def _plane(value: Tensor, contract: OnnxContract, key: str) -> Tensor:
    """(1, h, w) of (1, h, w), (1, 1, h, w), (1, h, w, 1) or (h, w)."""
    shape = list(value.shape)
    while len(shape) > 2 and 1 in (shape[0], shape[-1]):
        shape = shape[1:] if shape[0] == 1 else shape[:-1]
    if len(shape) != 2:
        found = f"{contract.outputs.wanted[key]} of shape {tuple(value.shape)}"
        raise ModelError(f"the graph gives {key} {found}, expected one plane of (height, width) an image")
    return value.reshape(1, *shape)


def _channels(value: Tensor, key: str, name: str) -> Tensor:
    """(3, h, w) of (..., C, h, w) or (..., h, w, C) with 3 channels or more, of which the first 3 are taken."""
    shape = tuple(value.shape)
    if value.ndim >= 3 and math.prod(shape[:-3]) == 1:
        value = value.reshape(shape[-3:])
        if shape[-1] != 3 and shape[-3] in (3, 4):
            return value[:3]
        if shape[-1] in (3, 4):
            return value[..., :3].permute(2, 0, 1)
    raise ModelError(f"the graph gives {key} {name} of shape {shape}, expected 3 or 4 channels first or last")
