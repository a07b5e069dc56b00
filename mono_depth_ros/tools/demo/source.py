# SPDX-License-Identifier: Apache-2.0
"""Where the images of a demo come from: the synthetic world, a folder, a video file or a webcam."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.config import WorldNodeConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.calibration import write_calibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.images import images_in, read_image
from mono_depth_ros.tools.demo.recording import Topics
from mono_depth_ros.tools.demo.truth import FolderTruth

CALIBRATIONS = ("camera.yaml", "camera_info.yaml", "calibration.yaml", "camera-intrinsics.txt")
"""Names under which the calibration of a folder or of a video is looked for, in or beside it."""

_NAMESPACE = ("__ns:=/camera",)
_WEBCAM = re.compile(r"webcam(?::(\d+))?")


@dataclass(frozen=True)
class Source:
    """A node that publishes images, and what is known about them.

    Attributes:
        module: of the node. parameters: of the node. remaps: its names. topics: what there will be to record.
        title: for the report, such as "synthetic room, seed 1". publisher: what runs, in words.
        lookup: ground truth of an image by its pixels, for sources that do not publish it. truth: its origin in words.
    """

    module: str
    parameters: dict[str, Any]
    topics: Topics
    title: str
    publisher: str
    remaps: tuple[str, ...] = ()
    lookup: Callable[[np.ndarray], np.ndarray | None] | None = None
    truth: str = ""


def world_source(world: WorldNodeConfig, rate_hz: float, aligned: bool = True) -> Source:
    """The synthetic world; a rate of 0 is the node's own. aligned: whether its lidar fixes the scale of the depth."""
    chain = {"aligned": "/aligned/image", "diagnostics": "/diagnostics"} if aligned else {}
    return Source(
        module="mono_depth_ros.nodes.world_node",
        parameters=asdict(world) | ({"rate": rate_hz} if rate_hz else {}),
        topics=Topics(truth="/camera/depth_truth", lidar="/lidar/points", pose="/camera/pose", **chain),
        remaps=(*_NAMESPACE, "lidar/points:=/lidar/points"),
        title=f"synthetic {world.scene}, seed {world.seed}",
        publisher="A synthetic camera and lidar (the world node)",
        truth="what the world's own ray caster says, exact",
    )


def file_source(text: str, camera: str, rate_hz: float, work: Path) -> Source:
    """Images of a folder, a video file or a webcam, by the camera node.

    Args:
        text: path, or `webcam`, `webcam:1`. camera: as given for --camera, "" to look for a calibration beside the
            images. rate_hz: of the images, 0: the source's own. work: folder for a calibration file.

    Raises:
        MonoDepthError: no such source, no image in it, no calibration found, or one for another size.
    """
    webcam = _WEBCAM.fullmatch(text)
    path = Path(text)
    if not webcam and not path.exists():
        raise DataError(f"there is no {text}: expected world, a folder of images, a video file, webcam or webcam:N")
    width, height = _size(text, webcam)
    calibration = work / "camera.yaml"
    argument = CameraArgument.parse(camera) if camera else _calibration_beside(path, bool(webcam))
    chosen: Camera = argument.camera(width, height)
    write_calibration(calibration, argument.calibration or chosen.calibration())
    truth = FolderTruth(path) if path.is_dir() and not webcam else None
    return Source(
        module="mono_depth_ros.nodes.camera_node",
        parameters={"source": text, "calibration": str(calibration), "rate": rate_hz, "loop": True},
        topics=Topics(),
        remaps=_NAMESPACE,
        title=text if webcam else f"{'folder' if path.is_dir() else 'video'} {path.resolve().name}",
        publisher="The camera node",
        lookup=truth if truth else None,
        truth="the depth file beside each image; where its camera was another one, it is off by a few pixels"
        if truth
        else "",
    )


def _size(text: str, webcam: re.Match[str] | None) -> tuple[int, int]:
    """Width and height of the images."""
    path = Path(text)
    if path.is_dir() and not webcam:
        rgb = read_image(images_in(path)[0])
        return rgb.shape[1], rgb.shape[0]
    live = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    capture = cv2.VideoCapture(int(webcam[1] or 0), live) if webcam else cv2.VideoCapture(str(path))
    try:
        good, picture = capture.read()
    finally:
        capture.release()
    if not good:
        raise DataError(f"no image can be read from {text}: expected a folder of images, a video file or a webcam")
    return picture.shape[1], picture.shape[0]


def _calibration_beside(path: Path, webcam: bool) -> CameraArgument:
    folder = path if path.is_dir() else path.parent
    if not webcam:
        for name in CALIBRATIONS:
            if (folder / name).is_file():
                return CameraArgument.parse(str(folder / name))
    looked = "" if webcam else f" and {folder} holds none of {', '.join(CALIBRATIONS)}"
    raise DataError(f"the camera of {path} is not known{looked}: give --camera fx,fy,cx,cy or --camera FILE.yaml")
