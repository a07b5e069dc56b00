# SPDX-License-Identifier: Apache-2.0
"""From a network's outputs to a prediction at the size of the image, as its `Processing` says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import pixel_rays
from mono_depth_ros.models.preprocess import Layout, focal_px
from mono_depth_ros.models.processing import Processing
from mono_depth_ros.models.resample import Size, resize_maps
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.transfer import download

_NOT_PLANES = ("points", "normals", "scale")


def postprocess(
    outputs: Mapping[str, Tensor], processing: Processing, camera: Camera, place: Layout
) -> DepthPrediction:
    """The prediction for one image.

    Args:
        outputs: of one image, by the key of the declaration ("depth", "normals", ...).
        camera: of the image. place: where it lies in the network's input.

    Raises:
        ModelError: an output is of a shape that the declaration does not allow; found and expected.
    """
    wanted, size = processing.outputs, (camera.width, camera.height)
    planes = {key: _plane(value, processing, key) for key, value in outputs.items() if key not in _NOT_PLANES}
    if "depth" in planes:
        planes["depth"] = _scaled(planes["depth"], processing)
    full = {key: resized_back(planes[key], place, size, wanted.resize)[0] for key in planes}
    values, confidence, normals = full.get("depth"), full.get("confidence"), None
    if values is None:
        values = resized_back(_depth_of_points(outputs, processing, camera, place), place, size, wanted.resize)[0]
    if processing.depth_kind.proportional:
        values = _positive(values, outputs, processing, camera, place)
    if "sky" in full and not processing.depth_kind.inverse:
        above, below = wanted.sky_above, wanted.sky_below
        sky = full["sky"] > above if above is not None else full["sky"] < cast(float, below)
        values = values.masked_fill(sky, math.inf)
    if confidence is not None:
        confidence = _confidence(confidence, wanted.confidence_form)
    if "normals" in outputs:
        normals = _channels(outputs["normals"], "normals", wanted.normals)
        normals = resized_back(normals, place, size, wanted.resize)
        normals = functional.normalize(normals * _signs(wanted.normals_signs, str(normals.device)), dim=0)
        normals = normals.movedim(0, -1).contiguous()
    if "mask" in full:
        invalid = ~(full["mask"] > wanted.mask_above)
        values = values.masked_fill(invalid, math.nan)
        confidence = None if confidence is None else confidence.masked_fill(invalid, math.nan)
        normals = None if normals is None else normals.masked_fill(invalid[..., None], math.nan)
    return DepthPrediction(values, processing.depth_kind, confidence, normals)


def _scaled(values: Tensor, processing: Processing) -> Tensor:
    """What `kind` speaks of; a logarithm becomes the depth that is resized."""
    factor, offset = processing.outputs.factor, processing.outputs.offset
    if (factor, offset) != (1.0, 0.0):
        values = values * factor + offset
    return values.exp() if processing.kind == "log_metric" else values


@lru_cache(maxsize=16)
def _signs(signs: tuple[int, ...], device: str) -> Tensor:
    """(3, 1, 1), where the normals are: they are not uploaded for each image."""
    return torch.tensor(signs, dtype=torch.float32, device=device)[:, None, None]


def resized_back(values: Tensor, place: Layout, size: Size, kernel: str) -> Tensor:
    """(C, h, w) float32 of the network to (C, H, W) at the `size` of the image: padding removed, then resized.

    Raises:
        ModelError: the padding is no whole number of pixels of `values`.
    """
    return resize_maps(_without_padding(values, place), size, kernel)


def _confidence(values: Tensor, form: str) -> Tensor:
    """From 0 to 1, higher is better."""
    if form == "share":
        return values.clamp(0, 1)
    error = 1 / values.clamp(min=1)
    return error if form == "error" else 1 - error


def _positive(
    values: Tensor, outputs: Mapping[str, Tensor], processing: Processing, camera: Camera, place: Layout
) -> Tensor:
    """Metres, or depth up to a scale; NaN where the network says what is no distance or out of the declared range."""
    if processing.focal_px is not None:
        ratio = focal_px(place.camera(camera), processing) / processing.focal_px
        values = ratio / values if processing.kind == "inverse_canonical" else values * ratio
    elif processing.kind == "inverse_metric":
        values = 1 / values  # an inverse depth of 0 is beyond every range
    if "scale" in outputs:
        values = values * outputs["scale"].reshape(())
    low, high = processing.outputs.range_m or (0.0, math.inf)
    low, high = low * (1 - _ROUNDING), high * (1 + _ROUNDING)
    # Mostly there is nothing to mask, which saves most of the time; on a GPU asking would cost more than doing it.
    if values.device.type == "cpu":
        least, most = values.aminmax()
        if least > 0 and least >= low and most <= high:
            return values
    return torch.where((values > 0) & (values >= low) & (values <= high), values, math.nan)


_ROUNDING = 1e-6
"""Of resampling: what a network gives at the very end of its range may come out a hair beyond it."""


def _depth_of_points(outputs: Mapping[str, Tensor], processing: Processing, camera: Camera, place: Layout) -> Tensor:
    """(1, h, w): z of the point map, shifted where the declaration says so."""
    points = _channels(outputs["points"], "points", processing.outputs.points)
    z = points[2:]
    if processing.outputs.points_shift:
        inside = _without_padding(points, place)
        valid = None
        if "mask" in outputs:
            mask = _without_padding(_plane(outputs["mask"], processing, "mask"), place)[0]
            valid = mask > processing.outputs.mask_above
        height, width = inside.shape[1:]
        own = camera.resized(width, height)
        exact = own if processing.outputs.shift_by == "camera" else None
        z = z + recover_shift(inside.permute(1, 2, 0), valid, own.fx, exact)
    return _scaled(z, processing)


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


def _plane(value: Tensor, processing: Processing, key: str) -> Tensor:
    """(1, h, w) of (1, h, w), (1, 1, h, w), (1, h, w, 1) or (h, w)."""
    shape = list(value.shape)
    while len(shape) > 2 and 1 in (shape[0], shape[-1]):
        shape = shape[1:] if shape[0] == 1 else shape[:-1]
    if len(shape) != 2:
        found = f"{processing.outputs.wanted[key]} of shape {tuple(value.shape)}"
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


SHIFT_SAMPLES = 64
"""Rows and columns of points that the shift is fitted to, as in the authors' code."""
_SHIFT_STEPS = 100
_UNEXPLAINED = 0.5
"""Of the pixels' squared distances from the centre, that a fit may leave: at infinity it leaves all of them."""


