# SPDX-License-Identifier: Apache-2.0
"""The network of Depth Anything V2 (Yang et al. 2024, arXiv 2406.09414), under its authors' parameter names.

DINOv2 with the dense head of DPT (Ranftl et al. 2021, arXiv 2103.13413). The reference is
github.com/DepthAnything/Depth-Anything-V2 `depth_anything_v2/dpt.py` and `util/blocks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.networks.vit import PATCH, VisionTransformer, VitSize, fold_layer_scales

_DETAIL = 32  # channels at the size of the image


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


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, corner pixels' centres kept."""
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


class ResidualConvUnit(nn.Module):
    """Two 3x3 convolutions, each behind a ReLU, beside a residual path."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(functional.relu(x)).relu_()).add_(x)


class FusionBlock(nn.Module):
    """Adds finer features to the path and brings it to their size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(channels, channels, 1)
        self.resConfUnit1: nn.Module = ResidualConvUnit(channels)
        self.resConfUnit2 = ResidualConvUnit(channels)

    def forward(self, path: Tensor | None, features: Tensor, size: Sequence[int]) -> Tensor:
        # The coarsest block has no path yet, and its first unit is never used.
        x = features if path is None else path + self.resConfUnit1(features)
        # The authors upsample first. A 1x1 convolution and a resampling whose weights sum to 1 commute; this order
        # has a quarter of the work.
        return upsample(self.out_conv(self.resConfUnit2(x)), size)


class Scratch(nn.Module):
    """The part of the head after the features have their channels; the authors' name for it."""

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        last: nn.Module,
        block: Callable[[int], nn.Module] = FusionBlock,
    ) -> None:
        super().__init__()
        self.layer1_rn = nn.Conv2d(channels[0], width, 3, padding=1, bias=False)
        self.layer2_rn = nn.Conv2d(channels[1], width, 3, padding=1, bias=False)
        self.layer3_rn = nn.Conv2d(channels[2], width, 3, padding=1, bias=False)
        self.layer4_rn = nn.Conv2d(channels[3], width, 3, padding=1, bias=False)
        self.refinenet1 = block(width)
        self.refinenet2 = block(width)
        self.refinenet3 = block(width)
        self.refinenet4 = block(width)
        self.output_conv1 = nn.Conv2d(width, width // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(width // 2, _DETAIL, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(_DETAIL, 1, 1), last
        )

    def fused(
        self,
        levels: Sequence[Tensor],
        size: Sequence[int],
        *prompt: Tensor,
        through: Sequence[Callable[[Tensor], Tensor]] = (nn.Identity(), nn.Identity()),
    ) -> Tensor:
        """The features (N, width / 2, H, W) that the last convolutions read, from those of the four levels.

        `prompt` is what fusion blocks take that need one, see `prompt_depth_anything`; `through` what the paths of the
        two coarsest levels go through.
        """
        layers = (self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn)
        one, two, three, four = (layer(level) for layer, level in zip(layers, levels, strict=True))
        path = through[0](self.refinenet4(None, four, three.shape[2:], *prompt))
        path = through[1](self.refinenet3(path, three, two.shape[2:], *prompt))
        path = self.refinenet2(path, two, one.shape[2:], *prompt)
        path = self.refinenet1(path, one, [2 * side for side in one.shape[2:]], *prompt)
        return upsample(self.output_conv1(path), size)

    def forward(self, levels: Sequence[Tensor], size: Sequence[int]) -> Any:
        return self.output_conv2(self.fused(levels, size))


class DptHead(nn.Module):
    """Four feature maps (N, C, H / 14, W / 14) to what `scratch` makes of them, such as one map (N, 1, H, W)."""

    def __init__(self, embed_dim: int, channels: Sequence[int], scratch: Scratch) -> None:
        super().__init__()
        self.projects = nn.ModuleList(nn.Conv2d(embed_dim, count, 1) for count in channels)
        self.resize_layers = nn.ModuleList(
            (
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            )
        )
        self.scratch = scratch

    def levels(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The features with the channels and at the sizes of the head's four levels."""
        return [
            resize(project(level))
            for level, project, resize in zip(features, self.projects, self.resize_layers, strict=True)
        ]

    def forward(self, features: Sequence[Tensor], *prompt: Tensor) -> Any:
        rows, columns = features[0].shape[2:]
        return self.scratch(self.levels(features), (rows * PATCH, columns * PATCH), *prompt)


class DepthAnythingNetwork(nn.Module):
    """Relative (`max_depth_m` None): inverse depth >= 0, affine-invariant. Metric: metres up to `max_depth_m`."""

    def __init__(self, size: NetworkSize, max_depth_m: float | None) -> None:
        super().__init__()
        self.max_depth_m = max_depth_m
        self.pretrained = VisionTransformer(size.vit)
        last = nn.ReLU() if max_depth_m is None else nn.Sigmoid()
        scratch = Scratch(size.channels, size.width, last)
        self.depth_head = DptHead(size.vit.embed_dim, size.channels, scratch)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to (N, H, W)."""
        output = self.depth_head(self.pretrained(image))[:, 0]
        return output if self.max_depth_m is None else output * self.max_depth_m

    def optimise(self) -> DepthAnythingNetwork:
        """Ready for inference: gains folded, channels last. The parameters are no longer the checkpoint's."""
        fold_layer_scales(list(self.pretrained.blocks))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)
