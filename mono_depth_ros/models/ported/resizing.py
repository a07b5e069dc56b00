# SPDX-License-Identifier: Apache-2.0
"""How predictions return to the size of the image in the processors of `transformers`."""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.models.resample import Size


def resize_bicubic(values: Tensor, size: Size) -> Tensor:
    """(N, H, W) float to `size`, (N, h, w): bicubic with a = -0.75 by the half-pixel rule, no antialiasing."""
    width, height = size
    return functional.interpolate(values[:, None], (height, width), mode="bicubic", align_corners=False)[:, 0]


def resize_bilinear(values: Tensor, size: Size) -> Tensor:
    """(N, C, H, W) float to `size`, (N, C, h, w): bilinear by the half-pixel rule, no antialiasing."""
    width, height = size
    return functional.interpolate(values, (height, width), mode="bilinear", align_corners=False)
