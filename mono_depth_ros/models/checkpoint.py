# SPDX-License-Identifier: Apache-2.0
"""What is in a Depth Anything checkpoint directory, read and checked before anything runs.

What is in the files decides, never their name. Only safetensors are read: no pickle, no code from a checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.contract import ModelSpec
from mono_depth_ros.models.hub import missing_extra
from mono_depth_ros.prediction import DepthKind

_KINDS = {"relative": DepthKind.INVERSE_AFFINE, "metric": DepthKind.METRIC}


@dataclass(frozen=True)
class CheckpointConfig:
    """config.json of a checkpoint, as far as it decides what the model is.

    Attributes:
        path: of the file. kind: relative (INVERSE_AFFINE) or METRIC. max_depth_m: of the metric head, else None.
        values: the whole file.
    """

    path: Path
    kind: DepthKind
    max_depth_m: float | None
    values: dict[str, Any]

    def check(self, expected: ModelSpec) -> None:
        """Raise ModelError unless the checkpoint is of the kind that `expected` says."""
        wanted = (expected.kind, expected.max_depth_m)
        if (self.kind, self.max_depth_m) != wanted:
            found = _in_words(self.kind, self.max_depth_m)
            raise ModelError(f"{expected.name}: {self.path} is {found}, expected {_in_words(*wanted)}")


def read_config(directory: Path) -> CheckpointConfig:
    """The checked config.json of a Depth Anything checkpoint directory.

    Raises:
        ModelError: it is missing, unreadable, of another architecture, or its metric head has no maximum depth.
    """
    path = directory / "config.json"
    if not path.is_file():
        there = ", ".join(sorted(item.name for item in directory.iterdir())[:5]) if directory.is_dir() else "nothing"
        raise ModelError(f"{directory} holds {there or 'nothing'}, expected config.json and *.safetensors")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    architecture = values.get("model_type") if isinstance(values, dict) else None
    if architecture != "depth_anything":
        raise ModelError(f"{path} says model_type {architecture!r}, expected 'depth_anything'")
    encoder = values.get("backbone_config", {"model_type": "dinov2"})
    if not isinstance(encoder, dict) or encoder.get("model_type") != "dinov2" or values.get("backbone"):
        found = values.get("backbone") or encoder
        raise ModelError(f"{path} has the backbone {found!r}, expected a backbone_config of model_type 'dinov2'")
    kind = values.get("depth_estimation_type", "relative")  # older files are all relative and do not say so
    if kind not in _KINDS:
        raise ModelError(f"{path} says depth_estimation_type {kind!r}, expected 'relative' or 'metric'")
    max_depth_m = _max_depth(values, path) if kind == "metric" else None
    return CheckpointConfig(path, _KINDS[kind], max_depth_m, values)


def load_network(directory: Path, config: CheckpointConfig) -> Any:
    """DepthAnythingForDepthEstimation in float32, eval mode, on the CPU, every weight from the directory.

    Raises:
        ModelError: transformers is missing; the weights are missing, damaged, or do not fit the config exactly.
    """
    try:
        import transformers
    except ImportError as error:
        raise ModelError(missing_extra(str(directory))) from error
    _check_weight_files(directory)
    with _quiet(transformers):
        try:
            # Set below: transformers accepts whole numbers only.
            values = {**config.values, "max_depth": 1}
            network_class: Any = transformers.DepthAnythingForDepthEstimation
            network, report = network_class.from_pretrained(
                directory,
                config=transformers.DepthAnythingConfig.from_dict(values),
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                weights_only=True,
                ignore_mismatched_sizes=True,  # reported below, in words
                output_loading_info=True,
            )
        except Exception as error:  # safetensors, OS, shape and config errors share no base class
            reason = " ".join(str(error).split())[:300]
            raise ModelError(
                f"{directory}: the weights cannot be loaded, expected whole safetensors that fit "
                f"{config.path.name}: {reason}"
            ) from error
    _check_report(directory, report)
    # Relative output is multiplied too, and some relative files have null or a number there.
    network.head.max_depth = config.max_depth_m or 1.0
    return network.eval().requires_grad_(False)


def _check_weight_files(directory: Path) -> None:
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        others = sorted(item.name for item in directory.iterdir() if item.suffix in (".bin", ".pth", ".pt", ".ckpt"))
        found = f"only {', '.join(others)}, which can run code when loaded" if others else "no weights"
        raise ModelError(f"{directory} holds {found}, expected model.safetensors")
    for path in files:
        with path.open("rb") as file:
            if file.read(24) == b"version https://git-lfs.":
                raise ModelError(f"{path} is a Git LFS pointer, expected the weights: run `git lfs pull` there")


def _check_report(directory: Path, report: dict[str, Any]) -> None:
    """transformers fills what is missing or of another shape with random numbers and only warns."""
    for name, found, expected in sorted(report["mismatched_keys"])[:1]:
        shapes = f"{name} is {tuple(found)}, expected {tuple(expected)} by its config.json"
        raise ModelError(f"{directory}: {len(report['mismatched_keys'])} weights are of another shape: {shapes}")
    for problem in ("missing", "unexpected"):
        # The mask token is used in pre-training only; exports have it or not.
        names = sorted(name for name in report[f"{problem}_keys"] if not name.endswith("mask_token"))
        if names:
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(f"{directory}: {len(names)} {problem} weights ({some}), expected those of its config.json")


def _max_depth(values: dict[str, Any], path: Path) -> float:
    found = values.get("max_depth")
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not (math.isfinite(found) and found > 0):
        raise ModelError(f"{path} is metric with max_depth {found!r}, expected metres, such as 20 or 80")
    return float(found)


def _in_words(kind: DepthKind, max_depth_m: float | None) -> str:
    return f"metric up to {max_depth_m:g} m" if kind is DepthKind.METRIC else "relative (affine inverse depth)"


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars and no warnings of transformers: what matters is raised."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
