# SPDX-License-Identifier: Apache-2.0
"""From tokens to feature maps at 1/14, 1/7 and 1/4, fused as in DPT (Ranftl et al. 2021, arXiv 2103.13413).

The reference is github.com/YvanYin/Metric3D `mono/model/decode_heads/RAFTDepthNormalDPTDecoder5.py`, whose parameter
names these are. Its ReLUs work in place, which changes what comes later: features pass a ReLU before they are added to
what was computed from them, and those at 1/14 and 1/7 have passed one when the refinement reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.metric3d.sizes import REGISTERS, NetworkSize
from mono_depth_ros.models.networks.vit import TokenLinear


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, corner pixels' centres kept."""
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


class Grid(NamedTuple):
    """The input in blocks of 28 x 28 pixels; every feature map has a whole number of pixels a block."""

    rows: int
    columns: int

    def at(self, pixels: int) -> tuple[int, int]:
        """(height, width) of a map with `pixels` a block: 2 is 1/14, 4 is 1/7, 7 is 1/4."""
        return self.rows * pixels, self.columns * pixels


class Readout(nn.Module):
    """Patches, each told what the class token and the registers say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project_patch = TokenLinear(width, width)
        self.project_learn = nn.Linear((1 + REGISTERS) * width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        whole = self.project_learn(tokens[:, : 1 + REGISTERS].flatten(1))
        return functional.gelu(self.project_patch(tokens[:, 1 + REGISTERS :]) + whole[:, None])


class TokenFeatures(nn.Module):
    """One of the four feature maps; `sample` brings it to its resolution."""

    def __init__(self, width: int, sample: nn.Module) -> None:
        super().__init__()
        self.readoper = Readout(width)
        self.sample = sample

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        return self.sample(self.readoper(tokens).transpose(1, 2).unflatten(2, grid.at(2)))


class Features(NamedTuple):
    """Feature maps, coarsest first: two at 1/14, then 1/7 and 1/4."""

    coarsest: Tensor
    coarse: Tensor
    middle: Tensor
    fine: Tensor


class FeaturePyramid(nn.Module):
    """The authors' `token2feature`."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        width = size.vit.width
        fine, middle, _ = size.channels
        self.read_3 = TokenFeatures(width, nn.Identity())
        self.read_2 = TokenFeatures(width, nn.Identity())
        self.read_1 = TokenFeatures(width, nn.ConvTranspose2d(width, middle, 2, stride=2))
        self.read_0 = TokenFeatures(width, nn.Sequential(nn.Conv2d(width, fine, 1)))

    def forward(self, taps: Sequence[Tensor], grid: Grid) -> Features:
        # The authors upsample first: a 1x1 convolution does not mind, and has a twelfth of the work in this order.
        fine = functional.interpolate(self.read_0(taps[0], grid), grid.at(7), mode="nearest")
        middle, coarse = self.read_1(taps[1], grid).relu(), self.read_2(taps[2], grid).relu()
        return Features(self.read_3(taps[3], grid).relu(), coarse, middle, fine)


class ConvBlock(nn.Module):
    """Two 3x3 convolutions beside a residual path, of features that have passed a ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x).relu_()).add_(x)


class FuseBlock(nn.Module):
    """Adds finer features to the path; `out_conv` changes its channels and comes before it is upsampled."""

    def __init__(self, channels: int, out: int, branch: bool = True) -> None:
        super().__init__()
        self.way_trunk = ConvBlock(channels)
        self.way_branch = ConvBlock(channels) if branch else None
        self.out_conv = nn.Conv2d(channels, out, 1)

    def forward(self, path: Tensor, features: Tensor | None = None) -> Tensor:
        if self.way_branch is not None and features is not None:
            path = (path + self.way_branch(features)).relu_()
        return self.out_conv(self.way_trunk(path))


class FeatureDecoder(nn.Module):
    """The authors' `decoder_mono`: the map at 1/4 that depth and normals are first read from, and their confidences."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        coarse, middle, fine = size.fused
        self.fine = fine
        self.upconv_3 = FuseBlock(coarse, coarse, branch=False)
        self.upconv_2 = FuseBlock(coarse, middle)
        self.upconv_1 = FuseBlock(middle, fine + 2)

    def forward(self, features: Features, grid: Grid) -> tuple[Tensor, Tensor]:
        """(N, fine, H / 4, W / 4), and (N, 2, H / 4, W / 4) for the confidences of depth and of normals."""
        path = self.upconv_3(features.coarsest)
        path = upsample(self.upconv_2(path, features.coarse), grid.at(4))
        path = self.upconv_1(path, features.middle)
        return upsample(path[:, : self.fine], grid.at(7)), upsample(path[:, self.fine :], grid.at(7))
