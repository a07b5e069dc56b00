# SPDX-License-Identifier: Apache-2.0
"""The network of MoGe-2 (Wang et al. 2025, arXiv 2507.02546), under its authors' parameter names.

DINOv2, whose features go with the place of each pixel in the view through stacks of convolutions up to 16 times the
token grid. The reference is github.com/microsoft/MoGe `moge/model/v2.py` and `moge/model/modules.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.networks.vit import VisionTransformer, VitSize, fold_layer_scales

_LEVELS = 5


@dataclass(frozen=True)
class StackSize:
    """A stack of convolutions from coarse to fine; each tuple has one entry a level, `resamplers` one between two.

    Attributes:
        reads: channels of the features that come in, None for the widths themselves. widths: channels of the level.
        blocks: residual blocks. resamplers: "conv_transpose" or "bilinear". gives: channels, None for the widths.
    """

    reads: tuple[int | None, ...]
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    resamplers: tuple[str, ...]
    gives: tuple[int | None, ...]


@dataclass(frozen=True)
class NetworkSize:
    """Encoder, channels of its projected features, the stacks, and the layers that give the scale."""

    vit: VitSize
    width: int
    neck: StackSize
    points: StackSize
    mask: StackSize
    normal: StackSize | None
    scale: tuple[int, ...]


def _conv(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, padding=1, padding_mode="replicate")


class ResidualConvBlock(nn.Module):
    """Two 3x3 convolutions, each behind a ReLU, beside a residual path. No layer of it normalises."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Where the authors' norms would be, so that the parameters keep their numbers.
        none = nn.Identity
        self.layers = nn.Sequential(
            none(), nn.ReLU(), _conv(channels, channels), none(), nn.ReLU(), _conv(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + x


class ConvStack(nn.Module):
    """Features of each level, added on the way from coarse to fine."""

    def __init__(self, size: StackSize) -> None:
        super().__init__()
        widths = size.widths
        self.input_blocks = nn.ModuleList(
            nn.Identity() if count is None else nn.Conv2d(count, width, 1)
            for count, width in zip(size.reads, widths, strict=True)
        )
        self.resamplers = nn.ModuleList(
            _resampler(kind, before, after)
            for kind, before, after in zip(size.resamplers, widths[:-1], widths[1:], strict=True)
        )
        self.res_blocks = nn.ModuleList(
            nn.Sequential(*(ResidualConvBlock(width) for _ in range(count)))
            for count, width in zip(size.blocks, widths, strict=True)
        )
        self.output_blocks = nn.ModuleList(
            nn.Identity() if count is None else nn.Conv2d(width, count, 1)
            for count, width in zip(size.gives, widths, strict=True)
        )

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Of each level that is given, from coarse to fine."""
        out: list[Tensor] = []
        x = self.input_blocks[0](levels[0])
        for index, level in enumerate(levels):
            if index:
                x = self.resamplers[index - 1](x) + self.input_blocks[index](level)
            x = self.res_blocks[index](x)
            out.append(self.output_blocks[index](x))
        return out


def _resampler(kind: str, before: int, after: int) -> nn.Module:
    """To twice the size, then a convolution that leaves no seams."""
    if kind == "conv_transpose":
        return nn.Sequential(nn.ConvTranspose2d(before, after, 2, stride=2), _conv(after, after))
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), _conv(before, after))


class FinestLevel(nn.Module):
    """The last level of the neck and of its heads at once, from the level before.

    There are only linear maps in it: bilinear upsampling, convolutions, sums. Each head is then one 3x3 convolution of
    its own features and one of the neck's, both at half the size, whose channels are the four pixels to be.
    """

    def __init__(self, neck: Any, heads: Sequence[Any]) -> None:
        """Of `ConvStack`s whose last levels are linear."""
        super().__init__()
        self.gives = [len(head.output_blocks[-1].weight) for head in heads]
        up, place = neck.resamplers[-1][1], neck.input_blocks[-1]
        own, shared, places, biases = [], [], [], []
        for head in heads:
            conv, reads, last = head.resamplers[-1][1], head.input_blocks[-1], head.output_blocks[-1]
            weight = last.weight.flatten(1)
            through = weight @ reads.weight.flatten(1)
            own.append(nn.Parameter(_before_upsampling(torch.einsum("ok,kcyx->ocyx", weight, conv.weight))))
            shared.append(_before_upsampling(torch.einsum("ok,kcyx->ocyx", through, up.weight)))
            places.append(through @ place.weight.flatten(1))
            biases.append(weight @ (conv.bias + reads.bias) + through @ (up.bias + place.bias) + last.bias)
        self.own = nn.ParameterList(own)
        self.shared = nn.Parameter(torch.cat(shared))
        self.place = nn.Parameter(torch.cat(places)[..., None, None])
        self.bias = nn.Parameter(torch.cat(biases))

    def forward(self, neck: Tensor, heads: Sequence[Tensor], plane: Tensor) -> list[Tensor]:
        """Features (N, C, h, w) of the level before, and places (N, 2, 2h, 2w), to the outputs of the heads."""
        padded = [functional.pad(x, (1, 1, 1, 1), mode="replicate") for x in heads]
        mine = [functional.conv2d(x, weight) for x, weight in zip(padded, self.own, strict=True)]
        ours = functional.conv2d(functional.pad(neck, (1, 1, 1, 1), mode="replicate"), self.shared)
        pixels = functional.pixel_shuffle(torch.cat(mine, dim=1) + ours, 2)
        found = pixels + functional.conv2d(plane, self.place, self.bias)
        return list(found.split(self.gives, dim=1))


def _before_upsampling(weight: Tensor) -> Tensor:
    """A 3x3 convolution (O, C, 3, 3) behind bilinear upsampling to twice the size, as (4 O, C, 3, 3) before it.

    The channels are in the order of `pixel_shuffle`. Edges are repeated by both.
    """
    # Of an even pixel and of an odd one: what each of the three that the kernel meets has of the three around it.
    even = [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]]
    odd = [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]]
    taps = torch.tensor([even, odd], dtype=weight.dtype, device=weight.device)
    return torch.einsum("ptu,qsv,octs->opqcuv", taps, taps, weight).flatten(0, 2)


class Encoder(nn.Module):
    """DINOv2, and the sum of its projected features."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.backbone = VisionTransformer(size.vit)
        self.output_projections = nn.ModuleList(
            nn.Conv2d(size.vit.embed_dim, size.width, 1) for _ in size.vit.out_indices
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, C, H / 14, W / 14), and the class token (N, C') of the last of them."""
        features, token = self.backbone.with_token(image)
        total = sum(project(level) for project, level in zip(self.output_projections, features, strict=True))
        assert isinstance(total, Tensor)
        return total, token


class MoGe2Network(nn.Module):
    """Points up to a shift along z, normals, validity and scale, at 16 times the token grid, before any resampling."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.encoder = Encoder(size)
        self.neck = ConvStack(size.neck)
        self.points_head = ConvStack(size.points)
        self.mask_head = ConvStack(size.mask)
        self.normal_head = None if size.normal is None else ConvStack(size.normal)
        linear = [nn.Linear(before, after) for before, after in pairwise(size.scale)]
        layers = [layer for one in linear[:-1] for layer in (one, nn.ReLU(inplace=True))]
        self.scale_head = nn.Sequential(*layers, linear[-1])
        self.finest: FinestLevel | None = None
        stacks = [one for one in (size.neck, size.points, size.mask, size.normal) if one is not None]
        self._linear_end = all(
            (one.resamplers[-1], one.blocks[-1], one.gives[-2]) == ("bilinear", 0, None) for one in stacks
        ) and (size.neck.gives[-1], size.neck.reads[-1]) == (None, 2)

    def forward(self, image: Tensor, aspect: Tensor) -> tuple[Tensor, ...]:
        """What the authors have before they resample to the size of the image.

        Args:
            image: (N, 3, H, W) float, normalised, sides multiples of 14. aspect: (N,) width by height of the source.

        Returns:
            points (N, 3, h, w): x / z, y / z and ln z; mask (N, 1, h, w): a logit; scale (N,): a logarithm; and where
            the network has them normals (N, 3, h, w), of any length.
        """
        features, token = self.encoder(image)
        rows, columns = features.shape[2:]
        levels = [view_plane(aspect, rows * 2**level, columns * 2**level) for level in range(_LEVELS)]
        levels[0] = torch.cat((features, levels[0]), dim=1)
        neck = self.neck(levels if self.finest is None else levels[:-1])
        found = [head(neck)[-1] for head in self._heads()]
        if self.finest is not None:
            found = self.finest(neck[-1], found, levels[-1])
        return (*found[:2], self.scale_head(token)[:, 0], *found[2:])

    def _heads(self) -> list[ConvStack]:
        return [head for head in (self.points_head, self.mask_head, self.normal_head) if head is not None]

    @torch.no_grad()
    def optimise(self) -> MoGe2Network:
        """Ready for inference: gains and the finest level folded, channels last. The parameters are no longer the
        checkpoint's."""
        fold_layer_scales(list(self.encoder.backbone.blocks))
        if self._linear_end:
            heads = self._heads()
            self.finest = FinestLevel(self.neck, heads)
            for stack in (self.neck, *heads):
                for blocks in (stack.resamplers, stack.input_blocks, stack.output_blocks, stack.res_blocks):
                    del blocks[-1]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)


def view_plane(aspect: Tensor, rows: int, columns: int) -> Tensor:
    """(N, 2, rows, columns): where each pixel's centre lies in the view, half of whose diagonal is 1.

    `normalized_view_plane_uv` of the authors' `moge/utils/geometry_torch.py`.
    """
    down = (1 + aspect**2).rsqrt()[:, None, None]
    u = (2 * torch.arange(columns, device=aspect.device, dtype=aspect.dtype) + 1 - columns) / columns
    v = (2 * torch.arange(rows, device=aspect.device, dtype=aspect.dtype) + 1 - rows) / rows
    across = (aspect[:, None, None] * down * u[None, None]).expand(-1, rows, -1)
    return torch.stack((across, (down * v[None, :, None]).expand(-1, -1, columns)), dim=1)
