# SPDX-License-Identifier: Apache-2.0
"""A checkpoint directory of `transformers`, read and checked before anything runs.

What is in the files decides, never their name. Only safetensors are read: no pickle, no code from a checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.weights.files import check_digest, check_finite, check_is_binary, read_json
from mono_depth_ros.models.weights.hub import missing_extra
from mono_depth_ros.prediction import DepthKind

_UNUSED_ENDS = ("mask_token", "relative_position_index", "num_batches_tracked", ".k_idx", ".k_minus_1")
"""Ends of names that some exports have and inference does not: pre-training's token, tables that are computed."""

_UNUSED_STARTS = ("neck.fusion_stage.layers.0.residual_layer1.", "fusion_stage.intermediate.0.residual_layer1.")
"""The first fusion has nothing to add: Intel/dpt-large lacks these, transformers has them and never uses them."""


class DepthOnly(nn.Module):
    """A depth network of `transformers` as engines take it: pixels (N, 3, h, w) in, `predicted_depth` (N, h, w) out.

    Attributes:
        settings: config.json as text: what tells two networks of the same weights apart.
    """

    def __init__(self, network: nn.Module, values: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.settings = json.dumps(values, sort_keys=True)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(pixel_values=pixels).predicted_depth


def read_config(directory: Path, model_type: str, architecture: str) -> dict[str, Any]:
    """config.json of a checkpoint of this type.

    Raises:
        ModelError: it is missing or unreadable, of another type or task, or brings code or a network of its own.
    """
    path = directory / "config.json"
    values = read_json(path)
    if values.get("model_type") != model_type:
        raise ModelError(f"{path} says model_type {values.get('model_type')!r}, expected '{model_type}'")
    found = values.get("architectures") or [architecture]
    if architecture not in found:
        raise ModelError(f"{path} says architectures {found!r}, expected '{architecture}'")
    refuse_code(path, values)
    for key in ("backbone", "use_timm_backbone", "use_pretrained_backbone"):
        if values.get(key):
            raise ModelError(f"{path} takes its backbone from elsewhere ({key} = {values[key]!r}), expected it inside")
    return values


def refuse_code(path: Path, values: dict[str, Any]) -> None:
    """Raise ModelError where a file of a checkpoint names Python code to run, at any depth."""
    if values.get("auto_map") or values.get("custom_pipelines"):
        raise ModelError(f"{path} names code of its own (auto_map), expected none: no code from a checkpoint is run")
    for value in values.values():
        if isinstance(value, dict):
            refuse_code(path, value)


def positive_number(path: Path, key: str, value: Any) -> float:
    """`value` of `key`, or a ModelError where it is not a length in metres."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise ModelError(f"{path} has {key} {value!r}, expected metres, such as 10 or 80")
    return float(value)


def check_kind(path: Path, found: ModelSpec, expected: ModelSpec | None) -> None:
    """Raise ModelError unless the checkpoint is of the kind and range that `expected` says."""
    if expected is None:
        return
    for one, other in ((found.family, expected.family), (in_words(found), in_words(expected))):
        if one != other:
            raise ModelError(f"{expected.name}: {path} is {one}, expected {other}")


def in_words(spec: ModelSpec) -> str:
    """What the output of a model means."""
    if spec.kind is DepthKind.INVERSE_AFFINE:
        return "relative (affine inverse depth)"
    return "metric without a bound" if spec.max_depth_m is None else f"metric up to {spec.max_depth_m:g} m"


def check_digests(directory: Path, expected: CatalogueEntry | None) -> None:
    """Raise ModelError where a file has another SHA-256 than the catalogue knows of it."""
    for name, digest in (expected.files if expected else {}).items():
        if (directory / name).is_file():
            check_digest(directory / name, digest)


def load_network(directory: Path, name: str, values: dict[str, Any], unused: tuple[str, ...] = ()) -> nn.Module:
    """The depth network `name`ForDepthEstimation: float32, eval mode, on the CPU, every weight from the directory.

    Args:
        values: config.json, with what the caller changed in it.
        unused: beginnings of names of weights that the checkpoint may have and the network has not.

    Raises:
        ModelError: transformers is missing; the weights are missing, damaged, or do not fit the config exactly.
    """
    try:
        import transformers
    except ImportError as error:
        raise ModelError(missing_extra(str(directory))) from error
    _check_weight_files(directory)
    network_class: Any = getattr(transformers, f"{name}ForDepthEstimation")
    with _quiet(transformers):
        try:
            network, report = network_class.from_pretrained(
                directory,
                config=getattr(transformers, f"{name}Config").from_dict(values),
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
                f"{directory}: the weights cannot be loaded, expected whole safetensors that fit config.json: {reason}"
            ) from error
    _check_report(directory, report, unused)
    for name, value in network.named_parameters():
        if name in report["missing_keys"]:
            value.data.zero_()  # never used; transformers makes them random, and so the hash of an exported graph
    check_finite(network.state_dict(), directory)
    return network.eval().requires_grad_(False)


def _check_weight_files(directory: Path) -> None:
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        others = sorted(item.name for item in directory.iterdir() if item.suffix in (".bin", ".pth", ".pt", ".ckpt"))
        found = f"only {', '.join(others)}, which can run code when loaded" if others else "no weights"
        raise ModelError(f"{directory} holds {found}, expected model.safetensors")
    for path in files:
        check_is_binary(path, "safetensors")


def _check_report(directory: Path, report: dict[str, Any], unused: tuple[str, ...]) -> None:
    """transformers fills what is missing or of another shape with random numbers and only warns."""
    for name, found, expected in sorted(report["mismatched_keys"])[:1]:
        shapes = f"{name} is {tuple(found)}, expected {tuple(expected)} by its config.json"
        raise ModelError(f"{directory}: {len(report['mismatched_keys'])} weights are of another shape: {shapes}")
    starts = {"missing": _UNUSED_STARTS, "unexpected": (*_UNUSED_STARTS, *unused)}
    for problem, allowed in starts.items():
        found_names = [name for name in report[f"{problem}_keys"] if not name.endswith(_UNUSED_ENDS)]
        names = sorted(name for name in found_names if not name.startswith(allowed))
        if names:
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(f"{directory}: {len(names)} {problem} weights ({some}), expected those of its config.json")


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
