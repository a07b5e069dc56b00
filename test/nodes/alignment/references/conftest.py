# SPDX-License-Identifier: Apache-2.0
"""A reference of a real node, messages handed to its subscriptions, and a tf2_ros that behaves as the real one."""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
import torch
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
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
from mono_depth_ros.nodes.ros.transforms import transform_message
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


def fake_tf2() -> Any:
    """tf2_ros as far as it is used: tf2_ros_py/tf2_ros/buffer.py, transform_listener.py and tf2_py's exceptions."""
    module: Any = types.ModuleType("tf2_ros")

    class TransformException(Exception):
        pass

    for name in ("Lookup", "Connectivity", "Extrapolation", "InvalidArgument"):
        setattr(module, f"{name}Exception", type(f"{name}Exception", (TransformException,), {}))
    module.TransformException = TransformException

    class Buffer:
        """Transforms that hold up to a time; several parts of the tree do not touch."""

        def __init__(self, cache_time: Any = None, node: Any = None) -> None:
            self.known: dict[tuple[str, str], tuple[np.ndarray, int]] = {}
            self.waited: list[float] = []
            self.jump_handle = types.SimpleNamespace(unregister=lambda: self.waited.append(-1.0))
            module.buffer = self

        def set(self, target: str, source: str, matrix: Any, until_ns: int = 2**62) -> None:
            self.known[target, source] = (np.asarray(matrix, float), until_ns)

        def lookup_transform(self, target: str, source: str, time_: Any, timeout: Any = None) -> TransformStamped:
            timeout = timeout or Duration()
            end = time.monotonic() + timeout.nanoseconds / 1e9
            self.waited.append(timeout.nanoseconds / 1e9)
            while True:
                try:
                    return self._core(target, source, time_)
                except TransformException:
                    if time.monotonic() >= end:
                        raise
                time.sleep(0.02)

        def _core(self, target: str, source: str, time_: Any) -> TransformStamped:
            for frame in (target, source):
                if frame.startswith("/"):
                    raise module.InvalidArgumentException(f"frame_id \"{frame}\" cannot start with a '/'")
                if not any(frame in pair for pair in self.known):
                    raise module.LookupException(f'"{frame}" passed to lookupTransform does not exist')
            if (target, source) not in self.known:
                raise module.ConnectivityException(f"'{target}' and '{source}' are not part of the same tree")
            matrix, until_ns = self.known[target, source]
            if time_.nanoseconds > until_ns:
                raise module.ExtrapolationException("Lookup would require extrapolation into the future")
            found = TransformStamped(child_frame_id=source, transform=transform_message(matrix))
            found.header.frame_id = target
            return found

    class TransformListener:
        def __init__(self, buffer: Any, node: Any) -> None:
            self.registered = True
            module.listener = self

        def unregister(self) -> None:
            self.registered = False

    module.Buffer, module.TransformListener = Buffer, TransformListener
    return module


@pytest.fixture
def tf2(monkeypatch: pytest.MonkeyPatch) -> Any:
    """tf2_ros, installed."""
    module = fake_tf2()
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return module


@pytest.fixture
def no_tf2(monkeypatch: pytest.MonkeyPatch) -> None:
    """tf2_ros, not installed."""
    monkeypatch.setitem(sys.modules, "tf2_ros", None)


@pytest.fixture
def rig_type() -> type[Rig]:
    """For tests that bring their own executor."""
    return Rig
