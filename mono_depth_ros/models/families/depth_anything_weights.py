# SPDX-License-Identifier: Apache-2.0
"""Weights of Depth Anything V2 in both formats, and what is said of the network that they belong to.

A directory in the format of transformers (config.json, *.safetensors) is read without transformers; the authors' own
files, such as depth_anything_v2_vits.pth, as tensors alone: nothing in a file is run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.networks.depth_anything import SIZES, NetworkSize
from mono_depth_ros.models.networks.vit import PATCH, VitSize
from mono_depth_ros.models.weights.files import read_json
from mono_depth_ros.models.weights.pickles import read_pth, tensors_in
from mono_depth_ros.prediction import DepthKind

_KINDS = {"relative": DepthKind.INVERSE_AFFINE, "metric": DepthKind.METRIC}

_FIXED: dict[str, Any] = {
    "patch_size": PATCH,
    "reassemble_factors": [4, 2, 1, 0.5],
    "head_hidden_size": 32,
    "head_in_index": -1,
}
_FIXED_ENCODER: dict[str, Any] = {
    "model_type": "dinov2",
    "patch_size": PATCH,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
    "use_swiglu_ffn": False,
    "apply_layernorm": True,
    "reshape_hidden_states": False,
}
"""What all Depth Anything networks have in common and tensors do not show; a config.json that says it is held to it."""

_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^backbone\.embeddings\.position_embeddings$", "pretrained.pos_embed"),
        (r"^backbone\.embeddings\.patch_embeddings\.projection\.", "pretrained.patch_embed.proj."),
        (r"^backbone\.embeddings\.(cls|mask)_token$", r"pretrained.\1_token"),
        (r"^backbone\.encoder\.layer\.", "pretrained.blocks."),
        (r"^backbone\.layernorm\.", "pretrained.norm."),
        (r"\.attention\.attention\.(q|k|v)(uery|ey|alue)\.", r".attn.qkv.\1."),
        (r"\.attention\.(q|k|v)_proj\.", r".attn.qkv.\1."),
        (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
        (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
        (r"^neck\.reassemble_stage\.layers\.(\d)\.projection\.", r"depth_head.projects.\1."),
        (r"^neck\.reassemble_stage\.layers\.(\d)\.resize\.", r"depth_head.resize_layers.\1."),
        (r"^neck\.fusion_stage\.layers\.(\d)\.projection\.", r"neck.fusion_stage.layers.\1.out_conv."),
        (r"\.residual_layer(\d)\.convolution(\d)\.", r".resConfUnit\1.conv\2."),
        # Their order is from coarse to fine, the authors' from fine to coarse.
        *((rf"^neck\.convs\.{level}\.", f"depth_head.scratch.layer{level + 1}_rn.") for level in range(4)),
        *((rf"\.prompt_depth_layer\.convolution{at + 1}\.", f".resConfUnit_depth.{2 * at}.") for at in range(3)),
        *((rf"^neck\.fusion_stage\.layers\.{at}\.", f"depth_head.scratch.refinenet{4 - at}.") for at in range(4)),
        (r"^head\.conv1\.", "depth_head.scratch.output_conv1."),
        (r"^head\.conv2\.", "depth_head.scratch.output_conv2.0."),
        (r"^head\.conv3\.", "depth_head.scratch.output_conv2.2."),
    )
)
_PART = re.compile(r"^(.*\.attn\.qkv)\.([qkv])\.(weight|bias)$")

UNUSED = frozenset({"pretrained.mask_token"})
"""Used in the encoder's pre-training alone; exports have it or not."""

_MAX = 4096
"""Of every number in config.json that says how large a part of the network is."""

_STRANGERS = (
    (
        "backbone.embeddings.",
        "of transformers' names, expected the authors' (those belong into a directory)",
    ),
    ("depth_model.", "of Metric3D"),
    ("core.core.", "of ZoeDepth or of the metric Depth Anything V1, which is a ZoeDepth"),
    ("pretrained.model.", "of MiDaS or DPT"),
    ("encoder.patch_encoder.", "of Depth Pro"),
    ("backbone.pretrained.", "of Depth Anything 3"),
    ("blocks.", "of a DINOv2 encoder alone"),
)


@dataclass(frozen=True)
class CheckpointConfig:
    """config.json of a checkpoint, as far as it decides what the model is.

    Attributes:
        kind: relative (INVERSE_AFFINE) or METRIC. max_depth_m: of the metric head, else None. size: of the network.
    """

    kind: DepthKind
    max_depth_m: float | None
    size: NetworkSize


def read_config(directory: Path, expected: str = "depth_anything") -> CheckpointConfig:
    """The checked config.json of a Depth Anything checkpoint directory, or of one built alike.

    Raises:
        ModelError: it is missing, unreadable, of another architecture, or its metric head has no maximum depth.
    """
    path = directory / "config.json"
    values = read_json(path)
    architecture = values.get("model_type")
    if architecture != expected:
        raise ModelError(f"{path} says model_type {architecture!r}, expected {expected!r}")
    encoder = values.get("backbone_config")
    if not isinstance(encoder, dict) or encoder.get("model_type") != "dinov2" or values.get("backbone"):
        found = values.get("backbone") or encoder
        raise ModelError(f"{path} has the backbone {found!r}, expected a backbone_config of model_type 'dinov2'")
    for fixed, where in ((_FIXED, values), (_FIXED_ENCODER, encoder)):
        for name, expected in fixed.items():
            if where.get(name, expected) != expected:
                raise ModelError(f"{path} says {name} {where[name]!r}, expected {expected!r}")
    kind = values.get("depth_estimation_type", "relative")  # older files are all relative and do not say so
    if kind not in _KINDS:
        raise ModelError(f"{path} says depth_estimation_type {kind!r}, expected 'relative' or 'metric'")
    limit = values.get("max_depth") if kind == "metric" else None
    if kind == "metric":
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not (math.isfinite(limit) and limit > 0):
            raise ModelError(f"{path} is metric with max_depth {limit!r}, expected metres, such as 20 or 80")
        limit = float(limit)
    return CheckpointConfig(_KINDS[kind], limit, _size(path, values, encoder))


