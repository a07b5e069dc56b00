# SPDX-License-Identifier: Apache-2.0
"""The network of Depth Anything V2 (Yang et al. 2024, arXiv 2406.09414), under its authors' parameter names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mono_depth_ros.models.networks.dpt_head import DptHead
from mono_depth_ros.models.networks.vit import VisionTransformer, VitSize, fold_layer_scales


@dataclass(frozen=True)
class NetworkSize:
    """Encoder, and channels of the head: at each of its four levels and inside it."""

    vit: VitSize
    channels: tuple[int, int, int, int]
    width: int


SIZES = {
    "small": NetworkSize(VitSize(384, 12, 6, (2, 5, 8, 11)), (48, 96, 192, 384), 64),
    "base": NetworkSize(VitSize(768, 12, 12, (2, 5, 8, 11)), (96, 192, 384, 768), 128),
    "large": NetworkSize(VitSize(1024, 24, 16, (4, 11, 17, 23)), (256, 512, 1024, 1024), 256),
}


class DepthAnythingNetwork(nn.Module):
    """Relative (`max_depth_m` None): inverse depth >= 0, affine-invariant. Metric: metres up to `max_depth_m`."""

    def __init__(self, size: NetworkSize, max_depth_m: float | None) -> None:
        super().__init__()
        self.max_depth_m = max_depth_m
        self.pretrained = VisionTransformer(size.vit)
        last = nn.ReLU() if max_depth_m is None else nn.Sigmoid()
        self.depth_head = DptHead(size.vit.width, size.channels, size.width, last)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to (N, H, W)."""
        output = self.depth_head(self.pretrained(image))[:, 0]
        return output if self.max_depth_m is None else output * self.max_depth_m

    def optimise(self) -> DepthAnythingNetwork:
        """Ready for inference: gains folded, channels last. The parameters are no longer the checkpoint's."""
        fold_layer_scales(list(self.pretrained.blocks))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)
