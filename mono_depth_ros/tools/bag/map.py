# SPDX-License-Identifier: Apache-2.0
"""`--map FILE.ply`: one surface of the depth of all images, by where the camera was."""

from __future__ import annotations

import glob
import math
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.atomic import write_whole
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import DataError, MonoDepthError
from mono_depth_ros.frame import Frame
from mono_depth_ros.media.ply import write_ply
from mono_depth_ros.streams.reasons import Reasons
from mono_depth_ros.streams.references.base import Poses, View
from mono_depth_ros.tools.bag.map_page import map_page
from mono_depth_ros.tools.tsdf import TsdfMap

MAP = "map"
"""The images of a map in a summary."""

_TURN_DEG = 0.5  # by which the camera has to turn, or move by a voxel, before another image is fused
_STEP_M = 0.1  # between the poses of the way on the page


def page_path(path: Path) -> Path:
    """Of the page beside a map."""
    return path.with_suffix(".html")


class MapExport:
    """Fuses every image that shows something from another place: one that stands for an hour counts once.

    Args:
        config: with the options of the map. poses: of the camera. state: what `keep` gave in an earlier run.

    Attributes:
        missing: why images are not in the map.

    Raises:
        ConfigError: Open3D is not installed. DataError: what an earlier run has kept is gone.
    """

    def __init__(self, config: BagConfig, poses: Poses, state: dict[str, Any] | None = None) -> None:
        self._path, self._voxel_m, self._poses = Path(config.map), config.map_voxel, poses
        self._surface = TsdfMap(config.map_voxel, config.map_range, config.map_error, config.map_memory)
        self._state = {"file": "", "seen": 0, "fused": 0, "last": None, "way": [], "full": False, **(state or {})}
        self.missing = Reasons(self._state.pop("missing", None))
        if self._state["file"]:
            try:
                self._surface.restore(self._path.with_name(self._state["file"]))
            except (OSError, RuntimeError) as error:
                raise DataError(f"the map so far, {self._state['file']}, is gone: --force begins anew") from error

    def add(self, view: View, depth: Frame) -> None:
        """Fuse a frame on the host, in metres."""
        try:
            pose = self._poses.at(view)
        except MonoDepthError as error:
            self.missing.add(str(error), getattr(error, "reason", ""))
            return
        self._state["seen"] += 1
        if self._near(pose):
            return
        self._surface.add(depth, pose)
        self._state["fused"] += 1
        self._state["last"] = pose.tolist()
        way = self._state["way"]
        if not way or np.linalg.norm(pose[:3, 3] - np.array(way[-1])[:3, 3]) > _STEP_M:
            way.append(pose.tolist())
        self._state["full"] |= self._surface.full

    def keep(self) -> dict[str, Any]:
        """Write down what a later run goes on from; its record, as JSON values. Raises OSError."""
        name = f".{self._path.stem}-{self._state['seen'] + len(self.missing)}.npz"
        if name != self._state["file"]:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._surface.save(self._path.with_name(name))
            self._state["file"] = name
        return {**self._state, "missing": self.missing.values()}

    def write(self, model: str) -> dict[str, Any]:
        """Write the file and its page, unless nothing is in the map; what `keep` gives, for the summary.

        Args:
            model: the name of what made the depth.

        Raises:
            OSError: they cannot be written.
        """
        vertices, normals, colours, triangles = self._surface.surface()
        if len(vertices):
            write_ply(self._path, vertices, colours, normals, triangles, "the fixed frame of the poses")
            way = [np.array(pose) for pose in (*self._state["way"], self._state["last"])]
            about = {"Model": model, "Images": str(self._state["fused"]), "Voxel": f"{self._voxel_m:g} m"}
            text = map_page(self._path.name, vertices, colours, way, self._voxel_m, about)
            write_whole(page_path(self._path), text.encode(errors="backslashreplace"))
        self._state["vertices"] = len(vertices)
        return {**self._state, "missing": self.missing.values()}

    def drop(self, kept: bool) -> None:
        """Remove what was written down before; with `kept` all but the last."""
        drop(self._path, self._state["file"] if kept else "")

    def _near(self, pose: np.ndarray) -> bool:
        if self._state["last"] is None:
            return False
        moved = np.linalg.inv(np.array(self._state["last"])) @ pose
        turn_deg = math.degrees(math.acos(min(max((np.trace(moved[:3, :3]) - 1) / 2, -1.0), 1.0)))
        return bool(np.linalg.norm(moved[:3, 3]) < self._voxel_m and turn_deg < _TURN_DEG)


def drop(path: Path, kept: str = "") -> None:
    """Remove what `MapExport.keep` has written for a map, all but one."""
    for item in path.parent.glob(f".{glob.escape(path.stem)}-*.npz"):
        if item.name != kept and item.name.removeprefix(f".{path.stem}-").removesuffix(".npz").isdecimal():
            item.unlink(missing_ok=True)


def map_words(path: str, state: dict[str, Any]) -> list[str]:
    """What is to be said of a map in the end: sentences on what is not in it."""
    missing = Reasons(state.get("missing"))
    seen = state.get("seen", 0)
    said = [missing.sentence(f"{path} has", seen, seen + len(missing), "images")] if len(missing) else []
    if state.get("full"):
        said.append(f"{path} was full: parts that came later are not in it; a larger --map-voxel or --map-memory helps")
    return said
