# SPDX-License-Identifier: Apache-2.0
"""Batches for the network, and their order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.training.augment import augment
from mono_depth_ros.training.pool import Pool

Batch = tuple[Tensor, Tensor, Tensor]


def collate(samples: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> Batch:
    """(rgb (N, 3, H, W) in [0, 1], rays (N, 2, H, W), depth (N, 1, H, W) metres), float32, of samples."""
    rgb, depth, ray_x, ray_y = (torch.from_numpy(np.stack(parts)) for parts in zip(*samples, strict=True))
    height, width = rgb.shape[1:3]
    x, y = ray_x[:, None, :].expand(-1, height, -1), ray_y[:, :, None].expand(-1, -1, width)
    rays = torch.stack([x, y], dim=-1).permute(0, 3, 1, 2)
    return rgb.permute(0, 3, 1, 2).float().div_(255), rays, depth[:, None]


def make_batch(pool: Pool, indices: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> Batch:
    """One augmented batch of the pool's frames `indices` at `size` (width, height)."""
    return collate([augment(pool.rgb[i], pool.depth[i], pool.camera(i), size, rng) for i in map(int, indices)])


def shuffled(count: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Index arrays of `batch` for ever, every frame once an epoch (the remainder of an epoch is left out)."""
    while True:
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield np.sort(order[start : start + batch])
