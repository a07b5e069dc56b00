# SPDX-License-Identifier: Apache-2.0
"""The one function that loads any model: by its catalogue name, from a path, or by a hub name."""

from __future__ import annotations

import importlib
import logging
import re
from pathlib import Path
from typing import Any, Protocol, cast
from zipfile import BadZipFile, ZipFile

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import DepthModel, find, hub_name
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.runtime.device import describe, pick_device, set_threads
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.files import read_json
from mono_depth_ros.models.weights.pickles import SUFFIXES
from mono_depth_ros.paths import expanded
from mono_depth_ros.progress import tell

LOGGER = logging.getLogger(__name__)

_NAMES_BYTES = 2**22
"""At the head of an old file of torch.save, in which all names are."""

FAMILIES = {
    "tiny": "mono_depth_tiny",
    "depth_anything_v2": "depth_anything",
    "metric3d_v2": "",
    "zoedepth": "zoedepth",
    "dpt": "dpt",
    "glpn": "glpn",
    "depth_pro": "depth_pro",
    "depth_anything_3": "",
    "moge_2": "",
    "unidepth_v2": "",
    "prompt_depth_anything": "prompt_depth_anything",
    "video_depth_anything": "",
    "onnx": "",
}
"""The `model_type` in config.json of each family, "" where its checkpoints have no config.json."""


EXACT_CAMERA = ("moge_2", "unidepth_v2", "depth_anything_3")
"""Families whose authors take a rougher camera than the calibrated one."""


class Loader(Protocol):
    """`load` of a family's module."""

    def __call__(self, source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DepthModel:
        """The model in `source`, a file or a directory.

        Args:
            expected: what the caller takes the checkpoint for; one that says otherwise is refused.

        Raises:
            ModelError: it is not what it should be, found and expected; or the engine cannot run it.
        """
        ...


def loader(family: str) -> Loader:
    """The `load` of a family."""
    return cast(Loader, importlib.import_module(f"mono_depth_ros.models.families.{family}").load)


def family_of(source: Path) -> str:
    """The family of a checkpoint: by the kind of file, or by config.json of a directory.

    Raises:
        ModelError: it is none of ours; found and expected.
    """
    if source.is_file():
        if source.suffix not in (".onnx", *SUFFIXES):
            kinds = f"expected .onnx, {', '.join(SUFFIXES)} or a directory"
            raise ModelError(f"{source} is a {source.suffix or 'nameless'} file, {kinds}")
        return "onnx" if source.suffix == ".onnx" else _family_of_pth(source)
    path = source / "config.json"
    if not path.is_file() and any(source.glob("metric_depth_vit_*.pth")):
        return "metric3d_v2"
    if not path.is_file() and (source / "model.ckpt").is_file():
        return _family_of_pth(source / "model.ckpt")
    if not path.is_file() and (source / "model.pt").is_file():
        return _family_of_pth(source / "model.pt")
    return family_of_config(path)


def family_of_config(path: Path) -> str:
    """The family that a config.json says.

    Raises:
        ModelError: as `family_of`.
    """
    values = read_json(path)
    if str(values.get("model_name", "")).startswith("da3"):
        return "depth_anything_3"
    if isinstance(model := values.get("model"), dict) and str(model.get("name", "")).startswith("UniDepth"):
        return "unidepth_v2"
    found = values.get("model_type")
    types = {model_type: family for family, model_type in FAMILIES.items() if model_type}
    if not isinstance(found, str) or found not in types:
        raise ModelError(f"{path} says model_type {found!r}, expected one of: {', '.join(sorted(types))}")
    return types[found]


def _family_of_pth(path: Path) -> str:
    """By the names in its pickle, which is searched as bytes and not run."""
    try:
        with ZipFile(path) as archive:
            names = b"".join(archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl"))
    except BadZipFile:
        with path.open("rb") as file:
            names = file.read(_NAMES_BYTES)
    except (OSError, ValueError, NotImplementedError, RuntimeError):
        return "depth_anything_v2"  # whose reader says what is wrong with the file
    if b"model_config" in names and b"points_head." in names:
        return "moge_2"
    if b".resConfUnit_depth." in names:
        return "prompt_depth_anything"
    if b"head.motion_modules." in names:
        return "video_depth_anything"
    ours = any(name in names for name in (b"depth_model.", b"decoder.token2feature."))
    return "metric3d_v2" if ours else "depth_anything_v2"


def load_model(config: ModelConfig) -> DepthModel:
    """A model ready to predict; sets the CPU threads of the whole process.

    Raises:
        ModelError: the name is unknown, the device or the engine is not there, or the weights are missing or not what
            they should be.
    """
    entry = find(config.model)
    tell(f"loading {config.model}")
    device = pick_device(config.device)
    set_threads(config.threads)
    if entry is not None:
        source, family = _source(entry), entry.family
    else:
        path = expanded(config.model)
        source = path if path.exists() else _snapshot(*hub_name(config.model), check=family_of_config)
        family = family_of(source)
    tell(f"loading {config.model}")  # its weights may have been fetched meanwhile
    input_size = _input_size(config, family) if config.input_size else None
    engine_path = expanded(config.engine_path) if config.engine_path else None
    if config.exact_camera and family not in EXACT_CAMERA:
        families = ", ".join(EXACT_CAMERA)
        raise ModelError(f"exact_camera is set, expected it for {families} only: {config.model} is of {family}")
    options = EngineOptions(device, config.engine, config.precision, input_size, engine_path, config.exact_camera)
    try:
        model = loader(family)(source, options, entry)
    except ModelError as error:
        if entry is not None or source.name in str(error):
            raise
        raise ModelError(f"{source}: {error}") from error  # a damaged file may show in what its network computes
    where = f"{config.model} on {describe(device)}, engine {model.engine}"
    LOGGER.info("model %s, licence of the weights: %s", where, model.spec.licence)
    return model


def _input_size(config: ModelConfig, family: str) -> tuple[int, int]:
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


def _snapshot(*what: Any, **more: Any) -> Path:
    from mono_depth_ros.models.weights.fetch import snapshot  # HTTP and TLS, which a path and `tiny` do without

    return snapshot(*what, **more)
