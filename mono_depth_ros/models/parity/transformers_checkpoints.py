# SPDX-License-Identifier: Apache-2.0
"""Narrow and shallow networks of transformers' families, with deterministic weights and the published processing."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

_BINS = {
    "nyu": {"name": "nyu", "n_bins": 16, "min_depth": 1e-3, "max_depth": 10.0},
    "kitti": {"name": "kitti", "n_bins": 16, "min_depth": 1e-3, "max_depth": 80.0},
}


def weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weight that follows from a parameter's name: scaled normal noise, near 1 where it is a gain."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)  # its stream is frozen by NumPy
    if "running_var" in name:
        return torch.from_numpy((1 + 0.1 * np.abs(noise)).astype(np.float32))
    if (len(shape) < 2 and name.endswith("weight")) or "lambda" in name:
        return torch.from_numpy((1 + 0.1 * noise).astype(np.float32))
    if len(shape) < 2:
        return torch.from_numpy((0.05 * noise + _lift(name)).astype(np.float32))
    if re.search("token|position|bias_table", name):
        return torch.from_numpy((0.3 * noise).astype(np.float32))
    return torch.from_numpy((noise * np.sqrt(1.2 / np.prod(shape[1:]))).astype(np.float32))


def _lift(name: str) -> float:
    """Of the last bias before a ReLU: a network of noise gives 0 in half the pixels without it."""
    return 6.0 if name == "head.head.4.bias" else 0.5 if name.endswith(("layers.4.bias", "conv3.bias")) else 0.0


def zoedepth(heads: tuple[str, ...] = ("nyu",), **changes: Any) -> tuple[Any, Any]:
    """ZoeDepth's network and processor, narrow and shallow, with the published processing."""
    encoder = transformers.BeitConfig(  # type: ignore[call-arg]
        image_size=384,
        num_hidden_layers=4,
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=2,
        use_relative_position_bias=True,
        reshape_hidden_states=False,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    routing = {
        "num_patch_transformer_layers": 4,
        "patch_transformer_hidden_size": 128,
        "patch_transformer_intermediate_size": 64,
        "patch_transformer_num_attention_heads": 4,
    }
    values: dict[str, Any] = {
        "neck_hidden_sizes": [16, 16, 32, 32],
        "fusion_hidden_size": 16,
        "bottleneck_features": 16,
        "num_relative_features": 8,
        "bin_embedding_dim": 32,
        "num_attractors": [4, 3, 2, 1],
        "bin_centers_type": "normed" if heads == ("kitti",) else "softplus",
        "bin_configurations": [dict(_BINS[head]) for head in heads],
        **(routing if len(heads) > 1 else {}),
        **changes,
    }
    config = transformers.ZoeDepthConfig(backbone_config=encoder, **values)
    processor = transformers.ZoeDepthImageProcessorPil(ensure_multiple_of=32)
    return transformers.ZoeDepthForDepthEstimation(config), processor


def dpt(hybrid: bool = False) -> tuple[Any, Any]:
    """DPT's network, large or hybrid, and processor."""
    values: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "backbone_out_indices": [0, 1, 2, 3],
        "neck_hidden_sizes": [16, 16, 32, 32],
        "fusion_hidden_size": 16,
    }
    if hybrid:
        encoder = {
            "model_type": "bit",
            "global_padding": "same",
            "layer_type": "bottleneck",
            "depths": [1, 1, 1],
            "hidden_sizes": [32, 64, 128],
            "embedding_size": 16,
            "num_groups": 8,
            "out_features": ["stage1", "stage2", "stage3"],
            "embedding_dynamic_padding": True,
        }
        values |= {
            "is_hybrid": True,
            "backbone_config": encoder,
            "backbone_featmap_shape": [1, 128, 24, 24],
            "neck_hidden_sizes": [32, 64, 32, 32],
            "reassemble_factors": [1, 1, 1, 0.5],
        }
    network = transformers.DPTForDepthEstimation(transformers.DPTConfig(**values))
    return network, transformers.DPTImageProcessorPil()


def glpn(max_depth: int = 10) -> tuple[Any, Any]:
    """GLPN's network and processor."""
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 16, 16, 32],
        decoder_hidden_size=8,
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 2, 2, 2],
        max_depth=max_depth,
    )
    return transformers.GLPNForDepthEstimation(config), transformers.GLPNImageProcessorPil()


def depth_pro(patch: int = 64) -> tuple[Any, Any]:
    """Depth Pro's network for images of 4 x 4 patches, with the head for the field of view; its processor's values."""
    encoder: dict[str, Any] = {
        "model_type": "dinov2",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 16,
        "image_size": patch,
        "mlp_ratio": 2,
    }
    config = transformers.DepthProConfig(
        patch_size=patch,
        patch_model_config=dict(encoder),
        image_model_config=dict(encoder),
        fov_model_config=dict(encoder),
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[16, 16],
        scaled_images_feature_dims=[16, 16, 16],
        fusion_hidden_size=16,
        use_fov_model=True,
    )
    values = {
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "image_processor_type": "DepthProImageProcessor",
        "image_mean": 0.5,
        "image_std": 0.5,
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": 4 * patch, "width": 4 * patch},
    }
    return transformers.DepthProForDepthEstimation(config), values


FAMILIES: dict[str, Any] = {"zoedepth": zoedepth, "dpt": dpt, "glpn": glpn, "depth_pro": depth_pro}


def save(directory: Path, family: str, **changes: Any) -> None:
    """Write a checkpoint directory of `transformers`."""
    network, processor = FAMILIES[family](**changes)
    state = network.state_dict()
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    network.load_state_dict({**state, **{name: weight(name, tuple(v.shape)) for name, v in floats.items()}})
    network.save_pretrained(directory)
    if isinstance(processor, dict):
        (directory / "preprocessor_config.json").write_text(json.dumps(processor))
    else:
        processor.save_pretrained(directory)
