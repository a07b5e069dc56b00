# SPDX-License-Identifier: Apache-2.0
"""Metric3D v2 with weights that follow from its authors' parameter names; its outputs vary within their ranges."""

from __future__ import annotations

import zlib

import numpy as np
from torch import Tensor, from_numpy

from mono_depth_ros.models.families.metric3d_v2 import merged
from mono_depth_ros.models.networks.metric3d import Metric3DNetwork
from mono_depth_ros.models.networks.metric3d_encoder import NetworkSize

_BLOCK, _STEP = 1 << 15, 2654435761


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform float32 of variance 1, from integers alone: a hash of the name and of each element's place."""
    values, seed = np.empty(int(np.prod(shape)), np.float32), zlib.crc32(name.encode())
    first = np.arange(min(len(values), _BLOCK), dtype=np.uint32) * np.uint32(_STEP)
    for begin in range(0, len(values), _BLOCK):  # blocks that stay in the processor's cache
        block = values[begin : begin + _BLOCK]
        x = first[: len(block)] + np.uint32((begin * _STEP + seed) % 2**32)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            x ^= x >> np.uint32(shift)
            x *= np.uint32(factor)
        x ^= x >> np.uint32(16)
        block[:] = x
        block /= np.float32(2**31)
        block -= np.float32(1)
        block *= np.float32(3**0.5)
    return values.reshape(shape)


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weight for a name in the authors' network; its outputs then vary within their ranges, as real ones do."""
    name = name.removeprefix("depth_model.").replace("norm3.", "downsample.1.")  # one layer under two names
    values = noise(name, shape)
    if (".norm" in name and ".normal" not in name) or "gamma" in name or "downsample.1" in name:
        values = np.float32(0.1) * values + np.float32(name.endswith(("weight", "gamma")))
        values *= np.float32(0.3 if "gamma" in name else 1)
    elif name.endswith("bias"):
        values *= np.float32(0.05)
        if name.endswith("upconv_1.out_conv.bias"):
            values[-2] = 0.5  # confidence in the middle
        if name.endswith("flow_head.conv2d.bias"):
            values[:] = (0.03, 0)  # depth away from its lower bound, where rounding is a large part of it
    elif name.endswith(("_token", "_tokens", "pos_embed")):
        values *= np.float32(0.5)
    else:
        inputs = shape[0] if "read_1.sample" in name else np.prod(shape[1:])
        values *= np.float32((1.5 / inputs) ** 0.5)
        if ".way_" in name and ".conv2." in name:
            values *= np.float32(0.3)
        if "normal_predictor" in name:
            values -= values.mean(axis=1, keepdims=True)
        if name.endswith("upconv_1.out_conv.weight"):
            values[-2:] *= np.array([0.02, 0.03], np.float32)[:, None, None, None]
        if name.endswith("flow_head.conv2d.weight"):
            values *= np.array([0.04, 0.01], np.float32)[:, None, None, None]
        if name.endswith("flow_head.conv2n.weight"):
            values *= np.float32(0.4)
    return from_numpy(values)


def network_of_noise(size: NetworkSize) -> Metric3DNetwork:
    """With the weights that the authors' network of this size would have."""
    network = Metric3DNetwork(size)
    prefixes = tuple(f"decoder.update_block.gru{unit}." for unit in ("08", "16", "32"))
    left = {name: tuple(v.shape) for name, v in network.state_dict().items() if not name.startswith(prefixes)}
    for unit, inputs in (("08", 6 + size.hidden), ("16", 2 * size.hidden), ("32", size.hidden)):
        for gate in "zrq":
            name = f"decoder.update_block.gru{unit}.conv{gate}"
            left |= {f"{name}.weight": (size.hidden, size.hidden + inputs, 3, 3), f"{name}.bias": (size.hidden,)}
    network.load_state_dict(merged({name: weight(name, shape) for name, shape in left.items()}, size))
    return network.eval().requires_grad_(False)
