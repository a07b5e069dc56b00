# SPDX-License-Identifier: Apache-2.0
"""DINOv2 with registers, under its authors' parameter names.

The reference is github.com/YvanYin/Metric3D `mono/model/backbones/ViT_DINO_reg.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mono_depth_ros.models.metric3d.sizes import REGISTERS
from mono_depth_ros.models.networks.vit import PATCH, Block, PatchEmbed, VitSize, resample_positions


class RegisterTransformer(nn.Module):
    """A vision transformer whose registers are read with the class token."""

    def __init__(self, size: VitSize, gated: bool) -> None:
        super().__init__()
        self.size, self.gated = size, gated
        self.patch_embed = PatchEmbed(size.width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.width))
        self.register_tokens = nn.Parameter(torch.zeros(1, REGISTERS, size.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + size.table**2, size.width))
        blocks = [Block(size.width, size.heads, gated) for _ in range(size.depth)]
        self.blocks = nn.ModuleList([nn.ModuleList(blocks)])  # the authors' single "chunk"
        self.norm = nn.Identity() if gated else nn.LayerNorm(size.width, eps=1e-6)

    def chain(self) -> list[Block]:
        """The blocks in their order."""
        return [block for chunk in self.blocks for block in chunk]  # type: ignore[attr-defined]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) float, normalised, sides multiples of 14, to the tokens of each tap, (N, 5 + H W / 196, C).

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
            if index in self.size.taps:
                taken[index] = self.norm(x)
        return [taken[index] for index in self.size.taps]