def recover_shift(points: Tensor, valid: Tensor | None, focal: float, camera: Camera | None = None) -> float:
    """The constant that, added to z, makes the points project to the pixels they belong to.

    NaN where nothing is valid, and where no constant does it: the points of a network that saw nothing it knows have
    their best fit at infinity.

    For point maps that lack it, as those of MoGe (arXiv 2410.19115): it follows from the focal length.

    Minimises the sum over pixels of |focal * xy / (z + shift) - uv|^2, with uv in pixels from the image's centre, or
    with a camera focal * what the pixel sees. Source: microsoft/MoGe `moge/utils/geometry_numpy.py`,
    `solve_optimal_shift`.

    Args:
        points: (h, w, 3) float32. valid: (h, w) bool, None where all are. focal: in pixels of this map.
        camera: of this map, to go by all of it.
    """
    height, width = points.shape[:2]
    rows, columns = (
        torch.arange(min(SHIFT_SAMPLES, side), device=points.device) * side // min(SHIFT_SAMPLES, side)
        for side in (height, width)
    )
    some = points[rows][:, columns].double()
    good = torch.isfinite(some).all(-1)
    if valid is not None:
        good &= valid[rows][:, columns]
    if camera is None:
        v, u = torch.meshgrid(rows - (height - 1) / 2, columns - (width - 1) / 2, indexing="ij")
        places = torch.stack([u, v], -1).double()
    else:
        v, u = torch.meshgrid(rows.double(), columns.double(), indexing="ij")
        places = focal * pixel_rays(torch.stack([u, v], -1), camera)
        good &= torch.isfinite(places).all(-1)
    found, seen, pixels = download(some, good, places)
    chosen = found[seen]
    return _fit(chosen[:, :2] * focal, chosen[:, 2], pixels[seen]) if len(chosen) > 1 else float("nan")


def _fit(xy: np.ndarray, z: np.ndarray, uv: np.ndarray) -> float:
    """Levenberg-Marquardt in one unknown, from 0; points stay in front of the camera."""
    shift, damping = max(0.0, 1e-3 * float(np.ptp(z)) - float(z.min())), 1e-3
    cost, gradient, curvature = _terms(xy, z + shift, uv)
    for _ in range(_SHIFT_STEPS):
        step = -gradient / (curvature * (1 + damping)) if curvature > 0 else 0.0
        found = _terms(xy, z + shift + step, uv) if float(z.min()) + shift + step > 0 else None
        if found is not None and found[0] <= cost:
            (cost, gradient, curvature), shift, damping = found, shift + step, damping / 10
        else:
            damping *= 10
        if abs(step) <= 1e-9 * max(abs(shift), float(np.abs(z).mean())):
            break
    return shift if cost <= _UNEXPLAINED * float((uv**2).sum()) else float("nan")


def _terms(xy: np.ndarray, z: np.ndarray, uv: np.ndarray) -> tuple[float, float, float]:
    """Cost, half its derivative by the shift, and the Gauss-Newton curvature."""
    projected = xy / z[:, None]
    residual, slope = projected - uv, -projected / z[:, None]
    return float((residual**2).sum()), float((residual * slope).sum()), float((slope**2).sum())
