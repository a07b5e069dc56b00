# SPDX-License-Identifier: Apache-2.0
"""The one function that loads any model: by its catalogue name, from a path, or by a hub name."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import DepthModel, find
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.families import family_of, loader
from mono_depth_ros.models.runtime.device import describe, pick_device, set_threads
from mono_depth_ros.models.runtime.engine import EngineOptions

LOGGER = logging.getLogger(__name__)


def load_model(config: ModelConfig) -> DepthModel:
    """A model ready to predict; sets the CPU threads of the whole process.

    Raises:
        ModelError: the name is unknown, the device or the engine is not there, or the weights are missing or not what
            they should be.
    """
    entry = find(config.model)
    device = pick_device(config.device)
    set_threads(config.threads)
    if entry is not None:
        source, family = _source(entry), entry.family
    else:
        path = Path(config.model).expanduser()
        source = path if path.exists() else _snapshot(config.model)
        family = family_of(source)
    options = EngineOptions(device, config.engine, config.precision, _input_size(config, family))
    model = loader(family)(source, options, entry)
    where = f"{config.model} on {describe(device)}, engine {model.engine}"
    LOGGER.info("model %s, licence of the weights: %s", where, model.spec.licence)
    return model


def _input_size(config: ModelConfig, family: str) -> tuple[int, int] | None:
    if not config.input_size:
        return None
    if family != "metric3d_v2":
        raise ModelError(
            f"input_size is '{config.input_size}', expected none: {config.model} has a size rule of its own"
        )
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", config.input_size)
    if found is None:
        raise ModelError(f"input_size is '{config.input_size}', expected WIDTHxHEIGHT, such as 532x308")
    return int(found[1]), int(found[2])


def _source(entry: CatalogueEntry) -> Path:
    """Where the weights of a model of the catalogue are on this machine, fetched if need be."""
    if not entry.hub:
        return Path()
    return _snapshot(entry.hub, entry.revision, entry.files, entry.hub_file) / entry.hub_file


def _snapshot(repository: str, *what: Any) -> Path:
    from mono_depth_ros.models.weights.fetch import snapshot  # HTTP and TLS, which a path and `tiny` do without

    return snapshot(repository, *what)
