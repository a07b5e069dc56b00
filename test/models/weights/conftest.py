# SPDX-License-Identifier: Apache-2.0
"""A hub of our own, an empty cache, and a small checkpoint."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save

from mono_depth_ros.models.weights import download


@pytest.fixture(scope="session")
def hub_module() -> ModuleType:
    path = Path(__file__).with_name("hub_server.py")
    spec = importlib.util.spec_from_file_location("hub_server", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["hub_server"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, no token, no offline mode."""
    folder = tmp_path / "hub cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def files() -> dict[str, bytes]:
    """A checkpoint of 400 kB of weights, as safe_open takes it, and what else a repository may hold."""
    weights = save({"weight": np.arange(100_000, dtype=np.float32)})
    return {
        ".gitattributes": b"*.bin filter=lfs",
        "README.md": b"# a model",
        "config.json": json.dumps({"model_type": "depth_anything"}).encode(),
        "preprocessor_config.json": b"{}",
        "model.safetensors": weights,
        "pytorch_model.bin": b"pickle" * 1000,
        "modeling_evil.py": b"print('never fetched')",
        "onnx/model.safetensors": b"another",
    }


@pytest.fixture
def hub(hub_module, cache, files, monkeypatch) -> Iterator:
    """The server, with the repository org/depth, and no waiting between attempts."""
    server = hub_module.HubServer()
    server.repositories["org/depth"] = files
    monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
    monkeypatch.setattr(download, "DELAYS_S", (0.01,) * 4)
    yield server
    server.close()
