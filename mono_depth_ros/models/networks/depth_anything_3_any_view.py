# SPDX-License-Identifier: Apache-2.0
"""The any-view network of Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647) on one image, under its authors' names.

DINOv2 whose later blocks norm queries and keys, turn them by the tokens' places (RoPE, Su et al. 2021, arXiv
2104.09864; in two dimensions) and have the token of a camera in place of the class token. Every second of these looks
at all views, in which all patches have one place; of one image only this remains of it. The reference is
github.com/ByteDance-Seed/Depth-Anything-3 `model/dinov2/vision_transformer.py`, `model/dinov2/layers/rope.py` and
`model/dualdpt.py`. The branches for rays and the camera, which one image's depth does not need, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mono_depth_ros.models.networks.depth_anything import DptHead, NetworkSize, Scratch
from mono_depth_ros.models.networks.vit import (
    PATCH,
    Attention,
    Block,
    VisionTransformer,
    VitSize,
    fold_layer_scales,
    resample_positions,
)

SIZES = {
    "small": NetworkSize(VitSize(384, 12, 6, (5, 7, 9, 11), last_eps=1e-5), (48, 96, 192, 384), 64),
    "base": NetworkSize(VitSize(768, 12, 12, (5, 7, 9, 11), last_eps=1e-5), (96, 192, 384, 768), 128),
}
FIRST = 4
"""Of the blocks that know places and cameras; it is even."""

_PLACE_BASE, _VIEW_BASE = 100.0, 100.0  # of the wavelengths: of tokens' places, and of pixels' places in the view
_VIEW_GAIN = 0.1
_DETAIL = 32  # channels at the size of the image

Turn = tuple[Tensor, Tensor]
"""Cosines and sines (T, C / heads) for each token and channel."""


class PlacedAttention(Attention):
    """Self-attention with normed queries and keys that are turned by the places of their tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.q_norm = nn.LayerNorm(width // heads)
        self.k_norm = nn.LayerNorm(width // heads)

    def forward(self, x: Tensor, turn: Turn | None = None) -> Tensor:
        query, key, value = self.query_key_value(x)
        query, key = self.q_norm(query), self.k_norm(key)
        if turn is not None:
            query, key = turned(query, turn), turned(key, turn)
        return self.mixed(query, key, value)


class PlacedBlock(Block):
    """As `Block`, with places."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.attn = PlacedAttention(width, heads)

    def forward(self, x: Tensor, turn: Turn | None = None) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x), turn))
        return x + self.ls2(self.mlp(self.norm2(x)))


class AnyViewTransformer(VisionTransformer):
    """DINOv2 whose features are those of a block for one view beside those of the block for all views behind it."""

    def __init__(self, size: VitSize) -> None:
        super().__init__(size)
        for index in range(FIRST, size.num_layers):
            self.blocks[index] = PlacedBlock(size.embed_dim, size.num_heads)
        self.camera_token = nn.Parameter(torch.zeros(1, 2, size.embed_dim))  # of the reference view, and of others

    def tokens(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to features (N, H / 14 * W / 14, 2 C)."""
        rows, columns = image.shape[2] // PATCH, image.shape[3] // PATCH
        x = self.patch_embed(image)
        positions = resample_positions(self.pos_embed, rows, columns, self.size.offset)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + positions
        channels = self.size.embed_dim // self.size.num_heads
        at_place, at_one = (turn_of(rows, columns, channels, one, x) for one in (False, True))
        own, features = x, []
        for index, block in enumerate(self.blocks):
            if index == FIRST:
                x = torch.cat((self.camera_token[:, :1].expand(x.shape[0], -1, -1), x[:, 1:]), dim=1)
            for_all = index >= FIRST and index % 2 == 1
            x = block(x) if index < FIRST else block(x, at_one if for_all else at_place)
            own = own if for_all else x
            if index in self.size.out_indices:
                features.append(torch.cat((own[:, 1:], self.norm(x)[:, 1:]), dim=-1))
        return features


class AnyViewScratch(Scratch):
    """The part of the head after the features have their channels: depth and its confidence, from 1 up."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__(channels, width, nn.Identity())
        self.refinenet4.resConfUnit1 = nn.Identity()  # it has no weights, and is never used
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(width // 2, _DETAIL, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(_DETAIL, 2, 1)
        )

    def forward(self, levels: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, Tensor]:
        shared = self.fused(levels, size)
        depth, confidence = self.output_conv2(shared + view_places(shared)).exp().unbind(1)
        return depth, confidence + 1


class AnyViewHead(DptHead):
    """DPT's dense head that knows where in the view its features are."""

    def __init__(self, size: NetworkSize) -> None:
        width = 2 * size.vit.embed_dim
        super().__init__(width, size.channels, AnyViewScratch(size.channels, size.width))
        self.norm = nn.LayerNorm(width)

    def of_tokens(self, features: Sequence[Tensor], rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """(N, rows * columns, 2 C) each to depth and confidence (N, 14 rows, 14 columns)."""
        levels = []
        for tokens, project, resize in zip(features, self.projects, self.resize_layers, strict=True):
            level = project(self.norm(tokens).transpose(1, 2).unflatten(2, (rows, columns)))
            levels.append(resize(level + view_places(level)))
        depth, confidence = self.scratch(levels, (rows * PATCH, columns * PATCH))
        return depth, confidence


class AnyViewBackbone(nn.Module):
    """The authors' name around their encoder."""

    def __init__(self, size: VitSize) -> None:
        super().__init__()
        self.pretrained = AnyViewTransformer(size)


class AnyViewNetwork(nn.Module):
    """Depth up to one unknown scale, and a confidence from 1 up."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.backbone = AnyViewBackbone(size.vit)
        self.head = AnyViewHead(size)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to depth and confidence (N, H, W)."""
        features = self.backbone.pretrained.tokens(image)
        return self.head.of_tokens(features, image.shape[2] // PATCH, image.shape[3] // PATCH)

    def optimise(self) -> AnyViewNetwork:
        """Ready for inference: gains folded, channels last. The parameters are no longer the checkpoint's."""
        fold_layer_scales(list(self.backbone.pretrained.blocks))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)


def turn_of(rows: int, columns: int, channels: int, one_place: bool, like: Tensor) -> Turn:
    """The turn of a special token, at place 0, and of patches, at their row and column from 1 on, or all at 1.

    Rows turn the first half of the channels, columns the second.
    """
    down = torch.arange(1, rows + 1, device=like.device, dtype=torch.float32)
    across = torch.arange(1, columns + 1, device=like.device, dtype=torch.float32)
    if one_place:
        down, across = torch.ones_like(down), torch.ones_like(across)
    half = channels // 2
    speed = _PLACE_BASE ** (-torch.arange(0, half, 2, device=like.device, dtype=torch.float32) / half)
    by_row, by_column = ((places[:, None] * speed).repeat(1, 2) for places in (down, across))
    angle = torch.cat((by_row[:, None].expand(-1, columns, -1), by_column[None].expand(rows, -1, -1)), dim=-1).flatten(
        0, 1
    )
    angle = torch.cat((torch.zeros_like(angle[:1]), angle))
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def turned(x: Tensor, turn: Turn) -> Tensor:
    """(..., T, C) with the two halves of each half of the channels turned against each other."""
    cosine, sine = turn
    parts = x.unflatten(-1, (2, 2, -1))
    across = torch.stack((-parts[..., 1, :], parts[..., 0, :]), dim=-2).flatten(-3)
    return x * cosine + across * sine


def view_places(like: Tensor) -> Tensor:
    """(1, C, H, W) to add to a map (N, C, H, W): sines and cosines of where each pixel's centre lies in the view.

    Half the diagonal of the view is 1; the first half of the channels goes by the column, the second by the row.
    """
    channels, rows, columns = like.shape[1:]
    quarter = channels // 4
    speed = _VIEW_BASE ** (-torch.arange(quarter, device=like.device, dtype=torch.float32) / quarter)
    x = torch.arange(columns, device=like.device, dtype=torch.float32) * 2 + 1
    y = torch.arange(rows, device=like.device, dtype=torch.float32) * 2 + 1
    wide, high = x[-1:] / 2 + 0.5, y[-1:] / 2 + 0.5  # as tensors: exported graphs know sizes by them
    diagonal = (wide**2 + high**2).sqrt()
    by_column, by_row = (
        torch.cat((angle.sin(), angle.cos()), dim=-1) * _VIEW_GAIN
        for angle in (((place - side) / diagonal)[:, None] * speed for place, side in ((x, wide), (y, high)))
    )
    both = (by_column[None].expand(rows, -1, -1), by_row[:, None].expand(-1, columns, -1))
    return torch.cat(both, dim=-1).permute(2, 0, 1)[None].to(like.dtype)


def _unused() -> tuple[str, ...]:
    scratch = [
        *(
            f"refinenet{level}_aux.{part}"
            for level in (1, 2, 3, 4)
            for part in (
                *(f"resConfUnit{unit}.conv{conv}" for unit in ((1, 2) if level < 4 else (2,)) for conv in (1, 2)),
                "out_conv",
            )
        ),
        *(f"output_conv1_aux.{level}.{layer}" for level in range(4) for layer in range(5)),
        *(f"output_conv2_aux.{level}.{layer}" for level in range(4) for layer in (0, 2, 5)),
    ]
    layers = [
        *(f"head.scratch.{name}" for name in scratch),
        *(f"cam_dec.{name}" for name in ("backbone.0", "backbone.2", "fc_t", "fc_qvec", "fc_fov.0")),
        *(f"cam_enc.{name}" for name in ("token_norm", "trunk_norm", "pose_branch.fc1", "pose_branch.fc2")),
        *(
            f"cam_enc.trunk.{block}.{name}"
            for block in range(4)
            for name in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
        ),
    ]
    gains = [f"cam_enc.trunk.{block}.ls{branch}.gamma" for block in range(4) for branch in (1, 2)]
    return (*(f"{layer}.{what}" for layer in layers for what in ("weight", "bias")), *gains)


UNUSED = _unused()
"""Names in the authors' files: the branches for rays and cameras, which take no part in the depth of one image."""
