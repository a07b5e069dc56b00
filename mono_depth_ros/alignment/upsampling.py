# SPDX-License-Identifier: Apache-2.0
"""From a grid of every few pixels to all pixels."""

from __future__ import annotations

import torch


def upsampled(maps: torch.Tensor, step: int, height: int, width: int) -> torch.Tensor:
    """(C, h, w) at every `step`-th pixel to (C, height, width), bilinear; beyond the last place as there.

    One axis after the other and row by row within each, which on the CPU takes a fifth of the time of
    `torch.nn.functional.interpolate`.
    """
    if step == 1:
        return maps
    for axis in (2, 1):
        last = maps.shape[axis] - 1
        after = torch.cat((maps.narrow(axis, 1, last), maps.narrow(axis, last, 1)), axis)
        between = maps.new_empty((*maps.shape[: axis + 1], step, *maps.shape[axis + 1 :]))
        for part in range(step):
            torch.lerp(maps, after, part / step, out=between.select(axis + 1, part))
        maps = between.flatten(axis, axis + 1)
    return maps[:, :height, :width]