def _size(path: Path, values: dict[str, Any], encoder: dict[str, Any]) -> NetworkSize:
    """What config.json says of the network's size; what it leaves out has the default of transformers."""

    def number(where: dict[str, Any], name: str, default: int) -> int:
        value = where.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX:
            raise ModelError(f"{path} says {name} {value!r}, expected a positive whole number up to {_MAX}")
        return value

    layers, heads = number(encoder, "num_hidden_layers", 12), number(encoder, "num_attention_heads", 12)
    dim, grid = number(encoder, "hidden_size", 768), number(encoder, "image_size", 224) // PATCH
    channels = values.get("neck_hidden_sizes", [48, 96, 192, 384])
    reassembled = number(values, "reassemble_hidden_size", 384)
    if dim % heads or reassembled != dim:
        found = f"hidden_size {dim}, {heads} heads, reassemble_hidden_size {reassembled}"
        raise ModelError(f"{path} has {found}, expected one hidden_size that the heads divide")
    if not isinstance(channels, list) or len(channels) != 4 or not all(isinstance(n, int) and n > 0 for n in channels):
        raise ModelError(f"{path} says neck_hidden_sizes {channels!r}, expected four whole numbers")
    indices, stages = encoder.get("out_indices"), encoder.get("out_features")
    try:
        named = [int(str(stage).removeprefix("stage")) for stage in stages or ()]
        read = [int(index) for index in indices or named]
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path} has out_indices {indices!r} and out_features {stages!r}") from error
    if len(set(read)) != 4 or (named and named != read) or not all(1 <= index <= layers for index in read):
        found = f"out_indices {indices!r} and out_features {stages!r} of {layers} layers"
        raise ModelError(f"{path} has {found}, expected the same four stages, such as [3, 6, 9, 12]")
    # The blocks that the head reads, from 0; theirs count from 1, and 0 is before the first.
    vit = VitSize(dim, layers, heads, tuple(index - 1 for index in read), grid)
    return NetworkSize(vit, tuple(channels), number(values, "fusion_hidden_size", 64))


def authors_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of transformers' names, of any of its versions, under the authors'; query, key and value joined.

    A name that is not known stays as it is.
    """
    out: dict[str, Tensor] = {}
    parts: dict[tuple[str, str], dict[str, Tensor]] = {}
    for name, value in weights.items():
        for pattern, replacement in _RENAMES:
            name = pattern.sub(replacement, name)
        part = _PART.match(name)
        if part is None:
            out[name] = value
        else:
            parts.setdefault((part[1], part[3]), {})[part[2]] = value
    for (layer, what), found in parts.items():
        if len(found) == 3 and len({value.shape for value in found.values()}) == 1:
            out[f"{layer}.{what}"] = torch.cat([found[part] for part in "qkv"])
        else:
            out.update({f"{layer}.{part}.{what}": value for part, value in found.items()})
    return out


def read_pth_weights(path: Path) -> tuple[NetworkSize, dict[str, Tensor]]:
    """The network's size and the tensors of an official file, mapped into memory, under their own names.

    Raises:
        ModelError: the file is cut off, damaged, of another format or of another model, or would run code.
    """
    found = tensors_in(read_pth(path, "a .pth of the authors"), path)
    _check_whose(found, path)
    token = found.get("pretrained.cls_token")
    if token is None:
        there = ", ".join(sorted(found)[:3])
        raise ModelError(
            f"{path} has no tensor pretrained.cls_token but {there}, ...; expected the weights of Depth Anything V2"
        )
    sizes = {size.vit.embed_dim: size for size in SIZES.values()}
    if token.ndim != 3 or token.shape[-1] not in sizes:
        known = ", ".join(f"{width} ({size_name(size)})" for width, size in sizes.items())
        raise ModelError(f"{path} has an encoder of shape {tuple(token.shape)}, expected its last side among: {known}")
    return sizes[token.shape[-1]], found


def _check_whose(found: Mapping[str, Tensor], path: Path) -> None:
    if any(name.startswith("pretrained.blocks.") for name in found):
        return
    for prefix, whose in _STRANGERS:
        if any(name.startswith(prefix) for name in found):
            raise ModelError(f"{path} holds weights {whose}; expected those of Depth Anything V2")


def size_name(size: NetworkSize) -> str:
    """small, base, large, or the shape in words."""
    names = [name for name, known in SIZES.items() if size == known]
    if names:
        return names[0]
    vit = size.vit
    encoder = f"an encoder {vit.embed_dim} wide and {vit.num_layers} deep"
    return f"{encoder}, a head {size.width} wide that reads blocks {vit.out_indices}"
