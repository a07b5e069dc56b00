# SPDX-License-Identifier: Apache-2.0
"""Resampling: the only place that knows kernels, antialiasing, corner conventions, OpenCV, torch and Pillow.

Sizes are (width, height), images (N, H, W, C), maps (C, H, W). Everything here is a pure function. On the CPU it is
OpenCV that resamples, the very function of most authors and up to twelve times as fast as torch on one core; elsewhere
torch with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

Size = tuple[int, int]

_OPENCV = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}
_TORCH = {"linear": "bilinear", "cubic": "bicubic"}


def resize_images(images: Tensor, size: Size, kernel: str, antialias: bool = False) -> Tensor:
    """(N, H, W, C) uint8 or float32 to `size`, (N, h, w, C) of the same dtype (uint8 is rounded), half-pixel rule.

    Without antialiasing OpenCV and torch agree within 1e-4 of the range of values, on uint8 within one grey level.

    Args:
        kernel: "linear"; "cubic" with a = -0.75, -0.5 where antialiased; "area", the mean over each new pixel's area,
            "cubic" where a side grows; "lanczos" with a = 3, antialiased only.
        antialias: widen the kernel where the image shrinks, as Pillow does, on uint8 to the bit; not with "area", which
            is a mean already.
    """
    if size == (images.shape[2], images.shape[1]):
        return images
    if kernel == "area" and (size[0] > images.shape[2] or size[1] > images.shape[1]):
        kernel = "cubic"
    if antialias and images.dtype == torch.uint8:
        return resize_pillow(images, size, kernel)
    if images.device.type == "cpu" and not antialias:
        return _opencv(images, size, kernel)
    resized = resize_images_torch(images.float(), size, kernel, antialias)
    return resized.round_().clamp_(0, 255).to(torch.uint8) if images.dtype == torch.uint8 else resized


def resize_images_torch(images: Tensor, size: Size, kernel: str, antialias: bool = False) -> Tensor:
    """`resize_images` of float32 on any device; "area" shrinks only."""
    if kernel == "area":
        return _by_matrices(images, size, _area_weights)
    if kernel == "lanczos":
        return _by_matrices(images, size, _lanczos_weights)
    planes, mode = images.permute(0, 3, 1, 2), _TORCH[kernel]
    resized = functional.interpolate(planes, size[::-1], mode=mode, align_corners=False, antialias=antialias)
    return resized.permute(0, 2, 3, 1)


def _opencv(images: Tensor, size: Size, kernel: str) -> Tensor:
    resized = torch.empty((len(images), size[1], size[0], images.shape[3]), dtype=images.dtype)
    for image, target in zip(images, resized, strict=True):
        cv2.resize(image.contiguous().numpy(), size, dst=target.numpy(), interpolation=_OPENCV[kernel])
    return resized


def resize_maps(maps: Tensor, size: Size, kernel: str) -> Tensor:
    """(C, h, w) float32 to `size`, (C, H, W), without antialiasing.

    Args:
        kernel: "linear" or "cubic" (a = -0.75) by the half-pixel rule: edges map to edges (align_corners=False);
            "corners": bilinear, the corner pixels' centres map to each other (align_corners=True).
    """
    if size == (maps.shape[2], maps.shape[1]):
        return maps
    if kernel == "corners":
        return resize_corners(maps[None], size, "linear")[0]
    if maps.device.type != "cpu":
        return functional.interpolate(maps[None], size[::-1], mode=_TORCH[kernel], align_corners=False)[0]
    resized = torch.empty((len(maps), size[1], size[0]))
    for plane, target in zip(maps, resized, strict=True):
        cv2.resize(plane.contiguous().numpy(), size, dst=target.numpy(), interpolation=_OPENCV[kernel])
    return resized


def resize_corners(planes: Tensor, size: Size, kernel: str) -> Tensor:
    """(N, C, h, w) float to `size`, (N, C, H, W), the corner pixels' centres kept; "linear" or "cubic" (a = -0.75)."""
    return functional.interpolate(planes, size[::-1], mode=_TORCH[kernel], align_corners=True)


def resize_area(images: Tensor, size: Size) -> Tensor:
    """(N, H, W, C) uint8 to `size`, (N, h, w, C) uint8: mean over each new pixel's area, bilinear where a side grows.

    On the CPU through OpenCV, elsewhere as two matrix products with the same weights: they differ by at most one
    grey level, from rounding.
    """
    grows = (size[0] > images.shape[2], size[1] > images.shape[1])
    if images.device.type == "cpu" and grows[0] == grows[1]:  # OpenCV does not mix the two
        return _opencv(images, size, "linear" if grows[0] else "area")
    return resize_area_matrix(images, size)


def resize_area_matrix(images: Tensor, size: Size) -> Tensor:
    """`resize_area` on any device."""
    return _by_matrices(images.float(), size, _area_weights).round_().clamp_(0, 255).to(torch.uint8)


