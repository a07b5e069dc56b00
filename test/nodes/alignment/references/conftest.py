# SPDX-License-Identifier: Apache-2.0
"""A reference of a real node, and messages handed to its subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
import torch
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.config import (
    AlignmentNodeConfig,
    GroundConfig,
    ImageConfig,
    MotionConfig,
    ReferenceConfig,
    StereoConfig,
)
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.nodes.alignment.references import Source
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.references.base import ReferenceMatch, View

STAMP_NS = 1_700_000_000_000_000_000
CAMERA = Camera(80, 60, 70.0, 70.0, 40.0, 30.0)
CONFIGS = (AlignmentNodeConfig, ImageConfig, ReferenceConfig, StereoConfig, GroundConfig, MotionConfig)


def stamped(message: Any, frame: str, late_s: float = 0.0) -> Any:
    ns = STAMP_NS + round(late_s * 1e9)
    message.header.frame_id = frame
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)
    return message


class Rig:
    """One reference, opened as the alignment node does it."""

    camera = CAMERA

    def __init__(self, remap: tuple[str, ...], **parameters: Any) -> None:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        words = ["--ros-args", *(word for item in remap for word in ("-r", item))]
        self.node = Node("alignment", parameter_overrides=overrides, cli_args=words)
        try:
            options = Parameters(self.node, CONFIGS, locked=lambda: False)
            self.source: Any = Source(self.node, options.get(AlignmentNodeConfig), options)
        except Exception:
            self.node.destroy_node()
            raise
        self.source.listen(True)

    def deliver(self, topic: str, message: Any) -> None:
        """Hand a message to the subscription of a topic, as the executor does."""
        (subscription,) = (item for item in self.node.subscriptions if item.topic_name == topic)
        assert isinstance(message, subscription.msg_type)
        subscription.callback(message)

    def view(
        self,
        late_s: float = 0.0,
        frame: str = "camera",
        values: Any = None,
        kind: DepthKind = DepthKind.METRIC,
        camera: Camera | None = None,
        rgb: Any = None,
    ) -> View:
        camera = camera or self.camera
        if values is None:
            values = np.ones((camera.height, camera.width), np.float32)
        prediction = DepthPrediction(torch.from_numpy(np.asarray(values, np.float32)), kind)
        colours = None if rgb is None else torch.from_numpy(rgb)
        return View(STAMP_NS + round(late_s * 1e9), camera, frame, prediction, colours)

    def samples(self, **view: Any) -> ReferenceMatch:
        found = self.source.samples(self.view(**view))
        assert found is not None
        return found

    def close(self) -> None:
        self.source.close()
        assert not list(self.node.subscriptions), "every subscription is gone"
        self.node.destroy_node()


@pytest.fixture
def reference() -> Iterator[Callable[..., Rig]]:
    rclpy.init()
    made: list[Rig] = []

    def make(kind: str, *remap: str, **parameters: Any) -> Rig:
        made.append(Rig(remap, reference=kind, **parameters))
        return made[-1]

    yield make
    for rig in made:
        rig.close()
    rclpy.try_shutdown()


class Messages:
    """Messages of sensors, all about STAMP_NS."""

    @staticmethod
    def cloud(points: Any, frame: str = "lidar", late_s: float = 0.0, names: str = "xyz") -> PointCloud2:
        """(N, C) float32, one field a column."""
        array = np.asarray(points, "<f4").reshape(-1, len(names))
        step = 4 * len(names)
        message = PointCloud2(height=1, width=len(array), point_step=step, row_step=step * len(array))
        message.fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate(names)]
        message.data = array.tobytes()
        return stamped(message, frame, late_s)

    @staticmethod
    def image(pixels: Any, encoding: str, frame: str = "camera", late_s: float = 0.0) -> Image:
        array = np.ascontiguousarray(pixels)
        height, width = array.shape[:2]
        message = Image(height=height, width=width, encoding=encoding, step=array.nbytes // height)
        message.data = array.tobytes()
        return stamped(message, frame, late_s)

    @staticmethod
    def info(camera: Camera = CAMERA, R: Any = None, tx: float = 0.0, late_s: float = 0.0) -> CameraInfo:
        """Of a rectified camera: K and P alike; `tx` is P[3]."""
        message = CameraInfo(height=camera.height, width=camera.width, distortion_model="plumb_bob", d=[0.0] * 5)
        message.k = camera.matrix.ravel()
        message.p = np.hstack([camera.matrix, [[tx], [0], [0]]]).ravel()
        message.r = np.eye(3).ravel() if R is None else np.asarray(R, float).ravel()
        return stamped(message, "camera", late_s)

    stamped = staticmethod(stamped)


@pytest.fixture
def messages() -> type[Messages]:
    return Messages


@pytest.fixture
def rig_type() -> type[Rig]:
    """For tests that bring their own executor."""
    return Rig
