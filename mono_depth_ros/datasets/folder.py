# SPDX-License-Identifier: Apache-2.0
"""A plain folder: rgb/, depth/ with pairs of the same name, and camera.yaml.

camera.yaml is as camera_calibration writes it, with one more line, `depth_scale: 1000`: how many numbers of the 16-bit
pictures make a metre; 0 and 65535 are unknown. Depth may also be NAME.npy, floating point, which needs it too (1 for
metres).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.datasets.files import Wanted, existing, pair_folders
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import DataError
from mono_depth_ros.media.camera_argument import CameraArgument


def read(wanted: Wanted) -> DataSet:
    """See above.

    Raises:
        DataError: a folder is missing, or nothing says what the numbers of the depth are. CameraError: camera.yaml is
            no calibration.
    """
    folder = existing(wanted.folder)
    pairs = pair_folders(folder / "rgb", folder / "depth")
    path = folder / "camera.yaml"
    camera = None
    if path.is_file() and wanted.camera is None:
        camera = CameraArgument.of_file(path)
    return DataSet(
        name="folder",
        layout="rgb/ and depth/",
        items=tuple(Item(name, rgb, truth, camera) for name, rgb, truth in pairs.found),
        missing=tuple(pairs.missing),
        depth_scale=wanted.depth_scale or _scale(path),
        protocol=Protocol(),
        camera="camera.yaml" if camera else "none: there is no camera.yaml",
    )


def _scale(path: Path) -> float:
    content: Any = None
    if path.is_file():
        try:
            content = load_yaml(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    value = content.get("depth_scale") if isinstance(content, dict) else None
    if value is None:
        raise DataError(
            f"nothing says how many numbers of the depth make a metre: expected 'depth_scale: 1000' in {path}, or "
            "--depth-scale 1000 (1 for metres)"
        )
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise DataError(f"{path}: depth_scale is {value!r}, expected a positive number, such as 1000 for millimetres")
    return float(value)
