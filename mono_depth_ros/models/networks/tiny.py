# SPDX-License-Identifier: Apache-2.0
"""The network of the embedded model `tiny`: a small camera-aware encoder-decoder that predicts metric depth.

It sees the ray of every pixel beside its colour, so the same weights are metric across fields of view (as CAM-Convs,
Facil et al. 2019, arXiv 1904.02028). Skips and residual blocks are the usual ones (He et al. 2016, arXiv 1512.03385);
attention over the 1/16 and 1/32 grids (Vaswani et al. 2017, arXiv 1706.03762) lets an object find where it meets the
floor; the last step to full size is a pixel shuffle (Shi et al. 2016, arXiv 1609.05158).
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

MULTIPLE = 32  # the sides of the input
WIDTHS = (24, 48, 80, 112, 144)  # channels at 1/2, 1/4, 1/8, 1/16, 1/32
INNER = (48, 80, 112, 96)  # channels inside the residual block at 1/4 ... 1/32
RAY_CHANNELS = 4
_FLATTEST = 0.02  # rays flatter than this count as the horizon: floor 50 camera heights away and beyond
_LOG_DEPTH_BIAS = math.log(4.0)  # starts at 4 m everywhere


def ray_features(rays: Tensor) -> Tensor:
    """(N, 4, H, W) from rays (N, 2, H, W) = x/z, y/z: x, y, and the log distances to a floor and to a ceiling.

    A plane at height h under a level camera has depth h / y: its logarithm is log h - log y, linear in a feature here.
    """
    y = rays[:, 1:2]
    floor, ceiling = (torch.log(side.clamp(min=_FLATTEST)) * 0.5 + 1.0 for side in (y, -y))
    return torch.cat([rays, floor, ceiling], dim=1)


class ConvNorm(nn.Module):
    """Convolution, batch norm, optional ReLU; `fuse` folds the norm into the convolution for inference."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return functional.relu(x, inplace=True) if self.relu else x

    def fuse(self) -> None:
        self.conv = fuse_conv_bn_eval(self.conv, cast(nn.BatchNorm2d, self.norm))
        self.norm = nn.Identity()


class Residual(nn.Module):
    """x + two 3x3 convolutions."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.first, self.second = ConvNorm(channels, inner), ConvNorm(inner, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)), inplace=True)


class Attention(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron over every position of the grid; shape is kept."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm1(tokens)).view(n, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, c)
        tokens = tokens + self.out(mixed)
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(n, c, h, w).contiguous(memory_format=torch.channels_last)


class Stage(nn.Module):
    """Add the rays again, halve the grid, then one residual block."""

    def __init__(self, inputs: int, outputs: int, inner: int) -> None:
        super().__init__()
        self.down = ConvNorm(inputs + RAY_CHANNELS, outputs, stride=2)
        self.block = Residual(outputs, inner)

    def forward(self, x: Tensor, rays: Tensor) -> Tensor:
        return cast(Tensor, self.block(self.down(torch.cat([x, rays], dim=1))))


class Up(nn.Module):
    """Double the coarse grid, join the skip, one 1x1 and one 3x3 convolution."""

    def __init__(self, coarse: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.reduce, self.join = ConvNorm(coarse, outputs, 1, relu=False), ConvNorm(skip, outputs, 1, relu=False)
        self.mix = ConvNorm(outputs, outputs)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        up = functional.interpolate(self.reduce(coarse), size=skip.shape[-2:], mode="nearest")
        return cast(Tensor, self.mix(functional.relu(up + self.join(skip), inplace=True)))


class TinyDepthNet(nn.Module):
    """Colour and rays in; log depth (metres along z) and a sky logit out, both at the input size."""

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = WIDTHS
        self.stem = ConvNorm(3 + RAY_CHANNELS, c1, stride=2)
        self.stages = nn.ModuleList(
            Stage(inputs, outputs, inner) for inputs, outputs, inner in zip(WIDTHS[:-1], WIDTHS[1:], INNER, strict=True)
        )
        self.attend4, self.attend5 = Attention(c4), Attention(c5)
        self.ups = nn.ModuleList([Up(c5, c4, 96), Up(96, c3, 72), Up(72, c2, 48), Up(48, c1, 24)])
        self.head = nn.Conv2d(24, 8, 3, padding=1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(cast(Tensor, self.head.bias))

    def forward(self, rgb: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        """(log_depth, sky_logit), each (N, 1, H, W) float, from rgb (N, 3, H, W) in [0, 1] and rays (N, 2, H, W).

        exp(log_depth) is metres along the optical axis; sky_logit > 0 is sky. H and W are multiples of 32; rays are
        x/z and y/z of the pixel centres of the image at this size.
        """
        geometry = ray_features(rays).contiguous(memory_format=torch.channels_last)
        x = self.stem(torch.cat([rgb * 4.0 - 2.0, geometry], dim=1))
        features, geometry = [x], geometry.to(x.dtype)
        for stage in self.stages:
            geometry = functional.avg_pool2d(geometry, 2)
            features.append(stage(features[-1], geometry))
            if len(features) == 4:
                features[-1] = self.attend4(features[-1])
        x = self.attend5(features[-1])
        for up, skip in zip(self.ups, features[-2::-1], strict=True):
            x = up(x, skip)
        out = functional.pixel_shuffle(self.head(x), 2)
        return out[:, :1] + _LOG_DEPTH_BIAS, out[:, 1:]

    def fuse(self) -> TinyDepthNet:
        """Fold every batch norm into its convolution, in place; only for inference. Returns itself, in eval mode."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fuse()
        return self
