# SPDX-License-Identifier: Apache-2.0
"""Small checkpoints, real frames, and the helper modules of this folder made importable."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

sys.path.append(str(Path(__file__).parent))

from mono_depth_ros.models.parity.transformers_checkpoints import save  # noqa: E402

Checkpoint = Callable[..., Path]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """`checkpoint("glpn", max_depth=80)` -> the directory of such a checkpoint, not to be changed."""
    made: dict[str, Path] = {}

    def make(family: str, **changes: Any) -> Path:
        key = f"{family} {sorted(changes.items())}"
        if key not in made:
            made[key] = tmp_path_factory.mktemp(family)
            save(made[key], family, **changes)
        return made[key]

    return make


@pytest.fixture
def broken(checkpoint: Checkpoint, tmp_path: Path) -> Callable[..., Path]:
    """`broken(family, {changes of config.json}, {changes of preprocessor_config.json})`: a copy, to be broken."""

    def copy(family: str, config: dict[str, Any] | None = None, processor: dict[str, Any] | None = None, **how) -> Path:
        directory = tmp_path / f"broken_{family}"
        shutil.copytree(checkpoint(family, **how), directory)
        for name, changes in (("config.json", config), ("preprocessor_config.json", processor)):
            path = directory / name
            values = {**json.loads(path.read_text()), **(changes or {})}
            path.write_text(json.dumps({key: value for key, value in values.items() if value != "absent"}))
        return directory

    return copy


@pytest.fixture
def torchvision_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZoeDepth's post-processing asks torchvision for one thing: to resize a tensor, which is torch's `interpolate`."""
    from transformers.models.zoedepth import image_processing_pil_zoedepth as module

    def resize(depth: torch.Tensor, size: list[int], interpolation: str, antialias: bool) -> torch.Tensor:
        return torch.nn.functional.interpolate(depth[None], size, mode=interpolation, antialias=antialias)[0]

    names = SimpleNamespace(resize=resize, InterpolationMode=SimpleNamespace(BICUBIC="bicubic"))
    monkeypatch.setattr(module, "tvF", names, raising=False)


@pytest.fixture(scope="session")
def frames(real_data: Path) -> dict[str, np.ndarray]:
    """A frame of NYUv2, 640x480, and one of KITTI, 1242x375."""
    paths = {"nyu": real_data / "nyu_depth" / "rgb" / "rgb_00050.jpg"}
    paths["kitti"] = real_data / "kitti_depth" / "rgb" / "0000000005.png"
    return {name: np.array(Image.open(path).convert("RGB")) for name, path in paths.items()}
