# SPDX-License-Identifier: Apache-2.0
"""One camera of the depth node: its topics, its calibration, its outputs, and what becomes of its images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo

from mono_depth_ros.config import DepthNodeConfig
from mono_depth_ros.errors import CameraError, FrameError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.nodes.ros.subscribing import Input
from mono_depth_ros.nodes.ros.topics import IMAGES, image_name, input_topics
from mono_depth_ros.pipeline import Frame, Shot
from mono_depth_ros.streams.cameras import Calibration, CameraInfos
from mono_depth_ros.streams.health import Facts
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.outputs import depth_outputs

_LOG_PERIOD_S = 5.0  # between two log lines about the same reason


@dataclass(frozen=True)
class Job:
    """An image message of a camera and when its callback ran (time.monotonic)."""

    stream: CameraStream
    message: Any
    received_s: float


class CameraStream:
    """What the depth node has once for each camera.

    Args:
        node: creates the topics.
        name: goes before the topics; "" for the only camera.
        options: the node's configuration at this moment.

    Attributes:
        monitor: counts of this camera's images. infos, outputs: None while the node is not configured.
    """

    def __init__(self, node: LifecycleNode, name: str, options: Callable[[], DepthNodeConfig]) -> None:
        self.name, self.monitor = name, Monitor()
        self.infos: CameraInfos | None = None
        self.outputs: Outputs | None = None
        self._node, self._options = node, options
        self._inputs: list[Input] = []
        self._logged: dict[str, float] = {}
        self._received_s = -math.inf
        self._camera_problem = self._output_conflict = ""
        self._image_topic, self._info_topic = input_topics(node, options().image_transport, name)

    def open(self, spec: ModelSpec, offer: Callable[[Job], None]) -> None:
        """Create the publishers that a model can serve, then subscribe; `offer` gets the images."""
        config = self._options()
        prefix = f"{self.name}/" if self.name else ""
        self.outputs = Outputs(self._node, depth_outputs(spec, config.rectify), self._on_output_conflict, prefix)
        self._image_topic, self._info_topic = input_topics(self._node, config.image_transport, self.name)
        self.infos = CameraInfos(config.rectified, config.rectify)

        def on_image(message: Any) -> None:
            self._on_image(message, offer)

        kind, self._decode = IMAGES[config.image_transport]
        self._inputs = [
            Input(self._node, CameraInfo, self._info_topic, self.infos.add),
            Input(self._node, kind, self._image_topic, on_image),
        ]
        for item in self._inputs:
            item.open()

    def close_inputs(self) -> None:
        """No image comes any more."""
        for item in self._inputs:
            item.close()
        self._inputs = []

    def close_outputs(self) -> None:
        """Take the publishers away; a worker must not be at it any more."""
        if self.outputs is not None:
            self.outputs.destroy()
        self.outputs = None

    def topics(self) -> str:
        """The inputs, in words."""
        return f"{self._image_topic} with {self._info_topic}"

    def wanted(self) -> bool:
        """Whether this camera's images are to be worked on."""
        return self.outputs is not None and (not self._options().lazy or self.outputs.subscribers() > 0)

    def expected(self) -> bool:
        """Whether the others may wait a moment for this camera: not if it is dead or nobody wants its results."""
        return time.monotonic() - self._received_s < self._options().input_timeout and self.wanted()

    def decode(self, job: Job) -> tuple[Shot, Calibration]:
        """The image with its calibration.

        Raises:
            FrameError: one of the two cannot be used.
        """
        assert self.infos is not None
        with self.monitor.stage("decode"):
            rgb = self._decode(job.message)
            found = self.infos.match(stamp_ns(job.message.header.stamp), rgb.shape[1], rgb.shape[0])
        return Shot(rgb, found.camera, found.into, found.rotation), found

    def publish(self, job: Job, frame: Frame, calibration: Calibration) -> None:
        """Publish what is subscribed to; counts the result."""
        assert self.outputs is not None
        header = job.message.header
        info = calibration.message if calibration.into is None else None
        self.outputs.publish(self.monitor, header, frame, info, self._options().depth_encoding)
        self._camera_problem = self._output_conflict = ""
        age_s = (self._node.get_clock().now() - Time.from_msg(header.stamp)).nanoseconds / 1e9
        self.monitor.published(time.monotonic() - job.received_s, age_s)

    def refuse(self, error: Exception) -> None:
        """Drop an image for an error: its own, a FrameError, or one of ours."""
        self._camera_problem = str(error) if isinstance(error, CameraError) else ""
        if isinstance(error, FrameError):
            self.drop(error.reason, str(error))
        else:
            self.drop("internal_error", f"{type(error).__name__}: {error}")

    def drop(self, reason: str, sentence: str) -> None:
        """Count a dropped image; the same reason is said in the log every few seconds only."""
        self.monitor.dropped(reason, sentence)
        now = time.monotonic()
        if now - self._logged.get(reason, -_LOG_PERIOD_S) >= _LOG_PERIOD_S:
            self._logged[reason] = now
            of = f" of {self.name}" if self.name else ""
            self._node.get_logger().warning(f"frame{of} dropped ({reason}): {sentence}")

    def facts(self, active: bool, relative: bool) -> Facts:
        """What the health sentence needs to know at this moment."""
        config = self._options()
        return Facts(
            active=active,
            image_name=image_name(self.name),
            image_topic=self._image_topic,
            image_publishers=self._node.count_publishers(self._image_topic),
            qos_conflict=next((item.conflict for item in self._inputs if item.conflict), self._output_conflict),
            camera_info_topic=self._info_topic,
            camera_info_known=self.infos is not None and self.infos.known(),
            camera_problem=self._camera_problem,
            subscribers=self.outputs.subscribers() if self.outputs is not None else 0,
            lazy=config.lazy,
            timeout_s=config.input_timeout,
            relative_only=(
                "relative model: depth/inverse has no metres; align it with a reference or choose a metric model"
                if relative
                else ""
            ),
        )

    def _on_image(self, message: Any, offer: Callable[[Job], None]) -> None:
        received_s = self._received_s = time.monotonic()
        back_ns = self.monitor.received(stamp_ns(message.header.stamp))
        if back_ns:
            self.drop("time_backwards", f"time jumped back by {back_ns / 1e9:.3f} s: a bag that loops?")
        else:
            offer(Job(self, message, received_s))

    def _on_output_conflict(self, topic: str) -> None:
        self._output_conflict = (
            f"QoS mismatch: a subscriber of {topic} asks for more than reliable and volatile; "
            "ask for less there, or set qos_overrides here"
        )
