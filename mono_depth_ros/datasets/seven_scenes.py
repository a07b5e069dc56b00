# SPDX-License-Identifier: Apache-2.0
"""7-Scenes (Shotton et al. 2013): frame-XXXXXX.color.png, .depth.png and .pose.txt, in DIR or in its folders seq-XX.

Depth is 16 bit, 1000 numbers a metre, 0 and 65535 unknown, and raw: of the Kinect's depth camera (585 px, centre (320,
240), which is what camera-intrinsics.txt says), up to 32 px off the colour image. The colour camera has 525 px and
lies where the Kinect calibration says that localisation work uses for this data set (`setup_7scenes.py` of DSAC*,
Brachmann and Rother 2021, arXiv 2002.12324); depth is registered to it. A camera-intrinsics.txt with another focal
length is of other recordings in this layout: one camera, registered depth.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.datasets.files import Wanted, existing, not_found
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.registration import Registration
from mono_depth_ros.geometry.rigid import inverse, rigid_from_matrix
from mono_depth_ros.media.camera_argument import CameraArgument, read_intrinsics

CAMERA = CameraArgument("525 px, centre (320, 240), the colour camera of the data set", (525.0, 525.0, 320.0, 240.0))

REGISTRATION = Registration(
    Camera(640, 480, 585.0, 585.0, 320.0, 240.0),
    rigid_from_matrix(
        [
            [0.99997, 0.00268, -0.00790, -0.02556],
            [-0.00274, 0.99996, -0.00815, 0.00010],
            [0.00788, 0.00817, 0.99994, 0.00203],
        ]
    ),
)
"""From the raw depth image to the colour image."""

RATE_HZ = 30.0  # of the Kinect; the data set has no stamps
PROTOCOL = Protocol("", "none", 1e-3, 10.0)
_SAME_PX = 2.0  # intrinsics that differ by less are the data set's


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
    camera, registration = cameras(folder)
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
                files, sequence = (numbers[number], depths[number]), place.resolve().name
                items.append(Item(prefix + name, *files, camera, sequence, number, number / RATE_HZ))
    return DataSet(
        name="seven_scenes",
        layout="frame-*.color.*" + (f" in {len(places)} folders seq-*" if prefix else ""),
        items=tuple(items),
        missing=tuple(missing),
        depth_scale=wanted.depth_scale or 1000.0,
        protocol=PROTOCOL,
        camera=camera.text,
        notes=("the raw depth of this data set is registered to the colour image first",) if registration else (),
        registration=registration,
        pose=partial(world_from_camera, registration=registration),
    )


def cameras(folder: Path) -> tuple[CameraArgument, Registration | None]:
    """The camera of the images of a folder, and the registration of their depth, None where it is registered.

    Raises:
        CameraError: there is a camera-intrinsics.txt that cannot be read.
    """
    for path in (folder / "camera-intrinsics.txt", folder.parent / "camera-intrinsics.txt"):
        if path.is_file():
            intrinsics, depth_camera = read_intrinsics(path), REGISTRATION.depth_camera
            if np.abs(np.subtract(intrinsics[:2], (depth_camera.fx, depth_camera.fy))).max() > _SAME_PX:
                return CameraArgument(path.name, intrinsics), None
    return CAMERA, REGISTRATION


def world_from_camera(item: Item, registration: Registration | None = REGISTRATION) -> NDArray[np.float64]:
    """(4, 4) metres: the pose of the colour camera. frame-*.pose.txt beside the image is that of the depth camera.

    Raises:
        DataError: there is no such file. ConfigError: it holds no rigid transform.
    """
    path = item.truth.with_name(item.truth.name.replace(".depth.png", ".pose.txt"))
    try:
        world_from_depth = rigid_from_matrix(np.loadtxt(path))
    except (OSError, ValueError) as error:
        raise DataError(f"the pose of {item.name} cannot be read: {error}") from error
    return world_from_depth if registration is None else world_from_depth @ inverse(registration.camera_from_depth)


def _number(path: Path) -> int:
    found = re.match(r"frame-(\d+)", path.name)
    return int(found[1]) if found else -1
