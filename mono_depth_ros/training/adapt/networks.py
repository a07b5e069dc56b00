# SPDX-License-Identifier: Apache-2.0
"""Which networks can be adapted, by the family of the model."""

from __future__ import annotations

from pathlib import Path

import torch

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.models.base import find
from mono_depth_ros.models.loading import family_of
from mono_depth_ros.paths import expanded
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.learner import Learner

FAMILIES = ("tiny", "depth_anything_v2")


def make_learner(name: str, config: AdaptConfig, device: torch.device) -> Learner:
    """The learner of a model, by its catalogue name or the path of a checkpoint.

    Raises:
        ConfigError: a model of another family. ModelError: as `load_model`.
    """
    entry = find(name)
    path: Path | None = None
    if entry is None:
        path = expanded(name)
        if not path.exists():
            raise ConfigError(f"model {name} is not on this machine, expected a directory: `mono_depth models fetch`")
    family = entry.family if entry is not None else family_of(path or Path())
    if family not in FAMILIES:
        raise ConfigError(
            f"model {name} is of the family {family}, expected one that can be adapted: {', '.join(FAMILIES)}"
        )
    if family == "tiny":
        from mono_depth_ros.training.adapt.tiny import TinyLearner

        return TinyLearner(path)
    from mono_depth_ros.training.adapt.depth_anything import DepthAnythingLearner

    if entry is not None:
        from mono_depth_ros.models.weights.fetch import snapshot

        path = snapshot(entry.hub, entry.revision, entry.files, entry.hub_file) / entry.hub_file
    assert path is not None
    return DepthAnythingLearner(path, entry, config, device)


def licence_words(licence: str) -> str:
    """What the licence of a base says of models that are made from it, where that is not free; "" else."""
    upper = licence.upper().replace(" ", "-")
    if "-ND" in upper or "NODERIV" in upper.replace("-", ""):
        return (
            f"the licence of the base, {licence}, forbids sharing what is derived from it: keep the result to yourself"
        )
    if "-NC" in upper or "NON-COMMERCIAL" in upper or "NONCOMMERCIAL" in upper:
        return f"the licence of the base, {licence}, holds for what is made from it too: no commercial use"
    return ""
