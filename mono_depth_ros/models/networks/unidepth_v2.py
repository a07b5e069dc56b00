# SPDX-License-Identifier: Apache-2.0
"""The depth network of UniDepthV2 (Piccinelli et al. 2025, arXiv 2502.20110), under its authors' parameter names.

DINOv2, whose features attend to the directions that the pixels look in, and a head for the distance along them and for
its error. What the authors predict a camera with is left out: here it is always known. The reference is
github.com/lpiccinelli-eth/UniDepth `unidepth/models/unidepthv2/decoder.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.networks.depth_anything import upsample
from mono_depth_ros.models.networks.vit import PATCH, TokenLinear, VisionTransformer, VitSize, fold_layer_scales

_DETAIL = 32  # channels at the size of the image
_LIMIT, _SHIFT = 8.0, 2.0  # of the logarithm of the distance


@dataclass(frozen=True)
class NetworkSize:
    """Encoder; channels, heads and expansion of the decoder, the blocks of its three levels, and its last channels."""

    vit: VitSize
    hidden: int
    heads: int
    expansion: int
    blocks: tuple[int, int, int]
    last: int


class Mlp(nn.Module):
    """A norm and two layers with a GELU between them."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.proj1 = TokenLinear(width, expansion * width)
        self.proj2 = TokenLinear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj2(functional.gelu(self.proj1(self.norm(x))))


