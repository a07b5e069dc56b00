# SPDX-License-Identifier: Apache-2.0
"""A model that can give what is asked of it: that is known before anything is fetched or loaded."""

from __future__ import annotations

from collections.abc import Callable

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.models.base import DepthModel, ModelSpec, check_prompts
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.prediction import DepthKind

Check = Callable[[str, DepthKind, bool], None]
"""Gets a model's name, the kind of its depth and whether it needs a camera; raises where that does not do."""


def load_checked(
    load: Callable[[ModelConfig], DepthModel], config: ModelConfig, check: Check, prompts: int = 0
) -> DepthModel:
    """Load a model and check it, one of the catalogue before it is loaded.

    Args:
        prompts: that there are for each image, 0 or 1.

    Raises:
        ModelError: it cannot be loaded, needs a prompt, or takes none. What `check` raises.
    """
    if (entry := CATALOGUE.get(config.model)) is not None:
        check_prompts(ModelSpec.of(entry), prompts, 1)
        check(entry.name, DepthKind(entry.kind), entry.needs_camera)
    model = load(config)
    check_prompts(model.spec, prompts, 1)
    check(model.spec.name, model.spec.kind, model.spec.needs_camera)
    return model
