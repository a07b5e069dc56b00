# SPDX-License-Identifier: Apache-2.0
"""Small Depth Anything checkpoints whose weights follow from the authors' parameter names alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.parity.deterministic import pattern_image
from mono_depth_ros.models.parity.deterministic import weight as official_weight
from mono_depth_ros.models.weights.known import parameters_in

Checkpoint = Callable[..., Path]

_RENAMES = (
    (r"^backbone\.embeddings\.position_embeddings$", "pretrained.pos_embed"),
    (r"^backbone\.embeddings\.patch_embeddings\.projection", "pretrained.patch_embed.proj"),
    (r"^backbone\.embeddings\.", "pretrained."),
    (r"^backbone\.encoder\.layer\.", "pretrained.blocks."),
    (r"^backbone\.layernorm", "pretrained.norm"),
    (r"\.attention\.(attention\.(query|key|value)|[qkv]_proj)", ".attn.qkv"),
    (r"\.attention\.(output\.dense|o_proj)", ".attn.proj"),
    (r"\.layer_scale(\d)\.lambda1", r".ls\1.gamma"),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.projection", r"depth_head.projects.\1"),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.resize", r"depth_head.resize_layers.\1"),
    (r"^neck\.convs\.(\d)", lambda found: f"depth_head.scratch.layer{int(found[1]) + 1}_rn"),
    (r"^neck\.fusion_stage\.layers\.(\d)", lambda found: f"depth_head.scratch.refinenet{4 - int(found[1])}"),
    (r"(refinenet\d)\.projection", r"\1.out_conv"),
    (r"residual_layer(\d)\.convolution", r"resConfUnit\1.conv"),
    (r"^head\.conv1", "depth_head.scratch.output_conv1"),
    (r"^head\.conv2", "depth_head.scratch.output_conv2.0"),
    (r"^head\.conv3", "depth_head.scratch.output_conv2.2"),
)


def official_name(name: str) -> str:
    """The authors' name of a parameter of transformers; query, key and value are parts of one `qkv`."""
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def weight_of(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """`official_weight` for a parameter name of transformers."""
    official = official_name(name)
    if ".attn.qkv." not in official:
        return official_weight(official, shape)
    part = "qkv".index(re.search(r"query|key|value|[qkv]_proj", name)[0].replace("key", "k")[0])
    return official_weight(official, (3 * shape[0], *shape[1:])).chunk(3)[part]


def make_config(small: bool = False, **changes: object) -> Any:
    """A Depth Anything V2 config: of the small network, or with everything of it but narrow and shallow."""
    transformers = pytest.importorskip("transformers")
    width, depth, heads, taps = (384, 12, 6, [3, 6, 9, 12]) if small else (48, 4, 3, [1, 2, 3, 4])
    encoder = transformers.Dinov2Config(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        image_size=518,
        patch_size=14,
        out_indices=taps,
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    channels, head = ([48, 96, 192, 384], 64) if small else ([16, 24, 32, 48], 32)
    values = {"reassemble_hidden_size": width, "neck_hidden_sizes": channels, "fusion_hidden_size": head, **changes}
    return transformers.DepthAnythingConfig(backbone_config=encoder, **values)


@pytest.fixture(scope="session")
def weight_by_name() -> Callable[[str, tuple[int, ...]], torch.Tensor]:
    """`official_weight`, for tests."""
    return official_weight


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """`checkpoint(depth_estimation_type=..., max_depth=...)` -> a fresh checkpoint directory."""

    def make(**changes: object) -> Path:
        transformers = pytest.importorskip("transformers")
        with torch.device("meta"):
            network = transformers.DepthAnythingForDepthEstimation(make_config(**changes))
        weights = {name: weight_of(name, tuple(value.shape)) for name, value in network.state_dict().items()}
        network.load_state_dict(weights, assign=True)
        directory = tmp_path_factory.mktemp("checkpoint")
        network.save_pretrained(directory)
        return directory

    return make


@pytest.fixture(scope="session")
def pattern() -> Callable[[int, int], np.ndarray]:
    """`pattern_image`, for tests."""
    return pattern_image


def entry_for(entry: CatalogueEntry, directory: Path) -> CatalogueEntry:
    """The catalogue's entry as if the weights of this directory were the published ones, without digests."""
    return replace(entry, revision="", files={}, parameters_m=parameters_in(directory) / 1e6)


@pytest.fixture(scope="session")
def picture(real_data: Path) -> Callable[[str], np.ndarray]:
    """`picture(name)`: (H, W, 3) uint8 RGB, a frame of "kitti" or "nyu", or `pattern_image` of "pattern_WxH"."""
    paths = {"kitti": "kitti_depth/rgb/0000000050.png", "nyu": "nyu_depth/rgb/rgb_00050.jpg"}

    def read(name: str) -> np.ndarray:
        if name not in paths:
            return pattern_image(*map(int, name.removeprefix("pattern_").split("x")))
        found = cv2.imread(str(real_data / paths[name]))
        if found is None:
            pytest.skip(f"no frame of {name} in {real_data}")
        return found[..., ::-1].copy()

    return read


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], None]:
    """An empty, offline hub cache; `hub_cache(repository, directory)` puts a checkpoint into it.

    The catalogue then does not know the commit and the digests of that repository's weights: these are others.
    """
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)

    def put(repository: str, directory: Path) -> None:
        root = tmp_path / f"models--{repository.replace('/', '--')}"
        commit = "0" * 40
        shutil.copytree(directory, root / "snapshots" / commit)
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text(commit)
        for name, entry in CATALOGUE.items():
            if entry.hub == repository:
                monkeypatch.setitem(CATALOGUE, name, entry_for(entry, directory))

    return put
