# SPDX-License-Identifier: Apache-2.0
"""Which engine was chosen and proved right at an earlier start, so that the next start proves nothing twice.

What is remembered counts for exactly what it was proved with: the key has all that could change it in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import torch

from mono_depth_ros.cache import cache_folder, write_json
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import gpu, int8
from mono_depth_ros.models.runtime.device import processor, versions
from mono_depth_ros.models.runtime.engine import Engine, EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.engines import ENGINES, Candidate
from mono_depth_ros.models.runtime.graph import content_of, graph_in, intact

_FOLDER = "verdicts"
_DRIVERS = ("/proc/driver/nvidia/version", "/etc/nv_tegra_release")


def key_of(
    network: Network | GraphFile,
    examples: Callable[[], Iterable[Inputs]],
    options: EngineOptions,
    candidates: Sequence[Candidate],
) -> str:
    """Hash of all that a choice depends on: content of the network, candidates, code, packages, machine, threads.

    "" where a file of the network cannot be read, under which nothing is remembered: who loads it says what is wrong.
    """
    try:
        content = content_of(network, examples)
        if any(precision == "int8" for _, precision in candidates):
            content += int8.digest_of(int8.folder_of(network))
    except (OSError, ModelError):
        return ""
    device = options.device
    parts = (
        (type(network).__name__, network.name, network.inputs, network.outputs, content, options.input_size),
        (list(candidates), code_version(), versions()),
        (str(device), processor(device), driver(device), torch.get_num_threads()),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def recall(key: str) -> dict[str, str] | None:
    """What was kept under a key: `engine`, `precision` and, of an exported graph, its `folder`; None where nothing
    readable is."""
    if not key:
        return None
    try:
        values = json.loads(_path(key).read_text(encoding="utf-8"))
        known = {name: str(values[name]) for name in ("engine", "precision", "folder")}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, ModelError):
        return None
    return known if known["engine"] in ENGINES else None


def restored(network: Network | GraphFile, known: dict[str, str], device: torch.device) -> Engine | None:
    """The engine that was chosen, made without a look at the network; None where its graph is gone or was altered.

    Raises:
        ModelError: it cannot be made now.
    """
    row = ENGINES[known["engine"]]
    if known["precision"] == "int8":
        if reason := int8.why_not(network):
            raise ModelError(reason)
        return row.make(int8.graph_in(int8.folder_of(network), network), device, "int8")
    if row.graphs and isinstance(network, Network):
        folder = Path(known["folder"])
        return row.make(graph_in(folder, network), device, known["precision"]) if intact(folder) else None
    return row.make(network, device, known["precision"])


def remember(key: str, name: str, engine: Engine) -> None:
    """Keep a choice. A cache that cannot be written costs time at the next start, no more."""
    graph: GraphFile | None = getattr(engine, "graph", None)
    kept = {"network": name, "engine": engine.name, "precision": engine.precision}
    if not key:
        return
    with contextlib.suppress(ModelError):
        write_json(_path(key), {**kept, "folder": "" if graph is None else str(graph.path.parent)})


def forget(name: str) -> None:
    """Let go what was remembered of a network, whatever it was asked with."""
    with contextlib.suppress(OSError, ModelError):
        for path in cache_folder(_FOLDER).glob("*.json"):
            with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
                if json.loads(path.read_text(encoding="utf-8")).get("network") == name:
                    path.unlink()


@lru_cache(maxsize=1)
def code_version() -> str:
    """SHA-256 of the code of all models: networks, what reads their weights, engines."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def driver(device: torch.device) -> str:
    """Versions of the GPU's driver, of CUDA and of cuDNN, and how much power a Jetson may take."""
    if device.type != "cuda":
        return ""
    drivers = [_read(path) for path in _DRIVERS]
    return f"{drivers} {torch.version.cuda} {torch.backends.cudnn.version()} {gpu.power_mode()}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _path(key: str) -> Path:
    return cache_folder(_FOLDER) / f"{key[:40]}.json"
