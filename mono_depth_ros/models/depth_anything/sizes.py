# SPDX-License-Identifier: Apache-2.0
"""Which network a set of weights belongs to: told by the tensors' shapes, then held to every one of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.vit import VitSize

UNUSED = frozenset({"pretrained.mask_token"})
"""Used in the encoder's pre-training alone; exports have it or not."""

_HEAD_WIDTH = 64  # channels of an attention head, in every DINOv2
_TAPS = {size.vit.num_layers: size.vit.out_indices for size in SIZES.values()}


def size_of(
    weights: Mapping[str, Tensor], where: Path, heads: int | None = None, taps: tuple[int, ...] | None = None
) -> NetworkSize:
    """The network that `weights`, under the authors' names, were made for.

    Args:
        heads: of the encoder, by default one for 64 channels. taps: blocks that the head reads, by default those of the
            authors' network of that depth. Neither leaves a trace in the tensors.

    Raises:
        ModelError: the tensors that tell are missing, or the encoder is of no depth that the authors have used.
    """
    blocks = {int(found[1]) for name in weights if (found := re.match(r"pretrained\.blocks\.(\d+)\.", name))}
    width = _shape(weights, "pretrained.cls_token", 3, where)[2]
    rows = _shape(weights, "pretrained.pos_embed", 3, where)[1] - 1
    channels = tuple(_shape(weights, f"depth_head.projects.{level}.weight", 4, where)[0] for level in range(4))
    head = _shape(weights, "depth_head.scratch.layer1_rn.weight", 4, where)[0]
    depth, side = len(blocks), math.isqrt(max(rows, 0))
    heads = heads or width // _HEAD_WIDTH
    if side * side != rows or not heads or width % heads:
        shape = f"{rows} position embeddings and an encoder {width} wide with {heads} heads"
        raise ModelError(f"{where} has {shape}, expected a square table and a width that the heads divide")
    taps = taps or _TAPS.get(depth)
    if taps is None or not all(0 <= tap < depth for tap in taps) or len(set(taps)) != 4:
        known = " or ".join(f"{count} ({', '.join(_names(count))})" for count in _TAPS)
        read = f" of which the head reads {taps}" if taps else ""
        raise ModelError(f"{where} has an encoder of {depth} blocks{read}, expected {known}")
    return NetworkSize(VitSize(width, depth, heads, taps, side), channels, head)  # type: ignore[arg-type]


def size_name(size: NetworkSize) -> str:
    """small, base, large, or the shape in words."""
    names = [name for name, known in SIZES.items() if size == known]
    if names:
        return names[0]
    vit = size.vit
    encoder = f"an encoder {vit.embed_dim} wide and {vit.num_layers} deep"
    return f"{encoder}, a head {size.width} wide that reads blocks {vit.out_indices}"


def build(
    size: NetworkSize, max_depth_m: float | None, weights: Mapping[str, Tensor], where: Path
) -> DepthAnythingNetwork:
    """The network with these weights, float32 on the CPU; every one is used, none is made up, all are copied.

    Raises:
        ModelError: a tensor is missing, unexpected, of another shape, or holds no floating-point numbers.
    """
    with torch.device("meta"):  # no random numbers for weights that are there
        network = DepthAnythingNetwork(size, max_depth_m)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for problem, names in (
        ("missing", sorted(set(shapes) - set(weights))),
        ("unexpected", sorted(set(weights) - set(shapes) - UNUSED)),
    ):
        if names:
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(f"{where}: {len(names)} {problem} weights ({some}), expected those of {size_name(size)}")
    odd = [name for name, shape in shapes.items() if tuple(weights[name].shape) != shape]
    if odd:
        found = f"{odd[0]} is {tuple(weights[odd[0]].shape)}, expected {shapes[odd[0]]}"
        raise ModelError(f"{where}: {len(odd)} weights are of another shape than {size_name(size)} has: {found}")
    whole = [name for name in shapes if not weights[name].is_floating_point()]
    if whole:
        raise ModelError(f"{where}: {whole[0]} holds {weights[whole[0]].dtype}, expected floating-point numbers")
    # Copied: a mapped file that is overwritten later must not change, or crash, a model that runs.
    network.load_state_dict({name: weights[name].to(torch.float32, copy=True) for name in shapes}, assign=True)
    return network


def _shape(weights: Mapping[str, Tensor], name: str, ndim: int, where: Path) -> tuple[int, ...]:
    if name not in weights:
        there = ", ".join(sorted(weights)[:3]) or "nothing"
        raise ModelError(f"{where} has no tensor {name} but {there}, ...; expected the weights of Depth Anything V2")
    shape = tuple(weights[name].shape)
    if len(shape) != ndim:
        raise ModelError(f"{where}: {name} is {shape}, expected {ndim} dimensions")
    return shape


def _names(depth: int) -> list[str]:
    return [name for name, size in SIZES.items() if size.vit.num_layers == depth]
