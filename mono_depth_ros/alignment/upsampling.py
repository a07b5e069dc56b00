# SPDX-License-Identifier: Apache-2.0
"""From a grid of every few pixels to all pixels."""

from __future__ import annotations

import torch


def upsampled(maps: torch.Tensor, step: int, height: int, width: int) -> torch.Tensor:
    """(C, h, w) at every `step`-th pixel to (C, height, width), bilinear; beyond the last place as there.

    One axis after the other, which on the CPU takes a third of the time of `torch.nn.functional.interpolate`.
    """
    if step == 1:
        return maps
    part = torch.arange(step, device=maps.device) / step
    for axis, weight in ((2, part), (1, part[:, None])):
        last = maps.shape[axis] - 1
        after = torch.cat((maps.narrow(axis, 1, last), maps.narrow(axis, last, 1)), axis)
        maps = torch.lerp(maps.unsqueeze(axis + 1), after.unsqueeze(axis + 1), weight).flatten(axis, axis + 1)
    return maps[:, :height, :width]
