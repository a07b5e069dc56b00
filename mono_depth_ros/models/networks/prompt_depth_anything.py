# SPDX-License-Identifier: Apache-2.0
"""The network of Prompt Depth Anything (Lin et al. 2025, arXiv 2412.14015), under its authors' parameter names.

Depth Anything V2 whose fusion blocks add what they see in a coarse depth map. The reference is
github.com/DepthAnything/PromptDA `promptda/promptda.py` and `promptda/model/{dpt,blocks}.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.networks.depth_anything import (
    DepthAnythingNetwork,
    DptHead,
    FusionBlock,
    NetworkSize,
    Scratch,
    upsample,
)


class PromptFusionBlock(FusionBlock):
    """A fusion block with a prompt, the same for all four."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.resConfUnit_depth = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(  # type: ignore[override]
        self, path: Tensor | None, features: Tensor, size: Sequence[int], prompt: Tensor
    ) -> Tensor:
        x = self.resConfUnit2(features if path is None else path + self.resConfUnit1(features))
        here = functional.interpolate(prompt, size=x.shape[2:], mode="bilinear", align_corners=False)
        return upsample(self.out_conv(x + self.resConfUnit_depth(here)), size)


class PromptScratch(Scratch):
    """The head with these blocks."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__(channels, width, nn.Sigmoid(), PromptFusionBlock)

    def forward(self, levels: Sequence[Tensor], size: Sequence[int], *prompt: Tensor) -> Any:
        return self.output_conv2(self.fused(levels, size, *prompt))


class PromptDepthAnythingNetwork(DepthAnythingNetwork):
    """Depth from 0 to 1, between the nearest and the farthest depth of the prompt."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__(size, 1.0)
        self.depth_head = DptHead(size.vit.embed_dim, size.channels, PromptScratch(size.channels, size.width))

    def forward(self, image: Tensor, prompt: Tensor) -> Tensor:  # type: ignore[override]
        """(N, 3, H, W) float, normalised, sides multiples of 14, and (N, 1, h, w) from 0 to 1, to (N, H, W)."""
        output: Tensor = self.depth_head(self.pretrained(image), prompt)[:, 0]
        return output
