# SPDX-License-Identifier: Apache-2.0
"""The metric network of Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647), under its authors' parameter names.

DINOv2 with the dense head of DPT, as in Depth Anything V2, and a second head for the sky. The reference is
github.com/ByteDance-Seed/Depth-Anything-3 `src/depth_anything_3/model/dpt.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mono_depth_ros.models.networks.depth_anything import DptHead, NetworkSize, Scratch
from mono_depth_ros.models.networks.vit import VisionTransformer, VitSize, fold_layer_scales

_DETAIL = 32  # channels at the size of the image

SIZES = {"large": NetworkSize(VitSize(1024, 24, 16, (4, 11, 17, 23), last_eps=1e-5), (256, 512, 1024, 1024), 256)}


class SkyScratch(Scratch):
    """The part of the head after the features have their channels, with a score of sky beside the depth."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__(channels, width, nn.Identity())
        self.refinenet4.resConfUnit1 = nn.Identity()  # it has no weights, and is never used
        self.sky_output_conv2 = nn.Sequential(
            nn.Conv2d(width // 2, _DETAIL, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(_DETAIL, 1, 1), nn.ReLU()
        )

    def forward(self, levels: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, Tensor]:
        shared = self.fused(levels, size)
        return self.output_conv2(shared).exp(), self.sky_output_conv2(shared)


class Backbone(nn.Module):
    """The authors' name around their encoder."""

    def __init__(self, size: VitSize) -> None:
        super().__init__()
        self.pretrained = VisionTransformer(size)


class DepthAnything3Network(nn.Module):
    """Depth as a canonical camera with a focal length of 300 px would see it, and a score of sky."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.backbone = Backbone(size.vit)
        self.head = DptHead(size.vit.embed_dim, size.channels, SkyScratch(size.channels, size.width))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to depth and sky (N, H, W)."""
        depth, sky = self.head(self.backbone.pretrained(image))
        return depth[:, 0], sky[:, 0]

    def optimise(self) -> DepthAnything3Network:
        """Ready for inference: gains folded, channels last. The parameters are no longer the checkpoint's."""
        fold_layer_scales(list(self.backbone.pretrained.blocks))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)
