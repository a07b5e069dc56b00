# SPDX-License-Identifier: Apache-2.0
"""Messages of a reference sensor, as depths at pixels of the image that they go with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mono_depth_ros.alignment.projected_points import project
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.bags.topics import Chosen
from mono_depth_ros.bags.transforms import StaticTransforms
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import DataError, SamplesError
from mono_depth_ros.geometry.rigid import rigid_from_text, transform_points
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.kinds import CLOUD, IMAGE
from mono_depth_ros.messages.points import read_points
from mono_depth_ros.messages.range import range_points
from mono_depth_ros.messages.scan import scan_points
from mono_depth_ros.tools.bag.frames import BagFrame

_POINTS: dict[str, Callable[[Any], np.ndarray]] = {
    CLOUD: read_points,
    "sensor_msgs/msg/LaserScan": scan_points,
    "sensor_msgs/msg/Range": range_points,
}


class References:
    """Samples of the references of one bag.

    Args:
        reader: an open bag. chosen: its topics. config: which samples count. extrinsic: camera from reference as a
            text; "" for the bag's static transforms.

    Attributes:
        words: where the transform comes from.

    Raises:
        ConfigError: the text is no rigid transform. DataError: the bag's transforms do not join the two frames.
    """

    def __init__(self, reader: BagReader, chosen: Chosen, config: ReferenceConfig, extrinsic: str) -> None:
        self._reader, self._config = reader, config
        self._depth = reader.topics[chosen.reference].kind == IMAGE
        self._given = rigid_from_text(extrinsic) if extrinsic else None
        self._transforms = StaticTransforms({})
        self._found: dict[tuple[str, str], np.ndarray] = {}
        if self._given is not None:
            self.words = "reference to camera: as given by --extrinsic"
            return
        camera, reference = (first_frame(reader, topic) for topic in (chosen.image, chosen.reference))
        if self._depth:
            _check_registered(camera, reference)
            self.words = f"reference: depth in the frame of the images, '{camera}'"
            return
        self._transforms = StaticTransforms.of(reader)
        matrix = self._matrix(camera, reference)
        self.words = f"reference to camera: '{reference}' to '{camera}' by /tf_static, {_in_words(matrix)}"

    def samples(self, frame: BagFrame) -> Samples:
        """The samples of the reference of a frame, in its image.

        Raises:
            FrameError, DataError: there are none, or the message cannot be used.
        """
        assert frame.reference is not None and frame.result is not None
        message = self._reader.decode(frame.reference)
        camera = frame.result.camera
        assert camera is not None, "frames of recordings have a camera"
        if self._depth:
            depth = decode_depth(message)
            if depth.shape != (camera.height, camera.width):
                found = f"the reference is {depth.shape[1]}x{depth.shape[0]}, the image {camera.width}x{camera.height}"
                raise SamplesError(f"{found}: expected the same size", "reference_size")
            return samples_from_depth(depth, self._config.reference_min, self._config.reference_max)
        points = _POINTS[frame.reference.kind](message)
        cam_from_reference = self._matrix(frame.header.frame_id, message.header.frame_id)
        return project(transform_points(cam_from_reference, points), camera, self._config)

    def _matrix(self, camera: str, reference: str) -> np.ndarray:
        if self._given is not None:
            return self._given
        key = (camera, reference)
        if key not in self._found:
            self._found[key] = self._transforms.lookup(*key)
        return self._found[key]


def first_frame(reader: BagReader, topic: str) -> str:
    """frame_id of the first message of a topic. Raises DataError where there is none."""
    message = next(iter(reader.messages((topic,))), None)
    if message is None:
        raise DataError(f"{reader.path} holds no message on {topic}")
    return str(reader.decode(message).header.frame_id)


def _check_registered(camera: str, reference: str) -> None:
    if camera.removeprefix("/") != reference.removeprefix("/"):
        raise DataError(
            f"the reference is depth in the frame '{reference}', the images are in '{camera}': expected depth that is "
            "registered to the images"
        )


def _in_words(matrix: np.ndarray) -> str:
    x, y, z = matrix[:3, 3]
    return f"{x:.3f} {y:.3f} {z:.3f} m away"
