# SPDX-License-Identifier: Apache-2.0
"""7-Scenes (Shotton et al. 2013): frame-XXXXXX.color.png, .depth.png and .pose.txt, in DIR or in its folders seq-XX.

Depth is 16 bit, 1000 numbers a metre, 0 and 65535 unknown. The camera is camera-intrinsics.txt where there is one, else
the data set's: 585 px, centre (320, 240). Colour and depth are not perfectly registered, says the data set.
"""

from __future__ import annotations

import re
from pathlib import Path

from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.datasets.files import Wanted, existing, not_found
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument, read_intrinsics

CAMERA = Camera(640, 480, 585.0, 585.0, 320.0, 240.0)
PROTOCOL = Protocol("", "none", 1e-3, 10.0)


def read(wanted: Wanted) -> DataSet:
    """See above. Raises DataError for a folder in no such layout."""
    folder = existing(wanted.folder)
    places = [folder] if any(folder.glob("frame-*.color.*")) else sorted(folder.glob("seq-*"))
    places = [place for place in places if any(place.glob("frame-*.color.*"))]
    if not places:
        raise not_found(
            folder, "frame-000000.color.png, frame-000000.depth.png and so on, or folders seq-01 with these"
        )
    items: list[Item] = []
    missing: list[str] = []
    camera, words = _camera(folder)
    for place in places:
        numbers = {_number(path): path for path in sorted(place.glob("frame-*.color.*"))}
        depths = {_number(path): path for path in sorted(place.glob("frame-*.depth.png"))}
        prefix = "" if place == folder else f"{place.name}/"
        for number in sorted(numbers.keys() | depths.keys()):
            if number not in depths:
                missing.append(f"{numbers[number]} has no frame-*.depth.png beside it")
            elif number not in numbers:
                missing.append(f"{depths[number]} has no frame-*.color.* beside it")
            else:
                name = numbers[number].name.split(".")[0]
                items.append(Item(prefix + name, numbers[number], depths[number], camera, place.resolve().name, number))
    return DataSet(
        name="seven_scenes",
        layout="frame-*.color.*" + (f" in {len(places)} folders seq-*" if prefix else ""),
        items=tuple(items),
        missing=tuple(missing),
        depth_scale=wanted.depth_scale or 1000.0,
        protocol=PROTOCOL,
        camera=words,
        notes=("colour and depth are not perfectly registered in this data set: errors at edges are in part its own",),
    )


def _camera(folder: Path) -> tuple[Camera | CameraArgument, str]:
    for path in (folder / "camera-intrinsics.txt", folder.parent / "camera-intrinsics.txt"):
        if path.is_file():
            return CameraArgument(str(path), read_intrinsics(path)), "camera-intrinsics.txt"
    return CAMERA, "585 px, centre (320, 240), of the data set"


def _number(path: Path) -> int:
    found = re.match(r"frame-(\d+)", path.name)
    return int(found[1]) if found else -1
