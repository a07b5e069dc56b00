# SPDX-License-Identifier: Apache-2.0
"""Weights, configurations and a picture that every machine makes the same: from names and integers alone."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.vit import VitSize

NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32)
"""Depth Anything V2, narrow and shallow."""
NARROW_3 = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3), last_eps=1e-5), (16, 24, 32, 48), 32)
"""Depth Anything 3 metric, likewise."""

_WIDTHS = [32, 16, 16, 8, 8]
_STACK = {
    "dim_res_blocks": _WIDTHS,
    "res_block_in_norm": "none",
    "res_block_hidden_norm": "none",
    "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose", "bilinear"],
}


def moge_head(channels: int) -> dict[str, Any]:
    """The configuration of a narrow head of MoGe-2."""
    return {"dim_in": _WIDTHS, "dim_out": [None] * 4 + [channels], "num_res_blocks": [0, 1, 1, 1, 0], **_STACK}


MOGE_2: dict[str, Any] = {
    "encoder": {"backbone": "dinov2_vits14", "intermediate_layers": [2, 5, 8, 11], "dim_out": 32},
    "neck": {"dim_in": [34, 2, 2, 2, 2], "dim_out": None, "num_res_blocks": [0, 2, 2, 2, 0], **_STACK},
    "points_head": moge_head(3),
    "mask_head": moge_head(1),
    "normal_head": moge_head(3),
    "scale_head": {"dims": [384, 16, 16, 1]},
    "remap_output": "exp",
    "num_tokens_range": [120, 200],
}
"""`model_config` of a MoGe-2 with narrow heads."""

UNIDEPTH_V2: dict[str, Any] = {
    "data": {
        "augmentations": {
            "shape_constraints": {"ratio_bounds": [0.5, 2.5], "pixels_max": 60000, "pixels_min": 20000},
        }
    },
    "model": {
        "name": "UniDepthV2",
        "num_heads": 8,
        "expansion": 4,
        "pixel_decoder": {"hidden_dim": 64, "depths": [2, 1, 1], "out_dim": 16, "kernel_size": 3},
        "pixel_encoder": {
            "name": "dinov2_vits14",
            "num_register_tokens": 0,
            "use_norm": True,
            "stacking_fn": "last",
            "output_idx": [3, 6, 9, 12],
        },
    },
}
"""config.json of a UniDepthV2 with a narrow decoder that reads small pictures."""


def pattern_image(width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 with smooth and fine structure."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    return np.stack([(x * 7 + y * 3) // 8, (x * y) >> 8, (x ^ y) + (x // 40 + y // 30) % 2 * 60], axis=-1).astype(
        np.uint8
    )


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weight that follows from a parameter's name: scaled normal noise, positive where it is a gain."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)  # its stream is frozen by NumPy
    if "norm" in name or "gamma" in name:
        return torch.from_numpy((0.1 * noise + name.endswith(("weight", "gamma"))).astype(np.float32))
    if name.endswith("bias"):
        # A network of noise gives about 0: the last bias puts the output amid the range of the head.
        return torch.from_numpy((0.05 * noise + 0.5 * name.endswith("output_conv2.2.bias")).astype(np.float32))
    if "token" in name or "pos_embed" in name:
        return torch.from_numpy((0.5 * noise).astype(np.float32))
    gain = 0.02 if name.endswith("output_conv2.2.weight") else 1.0
    return torch.from_numpy((gain * noise * np.sqrt(1.5 / np.prod(shape[1:]))).astype(np.float32))


def moge_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """`weight`, weaker where layers without a norm would let it grow."""
    inner = any(part in name for part in (".layers.", ".resamplers."))
    return (0.3 if name.endswith("output_blocks.4.weight") else 0.5 if inner else 1.0) * weight(name, shape)


def unidepth_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """`weight`, weaker before an exponential."""
    return ((0.02 if "_hr.2.weight" in name else 1.0) * weight(name, shape)).contiguous()


def shapes_of(network: nn.Module) -> Mapping[str, tuple[int, ...]]:
    """The shape of each parameter and buffer by its name."""
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
