# SPDX-License-Identifier: Apache-2.0
"""The three sizes of Metric3D v2, from the authors' `mono/configs/HourglassDecoder/vit.raft5.*.py`."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.models.networks.vit import VitSize

MULTIPLE = 28
"""Sides of the network's input: two patches, as some features are at half the resolution of the tokens' half."""

REGISTERS = 4
"""Tokens without a place in the image (Darcet et al. 2023, arXiv 2309.16588)."""


@dataclass(frozen=True)
class NetworkSize:
    """What differs from size to size.

    Attributes:
        vit: encoder; `taps` are the blocks that the four feature maps come from, finest first.
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
