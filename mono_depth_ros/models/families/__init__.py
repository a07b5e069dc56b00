# SPDX-License-Identifier: Apache-2.0
"""The families of models: one file each, that says what it declares and how it loads. Here: which is whose.

A family's module has a function `load`, see `Loader`; it is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast
from zipfile import BadZipFile, ZipFile

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.files import read_json

FAMILIES = {
    "tiny": "",
    "depth_anything_v2": "depth_anything",
    "metric3d_v2": "",
    "zoedepth": "zoedepth",
    "dpt": "dpt",
    "glpn": "glpn",
    "depth_pro": "depth_pro",
    "onnx": "",
}
"""The `model_type` in config.json of each family, "" where its checkpoints have no config.json."""


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
    return cast(Loader, importlib.import_module(f"{__name__}.{family}").load)


def family_of(source: Path) -> str:
    """The family of a checkpoint: by the kind of file, or by config.json of a directory.

    Raises:
        ModelError: it is none of ours; found and expected.
    """
    if source.is_file():
        if source.suffix not in (".onnx", ".pth"):
            raise ModelError(f"{source} is a {source.suffix or 'nameless'} file, expected .onnx or .pth")
        return "onnx" if source.suffix == ".onnx" else _family_of_pth(source)
    path = source / "config.json"
    if not path.is_file() and any(source.glob("metric_depth_vit_*.pth")):
        return "metric3d_v2"
    found = read_json(path).get("model_type")
    types = {model_type: family for family, model_type in FAMILIES.items() if model_type}
    if not isinstance(found, str) or found not in types:
        raise ModelError(f"{path} says model_type {found!r}, expected one of: {', '.join(sorted(types))}")
    return types[found]


def _family_of_pth(path: Path) -> str:
    """By the names in its pickle, which is searched as bytes and not run."""
    try:
        with ZipFile(path) as archive:
            names = b"".join(archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl"))
    except (BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "depth_anything_v2"  # whose reader says what is wrong with the file
    ours = any(name in names for name in (b"depth_model.", b"decoder.token2feature."))
    return "metric3d_v2" if ours else "depth_anything_v2"
