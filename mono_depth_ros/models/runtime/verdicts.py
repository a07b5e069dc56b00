# SPDX-License-Identifier: Apache-2.0
"""What `auto` chose at earlier starts, so that only the winner is loaded and checked at the next."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.cache import cache_folder
from mono_depth_ros.models.runtime.engine import GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.graph import content_hash, file_hash
from mono_depth_ros.models.runtime.packages import versions

_RULES = 1
"""Raised when engines change so that old verdicts do not hold."""


def verdict_key(
    network: Network | GraphFile,
    examples: Sequence[Inputs],
    device: torch.device,
    candidates: Sequence[tuple[str, str]],
) -> str:
    """Hash of all that a verdict depends on: network, candidates, packages, processor, threads."""
    if isinstance(network, Network):
        content = content_hash(network, examples)
    else:
        data = network.path.with_name(f"{network.path.name}.data")  # where weights beside a graph usually are
        content = " ".join(file_hash(path) for path in (network.path, data) if path.exists())
    parts = (_RULES, content, str(device), processor(device), torch.get_num_threads(), list(candidates), versions())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def recall(key: str) -> tuple[str, str] | None:
    """Engine and precision chosen before, None where nothing readable is kept."""
    try:
        values = json.loads(_path(key).read_text(encoding="utf-8"))
        return str(values["engine"]), str(values["precision"])
    except (OSError, ValueError, KeyError, TypeError, ModelError):
        return None


def remember(key: str, chosen: tuple[str, str]) -> None:
    """Keep a verdict. A cache that cannot be written costs time at the next start, no more."""
    try:
        with atomic_path(_path(key)) as temporary:
            temporary.write_text(json.dumps({"engine": chosen[0], "precision": chosen[1]}), encoding="utf-8")
    except (OSError, ModelError):
        return


@lru_cache(maxsize=8)
def processor(device: torch.device) -> str:
    """The name of the processor or GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part", "flags"))]
    return " ".join(dict.fromkeys(names)) or platform.processor()


def _path(key: str) -> Path:
    return cache_folder("verdicts") / f"{key[:40]}.json"
