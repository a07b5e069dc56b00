# SPDX-License-Identifier: Apache-2.0
"""The vision transformer DINOv2 (Oquab et al. 2023, arXiv 2304.07193), under its authors' parameter names.

The reference is github.com/facebookresearch/dinov2 `dinov2/models/vision_transformer.py`, as in Depth Anything V2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

PATCH = 14
_POSITION_OFFSET = 0.1  # `interpolate_offset` of the authors' DINOv2

is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
"""torch before 2.7 does not tell the two apart."""


@dataclass(frozen=True)
class VitSize:
    """An encoder's embedding dimension, layers and heads, and the layers whose output the depth head reads."""

    embed_dim: int
    num_layers: int
    num_heads: int
    out_indices: tuple[int, ...]
    grid: int = 37
    """Side of the square of learned position embeddings: 518 / 14."""
    last_eps: float = 1e-6
    """Of the norm of the features."""
    offset: float = _POSITION_OFFSET
    """Of the grid at which positions are sampled, see `resample_positions`."""


class TokenLinear(nn.Linear):
    """`nn.Linear` of tokens (N, T, C).

    On a CPU in float32 it runs as a 1x1 convolution over channels-last "pixels", which is the same memory: torch gives
    convolutions to oneDNN and matrix products to MKL, and MKL takes twice the time on processors of other makes.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype != torch.float32 or is_exporting():
            return super().forward(x)
        row = x.transpose(1, 2).unsqueeze(2)
        return functional.conv2d(row, self.weight[..., None, None], self.bias).squeeze(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = TokenLinear(width, 3 * width)
        self.proj = TokenLinear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.mixed(*self.query_key_value(x))

    def query_key_value(self, x: Tensor) -> tuple[Tensor, ...]:
        """Three (N, heads, T, C / heads) of tokens (N, T, C)."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        return qkv.permute(2, 0, 3, 1, 4).unbind(0)

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Tokens (N, T, C)."""
        found = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(found.transpose(1, 2).flatten(2))


class LayerScale(nn.Module):
    """A gain for each channel; `fold_layer_scales` moves it into the layer before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Mlp(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = TokenLinear(width, 4 * width)
        self.fc2 = TokenLinear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class GatedMlp(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv 2002.05202), two thirds as wide inside since it has two inputs of that width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (width * 8 // 3 + 7) // 8 * 8
        self.w12 = TokenLinear(width, 2 * hidden)
        self.w3 = TokenLinear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        return self.w3(functional.silu(gate) * value)


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and beside a residual path."""

    def __init__(self, width: int, heads: int, gated: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.ls1: nn.Module = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp: nn.Module = GatedMlp(width) if gated else Mlp(width)
        self.ls2: nn.Module = LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, image: Tensor) -> Tensor:
        return self.proj(image).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Patches of 14 x 14 pixels, a class token, learned positions resampled to the image's size."""

    def __init__(self, size: VitSize) -> None:
        super().__init__()
        self.size = size
        self.patch_embed = PatchEmbed(size.embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + size.grid**2, size.embed_dim))
        self.blocks = nn.ModuleList(Block(size.embed_dim, size.num_heads) for _ in range(size.num_layers))
        self.norm = nn.LayerNorm(size.embed_dim, eps=size.last_eps)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to the features (N, C, H / 14, W / 14)."""
        return self.with_token(image)[0]

    def with_token(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """As `forward`, and the class token (N, C) of the last features."""
        rows, columns = image.shape[2] // PATCH, image.shape[3] // PATCH
        x = self.patch_embed(image)
        positions = resample_positions(self.pos_embed, rows, columns, self.size.offset)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + positions
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.size.out_indices:
                normed = self.norm(x)
                features.append(normed[:, 1:].transpose(1, 2).unflatten(2, (rows, columns)))
        return features, normed[:, 0]


def resample_positions(table: Tensor, rows: int, columns: int, offset: float = _POSITION_OFFSET) -> Tensor:
    """Position embeddings (1, 1 + rows * columns, C) from (1, 1 + n * n, C), the class token's first.

    The sampling step is n / (rows + 0.1), not n / rows: `interpolate_pos_encoding` of the authors' DINOv2. Two matrix
    products instead of torch's bicubic resampling, which cannot be exported with sizes that are not known yet.
    """
    side = math.isqrt(table.shape[1] - 1)
    grid = table[0, 1:].reshape(side, side, -1)
    y, x = torch.arange(rows, device=table.device), torch.arange(columns, device=table.device)
    # At the trained size the table is taken as it is; a tensor, not a branch, so that exported graphs know it too.
    more = offset * ((y[-1] + 1 != side) | (x[-1] + 1 != side))
    down = _cubic_weights((y + 0.5) * side / (rows + more) - 0.5, side).to(table.dtype)
    across = _cubic_weights((x + 0.5) * side / (columns + more) - 0.5, side).to(table.dtype)
    grid = torch.einsum("yr,rcd,xc->yxd", down, grid, across)
    return torch.cat((table[:, :1], grid.reshape(1, rows * columns, -1)), dim=1)


def _cubic_weights(places: Tensor, side: int) -> Tensor:
    """(count, side): the cubic kernel with a = -0.75 of the samples at `places` (count,), edges repeated."""
    first = places.floor()
    index = torch.arange(side, device=places.device)
    weights = torch.zeros((), device=places.device)
    for tap in (-1, 0, 1, 2):
        distance = (places - first - tap).abs()
        inner = (1.25 * distance - 2.25) * distance * distance + 1
        outer = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
        value = torch.where(distance <= 1, inner, outer)
        weights = weights + value[:, None] * ((first + tap).clamp(0, side - 1)[:, None] == index)
    return weights


@torch.no_grad()
def fold_layer_scales(blocks: Sequence[nn.Module]) -> None:
    """Multiply the gains into the layers before them: the same function, two passes over the tokens less a block."""
    for block in blocks:
        assert isinstance(block, Block)
        last = block.mlp.w3 if isinstance(block.mlp, GatedMlp) else block.mlp.fc2
        for gain, layer in ((block.ls1, block.attn.proj), (block.ls2, last)):
            assert isinstance(gain, LayerScale) and isinstance(layer, TokenLinear)
            layer.weight.mul_(gain.gamma[:, None])
            layer.bias.mul_(gain.gamma)
        block.ls1, block.ls2 = nn.Identity(), nn.Identity()
