# SPDX-License-Identifier: Apache-2.0
"""The depth node from configure to cleanup: one model for all cameras, and the way of their images."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from rclpy.lifecycle import LifecycleNode

from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ImageConfig, ModelConfig
from mono_depth_ros.errors import ConfigError, DeviceLostError, FrameError
from mono_depth_ros.messages import bridge
from mono_depth_ros.models.base import find
from mono_depth_ros.models.engine_model import prepare
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.memory import History
from mono_depth_ros.models.runtime.device import give_back
from mono_depth_ros.models.runtime.device_errors import DeviceWatch
from mono_depth_ros.models.runtime.device_time import DeviceTime
from mono_depth_ros.nodes.depth.stream import CameraStream, ImageJob
from mono_depth_ros.nodes.obstacles import obstacle_sources
from mono_depth_ros.nodes.ros.diagnostics import Report
from mono_depth_ros.nodes.ros.guard import end_process
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.pipeline import Frame, Pipeline
from mono_depth_ros.streams.health import judge
from mono_depth_ros.streams.input_size import InputSize
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.outputs import is_metric

_SIZES = 16  # of images that something is made for ahead: a camera has one
_UNREAD = 8  # times of frames that may wait to be read
_LOST: list[Pipeline | None] = []
"""What lies on a lost device is kept: freeing it would end the process before it has said why."""


class DepthSession(Session[ImageJob]):
    """Attributes: pipeline: with the model, once it is loaded. input_size: of it. streams: one for each camera."""

    def __init__(self, node: LifecycleNode, options: Parameters, monitors: Mapping[str, Monitor]) -> None:
        super().__init__(node)
        self.pipeline: Pipeline | None = None
        self.input_size: InputSize | None = None
        self.streams: list[CameraStream] = []
        self._options, self._monitors = options, monitors
        self._sizes: set[tuple[int, int]] = set()
        self._watch = DeviceWatch()
        self._lost: DeviceLostError | None = None
        self._unread: list[tuple[DeviceTime, list[Monitor]]] = []

    def load(self) -> None:
        self.wait_for_those_before()
        give_back()
        name = self._options.get(ModelConfig).model
        if (entry := find(name)) is not None:  # before anything of it is fetched
            _check_prompt(name, entry.needs_prompt)
        try:
            model = load_model(self._options.get(ModelConfig))
            _check_prompt(name, model.spec.needs_prompt)
        except Exception as error:
            self._noticed(error)
            raise
        say = self.node.get_logger().info
        self.input_size = InputSize(model, self._options.get(ModelConfig), self._config(), say)
        self.pipeline = Pipeline(self.input_size.model, self._options.get(DepthConfig))
        bridge.cv_bridge()  # looked for once, and not while the first frame waits

    def unload(self) -> None:
        self.pipeline = self.input_size = None
        for stream in self.streams:
            stream.unload()
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
            stream = CameraStream(
                self, name, monitor, model.spec, self._options, History(model), self._on_image, self._on_size, found
            )
            self.streams.append(stream)
            self.node.get_logger().info(f"{model.spec.name} on {model.device}, {model.engine}: {stream.topics()}")

    def _on_size(self, width: int, height: int) -> None:
        """What is made for a size of images is made once it is known, whether or not somebody listens."""
        largest = self._options.get(ImageConfig).max_image_pixels
        known = (width, height) in self._sizes or len(self._sizes) >= _SIZES
        if self.pipeline is not None and not known and width * height <= largest:
            self._sizes.add((width, height))
            self.ahead(partial(self._prepare, width, height))

    def _prepare(self, width: int, height: int) -> None:
        size, count = self.input_size, len(self._monitors)
        if size is not None and not size.prepare(width, height, count, self._config().target_latency):
            prepare(size.loaded, width, height, count)

    def _on_image(self, job: ImageJob) -> None:
        partners = sum(stream.expected() for stream in self.streams)
        self.offer(job, job.stream.name, partners, self._config().batch_window)

    def work(self, jobs: list[ImageJob]) -> None:
        """Decode, estimate, publish: what goes wrong with one camera's image costs that image alone."""
        pipeline, size, decoded, begun_s = self.pipeline, self.input_size, [], time.monotonic()
        for job in jobs:
            with job.stream.handling():
                self.check()
                if self._lost is not None:
                    raise FrameError(str(self._lost), "device_lost")
                shot, calibration = job.stream.decode(job)
                camera = calibration.into or calibration.camera
                if size is not None:  # now, where somebody has asked for a latency since the camera was known
                    size.prepare(camera.width, camera.height, len(self._monitors), self._config().target_latency)
                decoded.append((job, shot, calibration))
        if not decoded:
            return
        assert pipeline is not None
        pipeline.config = self._options.get(DepthConfig)
        self._watch.turn()
        with DeviceTime(pipeline.model.device) as estimate:
            frames = pipeline.estimate_batch([shot for _, shot, _ in decoded])
        published: list[tuple[ImageJob, Frame]] = []
        for (job, _, calibration), frame in zip(decoded, frames, strict=True):
            with job.stream.handling(self._noticed):
                self.check()
                if isinstance(frame, Exception):  # not raised again: that would tie it to all that lies in these frames
                    self._noticed(frame)
                    job.stream.refuse(frame)
                else:
                    job.stream.publish(job, frame, calibration, estimate)
                    self._watch.worked()
                    published.append((job, frame))
        self._hold_latency(published, begun_s)
        self._unread.append((estimate, [job.stream.monitor for job, _, _ in decoded]))
        self._read_times()

    def reports(self) -> list[Report]:
        size = self.input_size
        return [
            Report(
                stream.name,
                stream.monitor,
                partial(judge, replace(stream.facts(), late=size.late(stream.name) if size else "")),
                {**stream.figures(), **(size.figures(stream.name) if size else {})},
            )
            for stream in self.streams
        ]

    def _hold_latency(self, published: list[tuple[ImageJob, Frame]], begun_s: float) -> None:
        """Step the input size, if need be, once the depth of these images is out."""
        if self.input_size is None or not published:
            return
        first_s = min(job.received_s for job, _ in published)
        rate_hz = max(job.stream.monitor.rate_in_hz for job, _ in published)
        rate_hz = min(rate_hz, self._config().max_rate or math.inf)
        frames = {job.stream.name: frame for job, frame in published}
        try:
            self.input_size.take(
                frames,
                time.monotonic() - first_s,
                max(begun_s - first_s, 0.0),
                1 / rate_hz if rate_hz else math.nan,
                self._config().target_latency,
            )
        except Exception as error:
            self._noticed(error)
            self.node.get_logger().warning(f"the change of the depth with the input size is not known: {error}")

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


def _check_prompt(name: str, needs_prompt: bool) -> None:
    """Raise ConfigError for a model that takes known depths beside the image: this node has none."""
    if needs_prompt:
        raise ConfigError(
            f"the model {name} needs known depths as its prompt, which the depth node has not: give it to the "
            f"alignment node, as alignment_model:={name} with its reference; no depth node is needed then"
        )
