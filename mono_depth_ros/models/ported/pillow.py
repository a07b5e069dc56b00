# SPDX-License-Identifier: Apache-2.0
"""Pillow's resampling of 8-bit images on any device: what the processors of `transformers` resize with.

The same to the bit. torch's own `interpolate(antialias=True)` is not: it keeps its weights in 16 bits and is off by up
to two grey levels in up to 5 % of the pixels. Source: Pillow `src/libImaging/Resample.c`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.models.resample import Size

_BITS = 22
"""Of the fixed-point weights: 32 less the 8 of a pixel and 2 for what overshoots."""


def resize_pillow(images: Tensor, size: Size, kernel: str) -> Tensor:
    """(N, H, W, C) uint8 to `size` (w, h), (N, h, w, C) uint8, as `PIL.Image.resize` does, antialiased.

    Args:
        kernel: "bilinear", or "bicubic" (with a = -0.5).
    """
    passes = [(2, size[0]), (1, size[1])]
    if _down_first(images.shape[2], images.shape[1], size):
        passes.reverse()
    for axis, target in passes:
        if images.shape[axis] != target:
            images = _resample(images, axis, target, kernel)
    return images


def _down_first(width: int, height: int, size: Size) -> bool:
    """The order matters, as there are 8 bits in between. This is Pillow 13's; before, it was always across first."""
    return size[1] < height and height - size[1] > 2 * (width - size[0])


def _resample(images: Tensor, axis: int, target: int, kernel: str) -> Tensor:
    index, weights = _taps(images.shape[axis], target, kernel, str(images.device))
    shape = [1, 1, 1, 1]
    shape[axis] = target
    total = None
    for places, factors in zip(index, weights, strict=True):
        term = images.index_select(axis, places).int().mul_(factors.view(shape))
        total = term.add_(1 << (_BITS - 1)) if total is None else total.add_(term)
    assert total is not None
    return total.bitwise_right_shift_(_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _taps(source: int, target: int, kernel: str, device: str) -> tuple[Tensor, Tensor]:
    """Where each new pixel looks, (taps, target) int64, and its weights there, (taps, target) int32 fixed-point."""
    radius = {"bilinear": 1.0, "bicubic": 2.0}[kernel]
    scale = source / target
    stretch = max(scale, 1.0)
    centre = (np.arange(target) + 0.5) * scale
    first = np.maximum((centre - radius * stretch + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + radius * stretch + 0.5).astype(np.int64), source)
    places = first[:, None] + np.arange((end - first).max())
    weights = _kernel(np.abs(places - centre[:, None] + 0.5) * (1 / stretch), kernel)
    weights[places >= end[:, None]] = 0
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # summed one by one, as Pillow sums them
    fixed = np.trunc(weights * (1 << _BITS) + np.copysign(0.5, weights)).astype(np.int32)
    index = np.minimum(places, source - 1)
    return torch.from_numpy(index.T.copy()).to(device), torch.from_numpy(fixed.T.copy()).to(device)


def _kernel(x: np.ndarray, kernel: str) -> np.ndarray:
    if kernel == "bilinear":
        return np.maximum(1 - x, 0)
    a = -0.5
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))
