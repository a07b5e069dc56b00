# SPDX-License-Identifier: Apache-2.0
"""The first half of Metric3D v2: sizes, encoder, and feature maps at 1/14, 1/7 and 1/4, under its authors' names.

DINOv2 with registers (Darcet et al. 2023, arXiv 2309.16588) and features fused as in DPT (Ranftl et al. 2021, arXiv
2103.13413). The reference is github.com/YvanYin/Metric3D `mono/model/backbones/ViT_DINO_reg.py` and
`mono/model/decode_heads/RAFTDepthNormalDPTDecoder5.py`. The latter's ReLUs work in place, which changes what comes
later: features pass a ReLU before they are added to what was computed from them, and those at 1/14 and 1/7 have passed
one when the refinement reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.networks.vit import PATCH, Block, PatchEmbed, TokenLinear, VitSize, resample_positions

MULTIPLE = 28
"""Sides of the network's input: two patches, as some features are at half the resolution of the tokens' half."""

REGISTERS = 4
"""Tokens without a place in the image (Darcet et al. 2023, arXiv 2309.16588)."""


@dataclass(frozen=True)
class NetworkSize:
    """What differs from size to size.

    Attributes:
        vit: encoder; `out_indices` are the layers that the four feature maps come from, finest first.
        gated: SwiGLU in the encoder's blocks, and features taken without its last norm.
        channels: of the features at 1/4, 1/7 and 1/14 of the image's resolution.
        fused: channels after the decoder's stages at 1/14, 1/7 and 1/4.
        hidden: channels of the recurrent state at each of the three resolutions.
        iterations: of the refinement.
    """

    vit: VitSize
    gated: bool
    channels: tuple[int, int, int]
    fused: tuple[int, int, int]
    hidden: int
    iterations: int


SIZES = {
    "small": NetworkSize(VitSize(384, 12, 6, (11,) * 4), False, (96, 192, 384), (384, 192, 96), 48, 4),
    "large": NetworkSize(VitSize(1024, 24, 16, (23,) * 4), False, (256, 512, 1024), (1024, 512, 256), 128, 8),
    "giant": NetworkSize(VitSize(1536, 40, 24, (9, 19, 29, 39)), True, (384, 768, 1536), (1536, 768, 384), 192, 8),
}


class RegisterTransformer(nn.Module):
    """A vision transformer whose registers are read with the class token."""

    def __init__(self, size: VitSize, gated: bool) -> None:
        super().__init__()
        self.size, self.gated = size, gated
        self.patch_embed = PatchEmbed(size.embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.embed_dim))
        self.register_tokens = nn.Parameter(torch.zeros(1, REGISTERS, size.embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + size.grid**2, size.embed_dim))
        blocks = [Block(size.embed_dim, size.num_heads, gated) for _ in range(size.num_layers)]
        self.blocks = nn.ModuleList([nn.ModuleList(blocks)])  # the authors' single "chunk"
        self.norm = nn.Identity() if gated else nn.LayerNorm(size.embed_dim, eps=1e-6)

    def chain(self) -> list[Block]:
        """The blocks in their order."""
        return [block for chunk in self.blocks for block in chunk]  # type: ignore[attr-defined]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to tokens (N, 5 + H W / 196, C) of four layers.

        The class token comes first, then the registers, then the patches row by row.
        """
        batch, rows, columns = image.shape[0], image.shape[2] // PATCH, image.shape[3] // PATCH
        positions = resample_positions(self.pos_embed, rows, columns)
        first = self.cls_token + positions[:, :1]
        patches = self.patch_embed(image) + positions[:, 1:]
        x = torch.cat((first.expand(batch, -1, -1), self.register_tokens.expand(batch, -1, -1), patches), dim=1)
        taken = {}
        for index, block in enumerate(self.chain()):
            x = block(x)
            if index in self.size.out_indices:
                taken[index] = self.norm(x)
        return [taken[index] for index in self.size.out_indices]


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
        width = size.vit.embed_dim
        fine, middle, _ = size.channels
        self.read_3 = TokenFeatures(width, nn.Identity())
        self.read_2 = TokenFeatures(width, nn.Identity())
        self.read_1 = TokenFeatures(width, nn.ConvTranspose2d(width, middle, 2, stride=2))
        self.read_0 = TokenFeatures(width, nn.Sequential(nn.Conv2d(width, fine, 1)))

    def forward(self, tokens: Sequence[Tensor], grid: Grid) -> Features:
        # The authors upsample first: a 1x1 convolution does not mind, and has a twelfth of the work in this order.
        fine = functional.interpolate(self.read_0(tokens[0], grid), grid.at(7), mode="nearest")
        middle, coarse = self.read_1(tokens[1], grid).relu(), self.read_2(tokens[2], grid).relu()
        return Features(self.read_3(tokens[3], grid).relu(), coarse, middle, fine)


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
