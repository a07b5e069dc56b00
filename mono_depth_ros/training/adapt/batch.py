# SPDX-License-Identifier: Apache-2.0
"""Batches of views for the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.training.adapt.view import Shown


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors of N views.

    Attributes:
        rgb: (N, 3, H, W) float32 from 0 to 1. rays: (N, 2, H, W) float32, x/z and y/z.
        dense, sparse: (N, 1, H, W) float32 metres, NaN unknown, +inf sky.
        dense_weight: (N,) float32. weight: (N, 1, H, W) float32 of the sparse depths, 0 where there is none.
    """

    rgb: Tensor
    rays: Tensor
    dense: Tensor
    dense_weight: Tensor
    sparse: Tensor
    weight: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return self if device.type == "cpu" else Batch(*(value.to(device) for value in vars(self).values()))


def collate(views: Sequence[Shown]) -> Batch:
    """A batch of views of one size."""
    height, width = views[0].rgb.shape[:2]

    def stacked(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(one, name) for one in views]))

    x, y = stacked("ray_x")[:, None, :], stacked("ray_y")[:, :, None]
    return Batch(
        rgb=stacked("rgb").permute(0, 3, 1, 2).float().div_(255),  # channels last, as it was
        rays=torch.stack([x.expand(-1, height, -1), y.expand(-1, -1, width)], dim=-1).permute(0, 3, 1, 2),
        dense=stacked("dense")[:, None],
        dense_weight=torch.tensor([one.dense_weight for one in views], dtype=torch.float32),
        sparse=stacked("sparse")[:, None],
        weight=stacked("weight")[:, None],
    )
