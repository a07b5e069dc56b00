# SPDX-License-Identifier: Apache-2.0
"""NAME.yaml beside a checkpoint that does not say itself what its depth means.

kind: metric          # or inverse_affine, affine, scale
max_depth_m: 20       # of a metric one
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import ModelError
from mono_depth_ros.prediction import DepthKind

_KINDS = {kind.value: kind for kind in DepthKind}


def sidecar_of(checkpoint: Path) -> Path:
    """NAME.yaml beside NAME.pth, DIRECTORY.yaml beside a directory."""
    stem = checkpoint.name if checkpoint.is_dir() else checkpoint.stem
    return checkpoint.parent / f"{stem}.yaml"


def read_sidecar(path: Path, bounded: bool) -> tuple[DepthKind, float | None] | None:
    """The kind and the largest depth that the file says; None where there is no file.

    Args:
        bounded: a metric one has to say its largest depth, which is a part of its network.

    Raises:
        ModelError: it is there and unreadable, has a misspelt key or values that are not possible.
    """
    if not path.is_file():
        return None
    try:
        values: Any = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    keys = ("kind", "max_depth_m")
    odd = sorted(map(str, set(values) - set(keys))) if isinstance(values, dict) else [repr(values)]
    if odd:
        raise ModelError(f"{path} has {', '.join(odd)}, expected only: {', '.join(keys)}")
    kind, limit = values.get("kind"), values.get("max_depth_m")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ModelError(f"{path} says kind {kind!r}, expected one of: {', '.join(_KINDS)}")
    number = isinstance(limit, (int, float)) and not isinstance(limit, bool) and math.isfinite(limit) and limit > 0
    if _KINDS[kind] is DepthKind.METRIC and not number and (bounded or limit is not None):
        raise ModelError(f"{path} is metric with max_depth_m {limit!r}, expected metres, such as 20 or 80")
    if _KINDS[kind] is not DepthKind.METRIC and limit is not None:
        raise ModelError(f"{path} is {kind} with max_depth_m {limit!r}, expected none: it has no metres")
    return _KINDS[kind], None if limit is None else float(limit)
