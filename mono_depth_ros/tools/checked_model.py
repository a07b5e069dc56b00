# SPDX-License-Identifier: Apache-2.0
"""A model that can give what is asked of it: that is known before anything is fetched or loaded."""

from __future__ import annotations

from collections.abc import Callable

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.prediction import DepthKind

Check = Callable[[str, DepthKind, bool], None]
"""Gets a model's name, the kind of its depth and whether it needs a camera; raises where that does not do."""


def load_checked(load: Callable[[ModelConfig], DepthModel], config: ModelConfig, check: Check) -> DepthModel:
    """Load a model and check it, one of the catalogue before it is loaded.

    Raises:
        ModelError: it cannot be loaded. What `check` raises.
    """
    if (entry := CATALOGUE.get(config.model)) is not None:
        check(entry.name, DepthKind(entry.kind), entry.needs_camera)
    model = load(config)
    check(model.spec.name, model.spec.kind, model.spec.needs_camera)
    return model
