# SPDX-License-Identifier: Apache-2.0
"""The depth node from configure to cleanup: one model for all cameras, and the way of their images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from rclpy.lifecycle import LifecycleNode

from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ImageConfig, ModelConfig
from mono_depth_ros.errors import DeviceLostError, FrameError
from mono_depth_ros.messages import bridge
from mono_depth_ros.models.engine_model import prepare
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.runtime.device import give_back
from mono_depth_ros.models.runtime.device_errors import DeviceWatch
from mono_depth_ros.models.runtime.device_time import DeviceTime
from mono_depth_ros.nodes.depth.stream import CameraStream, ImageJob
from mono_depth_ros.nodes.obstacles import obstacle_sources
from mono_depth_ros.nodes.ros.diagnostics import Report
from mono_depth_ros.nodes.ros.guard import end_process
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.streams.health import judge
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.outputs import is_metric

_SIZES = 16  # of images that something is made for ahead: a camera has one
_UNREAD = 8  # times of frames that may wait to be read
_LOST: list[Pipeline | None] = []
"""What lies on a lost device is kept: freeing it would end the process before it has said why."""


class DepthSession(Session[ImageJob]):
    """Attributes: pipeline: with the model, once it is loaded. streams: one for each camera."""

    def __init__(self, node: LifecycleNode, options: Parameters, monitors: Mapping[str, Monitor]) -> None:
        super().__init__(node)
        self.pipeline: Pipeline | None = None
        self.streams: list[CameraStream] = []
        self._options, self._monitors = options, monitors
        self._sizes: set[tuple[int, int]] = set()
        self._watch = DeviceWatch()
        self._lost: DeviceLostError | None = None
        self._unread: list[tuple[DeviceTime, list[Monitor]]] = []

    def load(self) -> None:
        self.wait_for_those_before()
        give_back()
        try:
            model = load_model(self._options.get(ModelConfig))
        except Exception as error:
            self._noticed(error)
            raise
        self.pipeline = Pipeline(model, self._options.get(DepthConfig))
        bridge.cv_bridge()  # looked for once, and not while the first frame waits

    def unload(self) -> None:
        self.pipeline = None
        if not self.busy:
            give_back()

    def open(self) -> None:
        assert self.pipeline is not None
        model, config = self.pipeline.model, self._config()
        if config.obstacles and not is_metric(model.spec):
            self.node.get_logger().warning(
                f"obstacles need metres, and {model.spec.name} gives relative depth: those of the alignment node do"
            )
        sources = obstacle_sources(self, self._options, config, len(self._monitors))
        for (name, monitor), found in zip(self._monitors.items(), sources, strict=True):
            stream = CameraStream(self, name, monitor, model.spec, self._options, self._on_image, self._on_size, found)
            self.streams.append(stream)
            self.node.get_logger().info(f"{model.spec.name} on {model.device}, {model.engine}: {stream.topics()}")

    def _on_size(self, width: int, height: int) -> None:
        """What is made for a size of images is made once it is known, whether or not somebody listens."""
        largest = self._options.get(ImageConfig).max_image_pixels
        known = (width, height) in self._sizes or len(self._sizes) >= _SIZES
        if self.pipeline is not None and not known and width * height <= largest:
            self._sizes.add((width, height))
            self.ahead(partial(prepare, self.pipeline.model, width, height, len(self._monitors)))

    def _on_image(self, job: ImageJob) -> None:
        partners = sum(stream.expected() for stream in self.streams)
        self.offer(job, job.stream.name, partners, self._config().batch_window)

    def work(self, jobs: list[ImageJob]) -> None:
        """Decode, estimate, publish: what goes wrong with one camera's image costs that image alone."""
        pipeline, decoded = self.pipeline, []
        for job in jobs:
            with job.stream.handling():
                self.check()
                if self._lost is not None:
                    raise FrameError(str(self._lost), "device_lost")
                decoded.append((job, *job.stream.decode(job)))
        if not decoded:
            return
        assert pipeline is not None
        pipeline.config = self._options.get(DepthConfig)
        self._watch.turn()
        with DeviceTime(pipeline.model.device) as estimate:
            frames = pipeline.estimate_batch([shot for _, shot, _ in decoded])
        for (job, _, calibration), frame in zip(decoded, frames, strict=True):
            with job.stream.handling(self._noticed):
                self.check()
                if isinstance(frame, Exception):  # not raised again: that would tie it to all that lies in these frames
                    self._noticed(frame)
                    job.stream.refuse(frame)
                else:
                    job.stream.publish(job, frame, calibration, estimate)
                    self._watch.worked()
        self._unread.append((estimate, [job.stream.monitor for job, _, _ in decoded]))
        self._read_times()

    def reports(self) -> list[Report]:
        return [
            Report(stream.name, stream.monitor, partial(judge, stream.facts()), stream.figures())
            for stream in self.streams
        ]

    def _read_times(self) -> None:
        """Of a GPU that is still at it, as where nobody copies a result, the time is read after a later frame."""
        for estimate, monitors in self._unread:
            if not math.isnan(estimate.seconds):
                for monitor in monitors:
                    monitor.took("estimate", estimate.seconds)
        self._unread = [item for item in self._unread[-_UNREAD:] if math.isnan(item[0].seconds)]

    def _noticed(self, error: Exception) -> None:
        """End the process where an error says that nothing more can be computed in it."""
        lost = self._watch.failed(error)
        if lost is not None and self._lost is None:
            self._lost = lost
            _LOST.append(self.pipeline)
            end_process(self.node, lost)

    def _config(self) -> DepthNodeConfig:
        return self._options.get(DepthNodeConfig)
