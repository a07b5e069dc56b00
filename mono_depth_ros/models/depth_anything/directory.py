# SPDX-License-Identifier: Apache-2.0
"""A checkpoint directory in the format of transformers (config.json, *.safetensors), read without transformers."""

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
from mono_depth_ros.models.depth_anything.sizes import size_of
from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.vit import PATCH
from mono_depth_ros.models.weights.files import read_json, read_safetensors
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
        *((rf"^neck\.fusion_stage\.layers\.{at}\.", f"depth_head.scratch.refinenet{4 - at}.") for at in range(4)),
        (r"^head\.conv1\.", "depth_head.scratch.output_conv1."),
        (r"^head\.conv2\.", "depth_head.scratch.output_conv2.0."),
        (r"^head\.conv3\.", "depth_head.scratch.output_conv2.2."),
    )
)
_PART = re.compile(r"^(.*\.attn\.qkv)\.([qkv])\.(weight|bias)$")


@dataclass(frozen=True)
class CheckpointConfig:
    """config.json of a checkpoint, as far as it decides what the model is.

    Attributes:
        path: of the file. kind: relative (INVERSE_AFFINE) or METRIC. max_depth_m: of the metric head, else None.
        values: the whole file. encoder: its backbone_config.
    """

    path: Path
    kind: DepthKind
    max_depth_m: float | None
    values: dict[str, Any]
    encoder: dict[str, Any]


def read_config(directory: Path) -> CheckpointConfig:
    """The checked config.json of a Depth Anything checkpoint directory.

    Raises:
        ModelError: it is missing, unreadable, of another architecture, or its metric head has no maximum depth.
    """
    path = directory / "config.json"
    values = read_json(path)
    architecture = values.get("model_type")
    if architecture != "depth_anything":
        raise ModelError(f"{path} says model_type {architecture!r}, expected 'depth_anything'")
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
    max_depth_m = _max_depth(values, path) if kind == "metric" else None
    return CheckpointConfig(path, _KINDS[kind], max_depth_m, values, encoder)


def read_directory(directory: Path) -> tuple[CheckpointConfig, NetworkSize, dict[str, Tensor]]:
    """What config.json says, the network's size, and the weights under the authors' names.

    Raises:
        ModelError: see `read_config`, `read_safetensors` and `size_of`; or config.json and the tensors disagree.
    """
    config = read_config(directory)
    weights = authors_names(read_safetensors(directory))
    size = size_of(weights, directory, _number(config, "num_attention_heads"), _taps(config))
    tensors: dict[str, Any] = {
        "hidden_size": size.vit.embed_dim,
        "num_hidden_layers": size.vit.num_layers,
        "image_size": size.vit.grid * PATCH,
        "reassemble_hidden_size": size.vit.embed_dim,
        "neck_hidden_sizes": list(size.channels),
        "fusion_hidden_size": size.width,
    }
    for name, found in tensors.items():
        said = config.encoder.get(name, config.values.get(name, found))
        if said != found:
            raise ModelError(f"{directory}: the weights have {name} {found}, expected {said!r} by its config.json")
    return config, size, weights


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


def _taps(config: CheckpointConfig) -> tuple[int, ...]:
    """The blocks that the head reads, from 0; theirs count from 1, and 0 is before the first."""
    indices, stages = config.encoder.get("out_indices"), config.encoder.get("out_features")
    try:
        named = [int(str(stage).removeprefix("stage")) for stage in stages or ()]
        numbers = [int(index) for index in indices or named]
    except (TypeError, ValueError) as error:
        raise ModelError(f"{config.path} has out_indices {indices!r} and out_features {stages!r}") from error
    if len(numbers) != 4 or (named and named != numbers):
        found = f"out_indices {indices!r} and out_features {stages!r}"
        raise ModelError(f"{config.path} has {found}, expected the same four stages, such as [3, 6, 9, 12]")
    return tuple(number - 1 for number in numbers)


def _number(config: CheckpointConfig, name: str) -> int | None:
    value = config.encoder.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ModelError(f"{config.path} says {name} {value!r}, expected a positive whole number")
    return value


def _max_depth(values: dict[str, Any], path: Path) -> float:
    found = values.get("max_depth")
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not (math.isfinite(found) and found > 0):
        raise ModelError(f"{path} is metric with max_depth {found!r}, expected metres, such as 20 or 80")
    return float(found)
