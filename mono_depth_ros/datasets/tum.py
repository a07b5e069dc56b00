# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D (Sturm et al. 2012): a sequence with rgb.txt, depth.txt, rgb/ and depth/, or a folder of such.

An image takes the depth nearest in time within 0.02 s, each depth once, the nearest pairs first, as the data set's
associate.py does. Depth is 16 bit, 5000 numbers a metre, 0 unknown. The camera is the data set's: of freiburg1, 2 or 3
with its distortion, by the name of the sequence, else the default of the ROS driver (525, 525, 319.5, 239.5).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.datasets.files import Wanted, not_found, read_lines
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.trajectory import Trajectory
from mono_depth_ros.media.trajectory import read_trajectory

TOLERANCE_S = 0.02
PROTOCOL = Protocol("", "none", 1e-3, 10.0)
DEFAULT = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
CAMERAS = {
    "1": Camera(640, 480, 517.3, 516.5, 318.6, 255.3, "plumb_bob", (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "2": Camera(640, 480, 520.9, 521.0, 325.1, 249.7, "plumb_bob", (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "3": Camera(640, 480, 535.4, 539.2, 320.1, 247.6),
}
"""https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats, "Intrinsic Camera Calibration of the Kinect"."""


def read(wanted: Wanted) -> DataSet:
    """See above. Raises DataError for a folder in no such layout."""
    folder = wanted.folder
    places = [folder] if (folder / "rgb.txt").is_file() else sorted(path.parent for path in folder.glob("*/rgb.txt"))
    if not places:
        raise not_found(folder, "rgb.txt, depth.txt, rgb/ and depth/, or folders with these")
    items: list[Item] = []
    missing: list[str] = []
    cameras: dict[str, None] = {}
    for place in places:
        number = _number(place)
        cameras[f"freiburg{number} of the data set" if number else "default of the ROS driver: 525 px"] = None
        prefix = "" if place == folder else f"{place.name}/"
        _sequence(place, prefix, CAMERAS.get(number, DEFAULT), items, missing)
    return DataSet(
        name="tum",
        layout="rgb.txt and depth.txt" + (f", {len(places)} sequences" if len(places) > 1 else ""),
        items=tuple(items),
        missing=tuple(missing),
        depth_scale=wanted.depth_scale or 5000.0,
        protocol=PROTOCOL,
        camera=", ".join(cameras),
        unknown=(0,),
        pose=_Poses(places),
    )


class _Poses:
    """groundtruth.txt of each sequence, which is that of the colour camera's optical frame; read when asked for."""

    def __init__(self, places: list[Path]) -> None:
        self._files = {place.resolve().name: place / "groundtruth.txt" for place in places}
        self._read: dict[str, Trajectory] = {}

    def __call__(self, item: Item) -> NDArray[np.float64]:
        assert item.stamp_s is not None
        if item.sequence not in self._read:
            self._read[item.sequence] = read_trajectory(self._files[item.sequence])
        return self._read[item.sequence].at(round(item.stamp_s * 1e9))


def _sequence(place: Path, prefix: str, camera: Camera, items: list[Item], missing: list[str]) -> None:
    rgb, depth = stamps(place / "rgb.txt"), stamps(place / "depth.txt")
    partners = associate([stamp for stamp, _ in rgb], [stamp for stamp, _ in depth])
    for index, (stamp_s, name) in enumerate(rgb):
        if index not in partners:
            missing.append(f"{place / name} has no depth within {TOLERANCE_S:g} s in depth.txt")
            continue
        files = (place / name, place / depth[partners[index]][1])
        absent = [str(file) for file in files if not file.is_file()]
        if absent:
            missing.append(f"{' and '.join(absent)} of rgb.txt and depth.txt")
        else:
            # The index is that in rgb.txt: two images with one left out between them are not consecutive.
            items.append(Item(prefix + Path(name).stem, *files, camera, place.resolve().name, index, stamp_s))


def stamps(path: Path) -> list[tuple[float, str]]:
    """(seconds, file) of each line, in order of time.

    Raises:
        DataError: it cannot be read, or has a line of another form.
    """
    found = []
    for number, words in enumerate(read_lines(path), 1):
        try:
            found.append((float(words[0]), words[1]))
        except (ValueError, IndexError):
            raise DataError(f"{path}: entry {number} is '{' '.join(words)}', expected a time and a file") from None
    return sorted(found)


def associate(first: Sequence[float], second: Sequence[float], tolerance_s: float = TOLERANCE_S) -> dict[int, int]:
    """Index of each of `first` to that of its partner in `second` (both sorted): nearest pairs first, each once."""
    candidates = [
        (abs(second[k] - stamp), index, k)
        for index, stamp in enumerate(first)
        for k in range(bisect_left(second, stamp - tolerance_s), bisect_right(second, stamp + tolerance_s))
    ]
    partners: dict[int, int] = {}
    taken: set[int] = set()
    for _, index, k in sorted(candidates):
        if index not in partners and k not in taken:
            partners[index] = k
            taken.add(k)
    return partners


def _number(place: Path) -> str:
    found = re.search(r"(?:freiburg|fr)([123])", place.resolve().name)
    return found[1] if found else ""
