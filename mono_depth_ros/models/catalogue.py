# SPDX-License-Identifier: Apache-2.0
"""Models by name: what is known of each before it is loaded, and the one function that loads any of them."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.contract import DepthModel, ModelSpec
from mono_depth_ros.models.device import describe, pick_device, set_threads
from mono_depth_ros.models.hub import is_hub_name, snapshot
from mono_depth_ros.models.tiny_model import TINY, TinyModel
from mono_depth_ros.prediction import DepthKind

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue.

    Attributes:
        spec: what it is. parameters_m: its size in millions of parameters.
        hidden_size: width of its encoder, None for `tiny`; tells a small checkpoint from a base one.
    """

    spec: ModelSpec
    parameters_m: float
    hidden_size: int | None = None


_SIZES = {"small": (24.8, 384), "base": (97.5, 768), "large": (335.3, 1024)}


def _depth_anything(size: str, scene: str = "", max_depth_m: float | None = None) -> CatalogueEntry:
    """Depth Anything V2, https://github.com/DepthAnything/Depth-Anything-V2."""
    metric = f"metric_{scene}_" if scene else ""
    spec = ModelSpec(
        name=f"depth_anything_v2_{metric}{size}",
        family="depth_anything_v2",
        kind=DepthKind.METRIC if scene else DepthKind.INVERSE_AFFINE,
        licence="Apache-2.0" if size == "small" else "CC-BY-NC-4.0",
        max_depth_m=max_depth_m,
        hub=f"depth-anything/Depth-Anything-V2-{metric.title().replace('_', '-')}{size.title()}-hf",
    )
    return CatalogueEntry(spec, *_SIZES[size])


CATALOGUE: dict[str, CatalogueEntry] = {
    "tiny": CatalogueEntry(TINY, 1.39),
    "depth_anything_v2_small": _depth_anything("small"),
    "depth_anything_v2_base": _depth_anything("base"),
    "depth_anything_v2_large": _depth_anything("large"),
    "depth_anything_v2_metric_indoor_small": _depth_anything("small", "indoor", 20.0),
    "depth_anything_v2_metric_indoor_base": _depth_anything("base", "indoor", 20.0),
    "depth_anything_v2_metric_indoor_large": _depth_anything("large", "indoor", 20.0),
    "depth_anything_v2_metric_outdoor_small": _depth_anything("small", "outdoor", 80.0),
    "depth_anything_v2_metric_outdoor_base": _depth_anything("base", "outdoor", 80.0),
    "depth_anything_v2_metric_outdoor_large": _depth_anything("large", "outdoor", 80.0),
}


def load_model(name: str, device: str = ModelConfig.device, threads: int = ModelConfig.threads) -> DepthModel:
    """A model ready to predict.

    Args:
        name: a catalogue name; the directory of a Depth Anything checkpoint of transformers; a hub name
            `organisation/repository` of one.
        device: auto, cpu, cuda or cuda:N.
        threads: CPU threads of the network, set for the whole process; 0 leaves torch's choice.

    Raises:
        ModelError: the name is unknown, the device is not there, or the weights are missing or not what they should be.
    """
    entry = find(name)
    target = pick_device(device)
    set_threads(threads)
    if entry is CATALOGUE["tiny"]:
        model: DepthModel = TinyModel(target)
    else:
        from mono_depth_ros.models.transformers_backend import DepthAnythingV2

        if entry is not None:
            model = DepthAnythingV2(snapshot(entry.spec.hub), target, entry.spec, entry.hidden_size)
        elif (directory := Path(name).expanduser()).is_dir():
            model = DepthAnythingV2(directory, target)
        else:
            model = DepthAnythingV2(snapshot(name), target)
            model.spec = replace(model.spec, name=name, hub=name)
    LOGGER.info("model %s on %s, licence of the weights: %s", name, describe(target), model.spec.licence)
    return model


def find(name: str) -> CatalogueEntry | None:
    """The catalogue's entry, or None where `name` is a directory or a hub name.

    Raises:
        ModelError: it is none of these; names what comes close and what there is.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    path = Path(name).expanduser()
    if name and path.is_dir():
        return None
    if path.is_file():
        raise ModelError(f"model '{name}' is a file, expected the directory that holds config.json and *.safetensors")
    if is_hub_name(name):
        return None
    close = difflib.get_close_matches(name.lower().replace("-", "_"), CATALOGUE, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    raise ModelError(
        f"model '{name}' is not known{hint} Expected a checkpoint directory, a hub name organisation/repository, "
        f"or one of: {', '.join(CATALOGUE)}"
    )