class CrossAttention(nn.Module):
    """Attention of features to directions, and an MLP, each beside a residual path."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.mlp = Mlp(width, expansion)
        self.kv = TokenLinear(width, 2 * width, bias=False)
        self.q = TokenLinear(width, width, bias=False)
        self.norm_attnx = nn.LayerNorm(width)
        self.norm_attnctx = nn.LayerNorm(width)
        self.out = TokenLinear(width, width, bias=False)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(N, T, C) features and (N, T, C) directions to (N, T, C)."""
        batch, tokens, width = x.shape
        parts = (batch, tokens, self.heads, width // self.heads)
        key, value = self.kv(self.norm_attnctx(context)).chunk(2, dim=-1)
        query = self.q(self.norm_attnx(x))
        query, key, value = (part.reshape(parts).transpose(1, 2) for part in (query, key, value))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.mlp(x)


class Prompt(nn.Module):
    """The authors' name around one block of attention."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([CrossAttention(width, heads, expansion)])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.layers[0](x, context)


class ResidualConvUnit(nn.Module):
    """Two 3x3 convolutions, each behind a leaky ReLU, with a gain beside a residual path."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(functional.leaky_relu(x))
        return x + self.gamma * self.conv2(functional.leaky_relu(inner))


class Up(nn.Module):
    """Residual units, then other channels at twice the size."""

    def __init__(self, channels: int, out: int, units: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ResidualConvUnit(channels) for _ in range(units))
        self.up = nn.Sequential(nn.Conv2d(channels, out, 1), nn.Upsample(scale_factor=2, mode="bilinear"))

    def forward(self, x: Tensor) -> Tensor:
        for unit in self.convs:
            x = unit(x)
        return self.up(x)


class DepthHead(nn.Module):
    """Four levels of features with directions to the logarithms of distance and error, at the size of the image."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        hidden = size.hidden
        inside = (hidden, hidden, hidden // 2)
        after = (hidden, hidden // 2, max(hidden // 4, size.last))
        self.to_latents = TokenLinear(hidden, hidden)
        self.prompt_camera = nn.ModuleList(Prompt(hidden, size.heads, size.expansion) for _ in range(4))
        self.process_features = nn.ModuleList(
            nn.ConvTranspose2d(hidden, width, max(1, 2 * level), stride=max(1, 2 * level))
            for level, width in enumerate(inside)
        )
        self.ups = nn.ModuleList(
            Up(width, out, units) for width, out, units in zip(inside, after, size.blocks, strict=True)
        )
        last, wide = after[-1], hidden // 4
        # The authors have a place for each level, and use the last.
        self.depth_mlp = nn.ModuleList([nn.Identity(), nn.Identity(), _channels(wide, last)])
        self.confidence_mlp = _channels(wide, last)
        self.to_depth_lr, self.to_confidence_lr = (_conv(last, last // 2) for _ in range(2))
        self.to_depth_hr, self.to_confidence_hr = (
            nn.Sequential(_conv(last // 2, _DETAIL), nn.LeakyReLU(), nn.Conv2d(_DETAIL, 1, 1)) for _ in range(2)
        )

    def forward(self, features: list[Tensor], directions: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        levels = [prompt(level, directions) for prompt, level in zip(self.prompt_camera, features, strict=True)]
        x = _as_map(self.to_latents(levels[0]), rows, columns)
        for up, process, level in zip(self.ups, self.process_features, levels[1:], strict=True):
            x = up(x + process(_as_map(level, rows, columns)))
        shared, size = x.permute(0, 2, 3, 1), (rows * PATCH, columns * PATCH)
        depth = self.to_depth_lr(self.depth_mlp[2](shared).permute(0, 3, 1, 2))
        error = self.to_confidence_lr(self.confidence_mlp(shared).permute(0, 3, 1, 2))
        return self.to_depth_hr(upsample(depth, size)), self.to_confidence_hr(upsample(error, size))


def _channels(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(before), nn.Linear(before, after))


def _conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1, padding_mode="reflect")


def _as_map(tokens: Tensor, rows: int, columns: int) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, (rows, columns)).contiguous()


class Adapter(nn.Module):
    """A linear layer for each level."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.input_adapters = nn.ModuleList(TokenLinear(before, after) for _ in range(4))


class Decoder(nn.Module):
    """The authors' names around the head."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.input_adapter = Adapter(size.vit.embed_dim, size.hidden)
        self.depth_layer = DepthHead(size)


class UniDepthV2Network(nn.Module):
    """Distance along the ray of each pixel, and its error without a unit, at the size of the network."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.pixel_encoder = VisionTransformer(size.vit)
        self.pixel_decoder = Decoder(size)

    def forward(self, image: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Metres and the error, (N, H, W) each.

        Args:
            image: (N, 3, H, W) float, normalised, sides multiples of 14.
            directions: (N, T, C) of each patch, see `embedded`.
        """
        maps = self.pixel_encoder(image)
        rows, columns = maps[0].shape[2:]
        adapters = self.pixel_decoder.input_adapter.input_adapters
        features = [adapt(level.flatten(2).transpose(1, 2)) for adapt, level in zip(adapters, maps, strict=True)]
        distance, error = self.pixel_decoder.depth_layer(features, directions, rows, columns)
        distance, error = distance[:, 0].clamp(-_LIMIT, _LIMIT), error[:, 0].clamp(-_LIMIT, _LIMIT)
        return (distance + _SHIFT).exp(), error.exp()

    def optimise(self) -> UniDepthV2Network:
        """Ready for inference: gains folded, channels last. The parameters are no longer the checkpoint's."""
        fold_layer_scales(list(self.pixel_encoder.blocks))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)


def embedded(rays: Tensor, hidden: int) -> Tensor:
    """What the network is told of directions: sines of their two angles, at frequencies up to half the grid's side.

    Args:
        rays: (3, rows, columns) unit vectors of the patches. hidden: C of the network.

    Returns:
        (rows * columns, C).
    """
    x, y, z = rays.flatten(1)
    sign = torch.where(x >= 0, 1.0, -1.0)
    angles = torch.stack((z.clamp(-1, 1).acos(), torch.atan2(y, x.abs().clamp(min=1e-3) * sign)), dim=-1)
    highest = math.log2(max(rays.shape[1:]) // 2)
    scales = 2.0 ** torch.linspace(0.0, highest, hidden // 2, device=rays.device)
    return (angles[..., None] * scales * math.pi).sin().flatten(1)
