# SPDX-License-Identifier: Apache-2.0
"""Relative or metric? The tensors of the two have the same names and shapes; what tells is which way they answer.

A relative network gives larger numbers to what is nearer, a metric one to what is farther. So the network is shown a
picture whose distances are known, a corridor, and asked. Weights that have learned nothing give no clear answer.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork
from mono_depth_ros.prediction import DepthKind

SIDE = 252
"""Pixels; a multiple of 14. Small: a fifth of the work of an image at the networks' own size."""
CLEAR = 0.85
"""Rank correlation with nearness, of either sign, that is a clear answer."""
SPREAD = 0.5
"""Between the 5th and the 95th percentile, before the last activation. A metric head needs 1.5 to tell this
corridor's near from its far, a relative one has learned numbers from 0 to tens or hundreds."""


def answer(network: DepthAnythingNetwork, mean: Tensor, std: Tensor) -> tuple[DepthKind | None, float]:
    """What the network's output means, None where that is not clear, and its rank correlation with nearness.

    Args:
        network: float32 on the CPU. mean, std: (3,) in [0, 1], of the images it was trained with.
    """
    rgb, nearness = corridor()
    image = ((torch.from_numpy(rgb).float() / 255 - mean) / std).permute(2, 0, 1)[None]
    return judge(before_activation(network, image).numpy(), nearness)


def judge(values: np.ndarray, nearness: np.ndarray) -> tuple[DepthKind | None, float]:
    """`answer` from the network's output before its last activation, (H, W), and the nearness of every pixel."""
    correlation = float(np.corrcoef(_ranks(values), _ranks(nearness))[0, 1])
    low, high = np.percentile(values, [5, 95])
    if not (high - low >= SPREAD and abs(correlation) >= CLEAR):
        return None, correlation
    return (DepthKind.INVERSE_AFFINE if correlation > 0 else DepthKind.METRIC), correlation


@torch.inference_mode()
def before_activation(network: DepthAnythingNetwork, image: Tensor) -> Tensor:
    """(H, W): what reaches the last activation for one normalised image (1, 3, H, W)."""
    seen: list[Tensor] = []
    last = network.depth_head.scratch.output_conv2[-1]
    hook = last.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    try:
        network(image)
    finally:
        hook.remove()
    return seen[0][0, 0]


@lru_cache(maxsize=1)
def corridor() -> tuple[np.ndarray, np.ndarray]:
    """(SIDE, SIDE, 3) uint8 and its nearness (SIDE, SIDE), one over the depth in metres.

    Looking along a corridor 2 m wide and 2.5 m high, 12 m to its end: tiles on the floor, bricks, a lit ceiling.
    """
    focal = 0.8 * SIDE
    v, u = np.mgrid[:SIDE, :SIDE]
    x, y = (u - (SIDE - 1) / 2) / focal, (v - (SIDE - 1) / 2) / focal
    planes = np.stack([np.maximum(y, 0) / 1.4, np.maximum(-y, 0) / 1.1, np.abs(x) / 1.0, np.full_like(x, 1 / 12)])
    which, nearness = planes.argmax(0), planes.max(0)
    z = 1 / nearness
    across = np.where(which < 2, x, np.where(which == 2, y, x)) * z
    along = np.where(which == 3, y * z, z)
    tiles = (np.floor(across / 0.4) + np.floor(along / 0.4)) % 2
    row = np.floor(across / 0.25)
    mortar = (across / 0.25 % 1 < 0.12) | ((along / 0.5 + 0.5 * (row % 2)) % 1 < 0.06)
    lamps = (np.abs(across) < 0.25) & (along % 2 < 1)
    light = np.stack([110 + 80 * tiles, 170 + 85 * lamps, 150 - 60 * mortar, 120 + 30 * tiles])
    colour = np.array([[0.95, 0.85, 0.7], [1, 1, 0.97], [0.9, 0.6, 0.5], [0.7, 0.8, 0.9]])
    shade = np.take_along_axis(light, which[None], 0)[0] * (0.35 + 0.65 * np.exp(-z / 8))
    return (shade[..., None] * colour[which]).clip(0, 255).astype(np.uint8), nearness.astype(np.float32)


def _ranks(values: np.ndarray) -> np.ndarray:
    return values.ravel().argsort().argsort().astype(np.float64)
