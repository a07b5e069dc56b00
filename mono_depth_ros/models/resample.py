# SPDX-License-Identifier: Apache-2.0
"""How images become the size a network reads, and predictions the size of the image: size rules and resampling.

Sizes are (width, height). Everything here is a pure function.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

Size = tuple[int, int]


def lower_bound_size(width: int, height: int, target: int = 518, multiple: int = 14) -> Size:
    """(width, height) with both sides at least `target`, aspect ratio kept, each rounded to the nearest `multiple`.

    A side that rounds below `target` is rounded up instead. Halves round to even, as in the authors' code.
    Source: Depth-Anything-V2 depth_anything_v2/util/transform.py, `Resize.get_size` with "lower_bound".
    """
    scale = max(target / width, target / height)

    def fit(side: int) -> int:
        steps = scale * side / multiple
        rounded = round(steps) * multiple
        return rounded if rounded >= target else math.ceil(steps) * multiple

    return fit(width), fit(height)


def resize_cubic(image: Tensor, size: Size) -> Tensor:
    """(H, W, C) float32 to `size`, (h, w, C), with the cubic kernel of a = -0.75 and no antialiasing.

    OpenCV's INTER_CUBIC on the CPU; elsewhere torch, equal to it within 1e-4 of the value range.
    """
    if image.device.type == "cpu":  # the authors' very function, and twelve times as fast on one core
        return torch.from_numpy(cv2.resize(image.contiguous().numpy(), size, interpolation=cv2.INTER_CUBIC))
    return resize_cubic_torch(image, size)


def resize_cubic_torch(image: Tensor, size: Size) -> Tensor:
    """`resize_cubic` on any device."""
    width, height = size
    planes = image.permute(2, 0, 1)[None]
    out = functional.interpolate(planes, (height, width), mode="bicubic", align_corners=False, antialias=False)
    return out[0].permute(1, 2, 0)


def resize_corners(values: Tensor, size: Size) -> Tensor:
    """(N, H, W) float to `size`, bilinear with the corner pixels' centres kept (align_corners=True)."""
    width, height = size
    return functional.interpolate(values[:, None], (height, width), mode="bilinear", align_corners=True)[:, 0]


def resize_linear(values: Tensor, size: Size) -> Tensor:
    """(H, W) float32 to `size`, bilinear by the half-pixel rule (edges map to edges), on the tensor's device."""
    width, height = size
    if values.device.type == "cpu":  # the same numbers, seven times as fast on one core
        return torch.from_numpy(cv2.resize(values.contiguous().numpy(), size, interpolation=cv2.INTER_LINEAR))
    return functional.interpolate(values[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]


def resize_area(rgb: Tensor, size: Size) -> Tensor:
    """(H, W, C) uint8 to `size`, (h, w, C) uint8: mean over each new pixel's area; bilinear along sides that grow.

    On the CPU through OpenCV, elsewhere as two matrix products with the same weights: they differ by at most one
    grey level, from rounding.
    """
    width, height = size
    grows = (width > rgb.shape[1], height > rgb.shape[0])
    if rgb.device.type == "cpu" and grows[0] == grows[1]:  # OpenCV does not mix the two
        how = cv2.INTER_LINEAR if grows[0] else cv2.INTER_AREA
        return torch.from_numpy(cv2.resize(rgb.contiguous().numpy(), size, interpolation=how))
    return resize_area_matrix(rgb, size)


def resize_area_matrix(rgb: Tensor, size: Size) -> Tensor:
    """`resize_area` on any device."""
    width, height = size
    rows = _axis_weights(rgb.shape[0], height).to(rgb.device)
    columns = _axis_weights(rgb.shape[1], width).to(rgb.device)
    out = torch.einsum("yh,hwc,xw->yxc", rows, rgb.float(), columns)
    return out.round_().clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=32)
def _axis_weights(source: int, target: int) -> Tensor:
    """(target, source) float32, rows sum to 1: overlap of new and old pixels, or bilinear weights where it grows."""
    index = np.arange(source)
    if target > source:
        centre = np.clip((np.arange(target)[:, None] + 0.5) * source / target - 0.5, 0, source - 1)
        weights = np.maximum(0, 1 - np.abs(centre - index))
    else:
        start = np.arange(target)[:, None] * source / target
        overlap = np.minimum(start + source / target, index + 1) - np.maximum(start, index)
        weights = np.maximum(0, overlap) * target / source
    return torch.from_numpy(weights.astype(np.float32))


def resample(image: Tensor, size: Size, how: str, antialias: bool = False) -> Tensor:
    """(H, W, C) uint8 or float32 to `size`, (h, w, C) of the same dtype; uint8 is rounded.

    Without antialiasing these are OpenCV's kernels: itself on the CPU, elsewhere torch or matrix products with the same
    weights (uint8 then differs by at most one grey level). With it those of torch, which are Pillow's.

    Args:
        how: "linear" or "cubic"; "area", the mean over each new pixel's area, "cubic" where a side grows.
        antialias: widen the kernel where the image shrinks; not with "area", which is a mean already.
    """
    if size == (image.shape[1], image.shape[0]):
        return image
    if how == "area" and (size[0] > image.shape[1] or size[1] > image.shape[0]):
        how = "cubic"
    if image.device.type == "cpu" and not antialias:
        kernel = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}[how]
        return torch.from_numpy(cv2.resize(image.contiguous().numpy(), size, interpolation=kernel))
    out = resample_torch(image.float(), size, how, antialias)
    return out.round_().clamp_(0, 255).to(torch.uint8) if image.dtype == torch.uint8 else out


def resample_torch(image: Tensor, size: Size, how: str, antialias: bool = False) -> Tensor:
    """`resample` of float32 on any device; "area" shrinks only."""
    width, height = size
    if how == "area":
        rows = _axis_weights(image.shape[0], height).to(image.device)
        columns = _axis_weights(image.shape[1], width).to(image.device)
        return torch.einsum("yh,hwc,xw->yxc", rows, image, columns)
    mode = {"linear": "bilinear", "cubic": "bicubic"}[how]
    planes = image.permute(2, 0, 1)[None]
    out = functional.interpolate(planes, (height, width), mode=mode, align_corners=False, antialias=antialias)
    return out[0].permute(1, 2, 0)
