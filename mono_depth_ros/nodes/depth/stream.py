# SPDX-License-Identifier: Apache-2.0
"""One camera of the depth node: its topics, its calibration, its outputs, and what becomes of its images."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CameraInfo

from mono_depth_ros import transport
from mono_depth_ros.config import DepthNodeConfig, ImageConfig
from mono_depth_ros.errors import CameraError
from mono_depth_ros.messages.camera_info import camera_from_info
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.memory import History, Memory
from mono_depth_ros.models.runtime.device_time import DeviceTime
from mono_depth_ros.nodes.obstacles import said_of
from mono_depth_ros.nodes.ros.middleware import rmw
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.nodes.ros.stream import Job, MessageStream
from mono_depth_ros.nodes.ros.subscribing import Input
from mono_depth_ros.nodes.ros.topics import IMAGES, image_name, input_topics
from mono_depth_ros.pipeline import Frame, Shot
from mono_depth_ros.streams.cameras import KEPT, Calibration, CameraInfos
from mono_depth_ros.streams.health import Facts
from mono_depth_ros.streams.images import ImageReader
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.obstacles import Finding, ObstacleSource
from mono_depth_ros.streams.outputs import DEPTH_TOPICS, depth_outputs, is_metric
from mono_depth_ros.streams.rates import RateLimit


@dataclass(frozen=True)
class ImageJob(Job):
    """An image of a camera."""

    stream: CameraStream


class CameraStream(MessageStream):
    """What the depth node has once for each camera, from configure to cleanup.

    Args:
        session: that it belongs to, and that closes what is opened here.
        name: goes before the topics; "" for the only camera.
        spec: of the model, which decides what there is to publish.
        options: with the configurations of the node.
        history: of its images, for a video model.
        offer: gets the images. sized: gets width and height of the images that the model will see, when they are known.
        obstacles: finds them, where they are asked for.

    Attributes:
        infos: the camera_info messages. outputs: the publishers.
    """

    def __init__(
        self,
        session: Session[Any],
        name: str,
        monitor: Monitor,
        spec: ModelSpec,
        options: Parameters,
        history: History,
        offer: Callable[[ImageJob], None],
        sized: Callable[[int, int], None],
        obstacles: ObstacleSource | None = None,
    ) -> None:
        super().__init__(session.node, monitor, f"frame of {name}" if name else "frame")
        config = options.get(DepthNodeConfig)
        self.name, self._spec, self._options, self._offer = name, spec, options, offer
        self._obstacles, self._history = obstacles, history
        outputs = depth_outputs(spec, config.rectify, obstacles is not None)
        prefix = f"{name}/" if name else ""
        self.outputs = Outputs(session, self, outputs, lambda: self._config().cloud_rate, prefix)
        self._rate = RateLimit()
        self.infos = CameraInfos(config.rectified, config.rectify)
        self._sized = sized
        self._sides: tuple[int, ...] = ()
        self._reader = ImageReader(lambda: options.get(ImageConfig), session.node.get_logger().warning)
        image_topic, info_topic, also = input_topics(session.node, config.image_transport, name)
        self._info = Input(session.node, CameraInfo, info_topic, self._on_info, KEPT)
        self._image = Input(
            session.node, IMAGES[config.image_transport], image_topic, self._on_image, loss=monitor.loss, also=also
        )
        for item in (self._info, self._image):
            session.closing(item.close)
            item.open()

    def topics(self) -> str:
        """The inputs, in words."""
        return f"{self._image.topic} with {self._info.topic}"

    def wanted(self) -> bool:
        """Whether this camera's images are to be worked on."""
        return not self._config().lazy or self.outputs.subscribers() > 0

    def expected(self) -> bool:
        """Whether the others may wait a moment for this camera: not if it is dead or nobody wants its results."""
        return time.monotonic() - self._image.received_s < self._config().input_timeout and self.wanted()

    def decode(self, job: ImageJob) -> tuple[Shot, Calibration]:
        """The image with its calibration; what is not of the calibration's size is not decoded.

        Raises:
            FrameError: one of the two cannot be used.
        """
        with self.monitor.stage("decode"):
            found = self.infos.match(stamp_ns(job.message.header.stamp), *self._reader.size(job.message))
            rgb = self._reader.rgb(job.message)
        self.usable.picture(rgb)
        self.usable.lens(found.camera, found.message, rectify=found.into is not None)
        self.usable.camera_info(found.message, self._image.topic, job.message.header, self._config().rectified)
        return Shot(rgb, found.camera, found.into, found.rotation, self._memory(job, found)), found

    def publish(self, job: ImageJob, frame: Frame, calibration: Calibration, estimate: DeviceTime) -> None:
        """Publish what is subscribed to; counts the result. `estimate`: of the frame.

        Raises:
            FrameError: reason `ended`. RuntimeError, ModelError: the device failed.
        """
        header = job.message.header
        info = calibration.message if calibration.into is None else None
        encoding = self._config().depth_encoding
        found = Finding(self._obstacles, frame, header) if self._obstacles is not None else None
        try:
            known = self.outputs.publish(header, frame, info, encoding, ready_s=lambda: estimate.end_s, obstacles=found)
        except RuntimeError as error:
            if blamed := estimate.blamed(error):
                raise blamed from error
            raise
        self.published(header, job.received_s, known)

    def facts(self) -> Facts:
        """What the health sentence needs to know at this moment."""
        config = self._config()
        image, info = self._image.feed, self._info.feed
        no_obstacles, doubtful = said_of(self._obstacles, self.outputs)
        return Facts(
            image=image,
            image_name=image_name(self.name),
            camera_info=info,
            camera_info_known=self.infos.known(),
            camera_problem=self.camera_problem,
            qos_conflict=image.conflict or info.conflict or self.outputs.conflict,
            subscribers=self.outputs.subscribers(),
            lazy=config.lazy,
            timeout_s=config.input_timeout,
            relative="" if is_metric(self._spec) else DEPTH_TOPICS[self._spec.kind],
            no_depth=self.usable.nothing(),
            concern=self.usable.concern(config.min_depth_fraction, config.input_timeout),
            remedy=transport.remedy(rmw(), "the camera driver"),
            no_obstacles=no_obstacles,
            obstacle_concern=doubtful,
        )

    def unload(self) -> None:
        """Let go of the model."""
        self._history.end()

    def figures(self) -> dict[str, str]:
        """Key-value pairs for diagnostics."""
        obstacles = self._obstacles.figures() if self._obstacles is not None else {}
        return obstacles | self._history.figures()

    def _on_info(self, message: Any) -> None:
        self.infos.add(message)
        roi = message.roi
        sides = (message.width, message.height, message.binning_x, message.binning_y, roi.width, roi.height)
        if sides != self._sides:
            self._sides = sides
            config = self._config()
            with contextlib.suppress(CameraError):  # which the first image is dropped for, and says so
                camera = camera_from_info(message, config.rectified or config.rectify)
                self._sized(camera.width, camera.height)

    def _memory(self, job: ImageJob, calibration: Calibration) -> Memory | None:
        camera, before = calibration.into or calibration.camera, self._history.resets
        memory = self._history.at(camera.width, camera.height, stamp_ns(job.message.header.stamp))
        if self._history.resets > before:
            self.log.warning("memory", f"{self._what}: {self._history.sentence()}")
        return memory

    def _config(self) -> DepthNodeConfig:
        return self._options.get(DepthNodeConfig)

    def _on_image(self, message: Any) -> None:
        job = ImageJob(self, message, self._image.received_s)
        if not self.arrived(message) or not self.wanted():
            return
        if self._rate.take(job.received_s, self._config().max_rate):
            self._offer(job)
        else:
            self.drop("max_rate", "more images than max_rate came")
