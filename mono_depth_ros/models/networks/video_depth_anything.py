# SPDX-License-Identifier: Apache-2.0
"""The network of Video Depth Anything (Chen et al. 2025, arXiv 2501.12375) for one image at a time, under its authors'
parameter names.

Depth Anything V2 with four temporal modules in its head: each pixel of a feature map attends to the same pixel of the
images before. The reference is github.com/DepthAnything/Video-Depth-Anything `video_depth_anything/dpt_temporal.py`
and `motion_module/*.py`, with a cache of hidden states.

What an attention remembers of an image are its input tokens. The authors project all of them to keys and values again
for every image. With one query a pixel the same follows from the tokens themselves: the query is taken through the
weights of the keys, and the mean of the tokens through those of the values, a tenth of the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.networks.depth_anything import DptHead, NetworkSize, Scratch
from mono_depth_ros.models.networks.vit import PATCH, TokenLinear, VisionTransformer, fold_layer_scales, is_exporting

LENGTH = 32
"""Images that a temporal attention sees at once, the present one among them."""
REMEMBERED = LENGTH - 1
MODULES, ATTENTIONS = 4, 2
_HEADS = 8
_GROUPS = 32


class PositionTable(nn.Module):
    """Sines and cosines of the place in the sequence; the authors keep them in their files."""

    def __init__(self, width: int) -> None:
        super().__init__()
        places = torch.arange(LENGTH)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        self.pe: Tensor
        self.register_buffer("pe", torch.stack((places.sin(), places.cos()), dim=-1).reshape(1, LENGTH, width))


class TemporalAttention(nn.Module):
    """Attention of each pixel to itself in the images before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q = TokenLinear(width, width, bias=False)
        self.to_k = TokenLinear(width, width, bias=False)
        self.to_v = TokenLinear(width, width, bias=False)
        self.to_out = nn.ModuleList([TokenLinear(width, width)])
        self.pos_encoder = PositionTable(width)

    def forward(self, x: Tensor, memory: Tensor, places: Tensor) -> Tensor:
        """(N, T, C) of the present image and (N, 31, T, C) of those before to (N, T, C); `places` (N, 32) as below."""
        batch, tokens, width = x.shape
        positions = self.pos_encoder.pe[0][places.clamp(min=0).long()]
        query = self.to_q(x + positions[:, -1:]).view(batch, tokens, _HEADS, width // _HEADS)
        seeks = torch.einsum("nthd,hdc->nthc", query, self.to_k.weight.view(_HEADS, width // _HEADS, width))
        by_pixel = memory.transpose(1, 2)  # (N, T, 31, C)
        scores = torch.cat((seeks @ by_pixel.transpose(2, 3), seeks @ x[..., None]), dim=-1)
        scores = scores + (seeks.flatten(1, 2) @ positions.transpose(1, 2)).view_as(scores)
        unknown = torch.where(places < 0, -math.inf, 0.0).to(x.dtype)[:, None, None]
        weights = (scores * (width // _HEADS) ** -0.5 + unknown).softmax(dim=-1)
        mixed = weights[..., :-1] @ by_pixel + weights[..., -1:] * x[:, :, None]
        mixed = mixed + (weights.flatten(1, 2) @ positions).view_as(mixed)
        value = torch.einsum("nthc,hdc->nthd", mixed, self.to_v.weight.view(_HEADS, width // _HEADS, width))
        return self.to_out[0](value.reshape(batch, tokens, width))


class GatedLinear(nn.Module):
    """GEGLU (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = TokenLinear(width, 8 * width)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class FeedForward(nn.Module):
    """`net.1` is the authors' dropout, which has no weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GatedLinear(width), nn.Identity(), TokenLinear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TemporalBlock(nn.Module):
    """Two temporal attentions and a feed-forward part, each behind a layer norm and beside a residual path."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(TemporalAttention(width) for _ in range(ATTENTIONS))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(ATTENTIONS))
        self.ff = FeedForward(width)
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, memory: Sequence[Tensor], places: Tensor) -> tuple[Tensor, list[Tensor]]:
        seen = []
        for attention, norm, before in zip(self.attention_blocks, self.norms, memory, strict=True):
            seen.append(norm(x))
            x = attention(seen[-1], before, places) + x
        return self.ff(self.ff_norm(x)) + x, seen


class TemporalTransformer(nn.Module):
    """The authors' name for what their `TemporalModule` holds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels, eps=1e-6)
        self.proj_in = TokenLinear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(channels)])
        self.proj_out = TokenLinear(channels, channels)

    def forward(self, x: Tensor, memory: Sequence[Tensor], places: Tensor) -> tuple[Tensor, list[Tensor]]:
        rows, columns = x.shape[2:]
        tokens = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        before = [_of_size(value, rows, columns).flatten(2, 3) for value in memory]
        tokens, seen = self.transformer_blocks[0](tokens, before, places)
        mixed = self.proj_out(tokens).transpose(1, 2).unflatten(2, (rows, columns))
        return x + mixed, [value.unflatten(1, (rows, columns)) for value in seen]


class TemporalModule(nn.Module):
    """(N, C, h, w) of the present image, (N, 31, h, w, C) of those before for each attention, to (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.temporal_transformer = TemporalTransformer(channels)

    def forward(self, x: Tensor, memory: Sequence[Tensor], places: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.temporal_transformer(x, memory, places)


class VideoHead(DptHead):
    """The head of Depth Anything V2 with temporal modules at two of its levels and two of its fusions."""

    def __init__(self, embed_dim: int, channels: Sequence[int], width: int) -> None:
        super().__init__(embed_dim, channels, Scratch(channels, width, nn.ReLU()))
        self.motion_modules = nn.ModuleList(TemporalModule(count) for count in (channels[2], channels[3], width, width))

    def forward(  # type: ignore[override]
        self, features: Sequence[Tensor], places: Tensor, memory: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        rows, columns = features[0].shape[2:]
        seen: list[Tensor] = []

        def through(module: int) -> Callable[[Tensor], Tensor]:
            def mixed(x: Tensor) -> Tensor:
                first = ATTENTIONS * module
                x, found = self.motion_modules[module](x, memory[first : first + ATTENTIONS], places)
                seen.extend(found)
                return x

            return mixed

        one, two, three, four = self.levels(features)
        levels = (one, two, through(0)(three), through(1)(four))
        fused = self.scratch.fused(levels, (rows * PATCH, columns * PATCH), through=(through(2), through(3)))
        return (self.scratch.output_conv2(fused)[:, 0], *seen)


class VideoDepthAnythingNetwork(nn.Module):
    """Relative: inverse depth >= 0, affine-invariant. Metric: metres. The same network."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.pretrained = VisionTransformer(size.vit)
        self.head = VideoHead(size.vit.embed_dim, size.channels, size.width)

    def forward(
        self,
        image: Tensor,
        places: Tensor,
        memory_0: Tensor,
        memory_1: Tensor,
        memory_2: Tensor,
        memory_3: Tensor,
        memory_4: Tensor,
        memory_5: Tensor,
        memory_6: Tensor,
        memory_7: Tensor,
    ) -> tuple[Tensor, ...]:  # by name: torch.onnx does not know open sizes of a *memory
        """(N, 3, H, W) float, normalised, sides multiples of 14, to (N, H, W), and what the attentions saw.

        Args:
            places: (N, 32) the place in the sequence of each image remembered, in the order of the memory, and of the
                present one; -1 for what is not remembered.
            memory_0 to memory_7: for each attention (N, 31, h, w, C) what it saw of the images before.

        Returns:
            And for each attention (N, h, w, C), to be remembered.
        """
        memory = (memory_0, memory_1, memory_2, memory_3, memory_4, memory_5, memory_6, memory_7)
        return self.head(self.pretrained(image), places, memory)

    def optimise(self) -> VideoDepthAnythingNetwork:
        """Ready for inference: gains folded, channels last. The parameters are no longer the checkpoint's."""
        fold_layer_scales(list(self.pretrained.blocks))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)


def memory_shapes(size: NetworkSize, rows: int, columns: int) -> list[tuple[int, int, int]]:
    """(h, w, C) of what each attention remembers of an image of so many patches."""
    half = ((rows + 1) // 2, (columns + 1) // 2)
    modules = (
        (rows, columns, size.channels[2]),
        (*half, size.channels[3]),
        (rows, columns, size.width),
        (2 * rows, 2 * columns, size.width),
    )
    return [shape for shape in modules for _ in range(ATTENTIONS)]


def _of_size(memory: Tensor, rows: int, columns: int) -> Tensor:
    """The memory, which has this size; a graph of open sizes does not know that of half the rows, and is shown it."""
    if not is_exporting():
        return memory
    for axis, side in ((2, rows), (3, columns)):
        memory = memory.index_select(axis, torch.arange(side, device=memory.device))
    return memory
