# SPDX-License-Identifier: Apache-2.0
"""Depth as a picture for eyes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch

_SAMPLE_STEP = 4  # the colour range comes from every fourth pixel and row: sorting them all takes longer than drawing


def colorize(inverse: torch.Tensor, low: float | None = None, high: float | None = None) -> torch.Tensor:
    """Colours of an inverse depth image: near is warm, far is cold, unknown is black.

    Args:
        inverse: (H, W) float32 inverse depth, metric or not; NaN and +inf unknown, -inf as far as colours go.
        low, high: the range of the colours; by default the 2nd and 98th percentile of this image.

    Returns:
        (H, W, 3) uint8 RGB on the same device.
    """
    known = inverse < torch.inf
    # The limits of this image stay where it is: to ask for them would be to wait for a GPU.
    lowest: Any = low
    highest: Any = high
    if low is None or high is None:
        sample = inverse[::_SAMPLE_STEP, ::_SAMPLE_STEP]
        sample = torch.where(torch.isfinite(sample), sample, torch.nan)
        limits = torch.nanquantile(sample, _percentiles(str(inverse.device))).nan_to_num(0.0).double()
        lowest, highest = (limits[index] if given is None else given for index, given in enumerate((low, high)))
    span = highest - lowest
    scale = 254 / (span.clamp(min=1e-12) if isinstance(span, torch.Tensor) else max(span, 1e-12))
    scaled = (inverse - lowest) * scale
    index = torch.where(known, scaled.clamp(0, 254) + 1, 0.0)
    return _palette(str(inverse.device))[index.to(torch.int64)]


@lru_cache(maxsize=4)
def _percentiles(device: str) -> torch.Tensor:
    return torch.tensor([0.02, 0.98], device=device)


@lru_cache(maxsize=4)
def _palette(device: str) -> torch.Tensor:
    """(256, 3) uint8 RGB: OpenCV's turbo, with black at 0 for what is unknown."""
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_TURBO)[:, 0, ::-1].copy()
    colours[0] = 0
    return torch.from_numpy(colours).to(device)
