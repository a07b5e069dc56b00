# SPDX-License-Identifier: Apache-2.0
"""How the learning rate goes over a run."""

from __future__ import annotations

import math


def cosine_cycle(fraction: float, warmup: float) -> float:
    """Factor on the peak learning rate: up linearly over `warmup`, then half a cosine down to 0.005."""
    if fraction < warmup:
        return max(fraction / warmup, 0.01)
    down = (fraction - warmup) / max(1e-9, 1 - warmup)
    return 0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(down, 1.0)))


def polynomial(fraction: float, power: float = 0.9) -> float:
    """Factor on the peak learning rate: (1 - fraction)^power, as in `metric_depth/train.py` of Depth Anything V2."""
    return float((1 - min(fraction, 1.0)) ** power)