def _by_matrices(images: Tensor, size: Size, weights: Callable[[int, int, str], Tensor]) -> Tensor:
    rows = weights(images.shape[1], size[1], str(images.device))
    columns = weights(images.shape[2], size[0], str(images.device))
    return torch.einsum("yh,nhwc,xw->nyxc", rows, images, columns)


@lru_cache(maxsize=32)
def _area_weights(source: int, target: int, device: str) -> Tensor:
    """(target, source) float32 on the device, rows sum to 1: overlap of new and old pixels, or bilinear weights where
    it grows."""
    index = np.arange(source)
    if target > source:
        centre = np.clip((np.arange(target)[:, None] + 0.5) * source / target - 0.5, 0, source - 1)
        weights = np.maximum(0, 1 - np.abs(centre - index))
    else:
        start = np.arange(target)[:, None] * source / target
        overlap = np.minimum(start + source / target, index + 1) - np.maximum(start, index)
        weights = np.maximum(0, overlap) * target / source
    return torch.from_numpy(weights.astype(np.float32)).to(device)


_PILLOW_BITS = 22
"""Of the fixed-point weights: 32 less the 8 of a pixel and 2 for what overshoots."""


def resize_pillow(images: Tensor, size: Size, kernel: str) -> Tensor:
    """(N, H, W, C) uint8 to `size`, (N, h, w, C) uint8, as `PIL.Image.resize` does, antialiased, on any device.

    The same to the bit, which torch's own `interpolate(antialias=True)` is not: it keeps its weights in 16 bits and is
    off by up to two grey levels in up to 5 % of the pixels. Source: Pillow `src/libImaging/Resample.c`.

    Args:
        kernel: "linear", "cubic" (with a = -0.5), or "lanczos" (with a = 3).
    """
    width, height = images.shape[2], images.shape[1]
    passes = [(2, size[0]), (1, size[1])]
    # The order matters, as there are 8 bits in between. This is Pillow 13's; before, it was always across first.
    if size[1] < height and height - size[1] > 2 * (width - size[0]):
        passes.reverse()
    for axis, target in passes:
        if images.shape[axis] != target:
            images = _pillow_pass(images, axis, target, kernel)
    return images


def _pillow_pass(images: Tensor, axis: int, target: int, kernel: str) -> Tensor:
    index, weights = _pillow_taps(images.shape[axis], target, kernel, str(images.device))
    shape = [1, 1, 1, 1]
    shape[axis] = target
    total = None
    for places, factors in zip(index, weights, strict=True):
        term = images.index_select(axis, places).int().mul_(factors.view(shape))
        total = term.add_(1 << (_PILLOW_BITS - 1)) if total is None else total.add_(term)
    assert total is not None
    return total.bitwise_right_shift_(_PILLOW_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _pillow_taps(source: int, target: int, kernel: str, device: str) -> tuple[Tensor, Tensor]:
    """Where each new pixel looks, (taps, target) int64, and its weights there, (taps, target) int32 fixed-point."""
    places, weights = _pillow_weights(source, target, kernel)
    fixed = np.trunc(weights * (1 << _PILLOW_BITS) + np.copysign(0.5, weights)).astype(np.int32)
    return torch.from_numpy(places.T.copy()).to(device), torch.from_numpy(fixed.T.copy()).to(device)


@lru_cache(maxsize=32)
def _lanczos_weights(source: int, target: int, device: str) -> Tensor:
    """(target, source) float32 on the device, rows sum to 1."""
    places, taps = _pillow_weights(source, target, "lanczos")
    weights = np.zeros((target, source))
    np.add.at(weights, (np.arange(target)[:, None], places), taps)
    return torch.from_numpy(weights.astype(np.float32)).to(device)


def _pillow_weights(source: int, target: int, kernel: str) -> tuple[np.ndarray, np.ndarray]:
    """Where each new pixel looks, (target, taps), and its weights there, float64 with rows that sum to 1."""
    radius = {"linear": 1.0, "cubic": 2.0, "lanczos": 3.0}[kernel]
    scale = source / target
    stretch = max(scale, 1.0)
    centre = (np.arange(target) + 0.5) * scale
    first = np.maximum((centre - radius * stretch + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + radius * stretch + 0.5).astype(np.int64), source)
    places = first[:, None] + np.arange((end - first).max())
    weights = _pillow_kernel(np.abs(places - centre[:, None] + 0.5) * (1 / stretch), kernel)
    weights[places >= end[:, None]] = 0
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # summed one by one, as Pillow sums them
    return np.minimum(places, source - 1), weights


def _pillow_kernel(x: np.ndarray, kernel: str) -> np.ndarray:
    if kernel == "linear":
        return np.maximum(1 - x, 0)
    if kernel == "lanczos":
        return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    a = -0.5
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))
