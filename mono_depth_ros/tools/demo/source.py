# SPDX-License-Identifier: Apache-2.0
"""Where the images of a demo come from: the synthetic world, a folder, a video file or a webcam."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.config import WorldNodeConfig
from mono_depth_ros.datasets import seven_scenes
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.calibration import write_calibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.registration import Registration
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.depth import read_depth
from mono_depth_ros.media.images import images_in, read_image
from mono_depth_ros.media.sequences import open_source, webcam_index
from mono_depth_ros.tools.demo.recording import Topics

CALIBRATIONS = ("camera.yaml", "camera_info.yaml", "calibration.yaml", "camera-intrinsics.txt")
"""Names under which the calibration of a folder or of a video is looked for, in or beside it."""

RESULT = "/depth/camera_info"
"""Comes with the depth of each image, and is small."""

_NAMESPACE = ("__ns:=/camera",)


@dataclass(frozen=True)
class Source:
    """A node that publishes images, and what is known about them.

    Attributes:
        module: of the node. parameters: of the node. remaps: its names. topics: what there will be to record.
        waits: for the depth of one image before it publishes the next, so that none is dropped.
        title: for the report, such as "synthetic room, seed 1". publisher: what runs, in words.
        lookup: ground truth of an image by its pixels, for sources that do not publish it. truth: its origin in words.
    """

    module: str
    parameters: dict[str, Any]
    topics: Topics
    title: str
    publisher: str
    remaps: tuple[str, ...] = ()
    waits: bool = False
    lookup: Callable[[np.ndarray], np.ndarray | None] | None = None
    truth: str = ""


def world_source(world: WorldNodeConfig, rate_hz: float, alignment: str = "both") -> Source:
    """The synthetic world; a rate of 0 is the node's own. alignment: what fixes the scale, as in DemoConfig."""
    chain = {"aligned": "/aligned/image"} if alignment in ("both", "lidar") else {}
    chain |= {"motion": "/aligned_motion/image", "odom": "/odom"} if alignment in ("both", "motion") else {}
    chain |= {"diagnostics": "/diagnostics"} if chain else {}
    return Source(
        module="mono_depth_ros.nodes.world_node",
        parameters=asdict(world) | ({"rate": rate_hz} if rate_hz else {}),
        topics=Topics(truth="/camera/depth_truth", lidar="/lidar/points", pose="/camera/pose", **chain),
        remaps=(*_NAMESPACE, "lidar/points:=/lidar/points", "odom:=/odom"),
        title=f"synthetic {world.scene}, seed {world.seed}",
        publisher="A synthetic camera, lidar and odometry (the world node)",
        truth="what the world's own ray caster says, exact",
    )


def file_source(text: str, camera: str, rate_hz: float, work: Path, hfov_deg: float = 0.0) -> Source:
    """Images of a folder, a video file or a webcam, by the camera node.

    Args:
        text: path, or `webcam`, `webcam:1`. camera, hfov_deg: as given for --camera and --hfov; without either a
            calibration is looked for beside the images. rate_hz: of the images, 0: the source's own. work: folder for a
            calibration file.

    Raises:
        MonoDepthError: no such source, no image in it, no calibration found, or one for another size.
    """
    webcam = webcam_index(text) is not None
    path = Path(text)
    if not webcam and not path.exists():
        raise DataError(f"there is no {text}: expected world, a folder of images, a video file, webcam or webcam:N")
    calibration = work / "camera.yaml"
    argument, registration = CameraArgument.given(camera, hfov_deg), None
    if argument is None:
        argument, registration = _calibration_beside(path, webcam)
    given, source = argument.calibration, open_source(text, rate_hz)
    _, first = next((source.fitting(given.width, given.height) if given else source).frames(lambda *_: None))
    height, width = first.shape[:2]
    chosen: Camera = argument.camera(width, height)
    write_calibration(calibration, argument.calibrated(width, height))
    register = None if registration is None else partial(registration.apply, camera=chosen)
    truth = FolderTruth(path, register) if path.is_dir() and not webcam else None
    return Source(
        module="mono_depth_ros.nodes.camera_node",
        parameters={
            "source": text,
            "camera": str(calibration),
            "rate": rate_hz,
            "loop": True,
            "result": "" if webcam else RESULT,
        },
        topics=Topics(),
        remaps=_NAMESPACE,
        title=text if webcam else f"{'folder' if path.is_dir() else 'video'} {path.resolve().name}",
        publisher="The camera node",
        waits=not webcam,
        lookup=truth if truth else None,
        truth=truth.words if truth else "",
    )


def _calibration_beside(path: Path, webcam: bool) -> tuple[CameraArgument, Registration | None]:
    """The calibration of the images, and what brings the depth beside them into them: of 7-Scenes, which has it raw."""
    folder = path if path.is_dir() else path.parent
    if not webcam:
        for name in CALIBRATIONS:
            if (folder / name).is_file():
                if name == "camera-intrinsics.txt":
                    return seven_scenes.cameras(folder)
                return CameraArgument.parse(str(folder / name)), None
    looked = "" if webcam else f" and {folder} holds none of {', '.join(CALIBRATIONS)}"
    raise DataError(
        f"the camera of {path} is not known{looked}: give --camera fx,fy,cx,cy, --camera FILE, or --hfov DEG"
    )


class FolderTruth:
    """Depth of the images of a folder: `NAME.depth.png` beside `NAME.color.jpg`, 16-bit millimetres.

    Messages do not tell from which file they come, but a raw image is the file's pixels: they are looked up by them.
    `register` brings the depth (H, W) of another camera into the image; None says that it is there.
    """

    def __init__(self, folder: Path, register: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        self._files: dict[bytes, Path] = {}
        self._register = register
        for path in images_in(folder):
            depth = path.with_name(path.name.rpartition(".color.")[0] + ".depth.png")
            if ".color." in path.name and depth.is_file():
                self._files[_key(read_image(path))] = depth

    def __len__(self) -> int:
        return len(self._files)

    @property
    def words(self) -> str:
        """Where the depth comes from."""
        if self._register is not None:
            return "the depth file beside each image, registered to it by the calibration of 7-Scenes"
        return "the depth file beside each image; where its camera was another one, it is off by a few pixels"

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """(H, W) float32 metres, NaN unknown; None for an image that is not of the folder or of another size.

        Raises:
            DataError: the depth file cannot be read.
        """
        path = self._files.get(_key(rgb))
        if path is None:
            return None
        depth = read_depth(path)
        if depth.shape != rgb.shape[:2]:
            return None
        return (depth if self._register is None else self._register(depth)).astype(np.float32)


def _key(rgb: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(rgb).data, digest_size=16).digest()
