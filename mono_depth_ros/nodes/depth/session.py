# SPDX-License-Identifier: Apache-2.0
"""The depth node from configure to cleanup: one model for all cameras, and the way of their images."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from rclpy.lifecycle import LifecycleNode

from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ModelConfig
from mono_depth_ros.messages import bridge
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.nodes.depth.stream import CameraStream, ImageJob
from mono_depth_ros.nodes.ros.diagnostics import Report
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.streams.health import judge
from mono_depth_ros.streams.monitor import Monitor


class DepthSession(Session[ImageJob]):
    """Attributes: pipeline: with the model, once it is loaded. streams: one for each camera."""

    def __init__(self, node: LifecycleNode, options: Parameters, monitors: Mapping[str, Monitor]) -> None:
        super().__init__(node)
        self.pipeline: Pipeline | None = None
        self.streams: list[CameraStream] = []
        self._options, self._monitors = options, monitors

    def load(self) -> None:
        self.pipeline = Pipeline(load_model(self._options.get(ModelConfig)), self._options.get(DepthConfig))
        bridge.cv_bridge()  # looked for once, and not while the first frame waits

    def unload(self) -> None:
        self.pipeline = None

    def open(self) -> None:
        assert self.pipeline is not None
        model = self.pipeline.model
        for name, monitor in self._monitors.items():
            stream = CameraStream(self, name, monitor, model.spec, self._options, self._on_image)
            self.streams.append(stream)
            self.node.get_logger().info(f"{model.spec.name} on {model.device}, {model.engine}: {stream.topics()}")

    def _on_image(self, job: ImageJob) -> None:
        partners = sum(stream.expected() for stream in self.streams)
        self.offer(job, job.stream.name, partners, self._config().batch_window)

    def work(self, jobs: list[ImageJob]) -> None:
        """Decode, estimate, publish: what goes wrong with one camera's image costs that image alone."""
        pipeline, decoded = self.pipeline, []
        for job in jobs:
            with job.stream.handling():
                self.check()
                decoded.append((job, *job.stream.decode(job)))
        if not decoded:
            return
        assert pipeline is not None
        pipeline.config = self._options.get(DepthConfig)
        start_s = time.perf_counter()
        frames = pipeline.estimate_batch([shot for _, shot, _ in decoded])
        took_s = time.perf_counter() - start_s
        for (job, _, calibration), frame in zip(decoded, frames, strict=True):
            with job.stream.handling():
                job.stream.monitor.took("estimate", took_s)
                self.check()
                if isinstance(frame, Exception):
                    job.stream.refuse(frame)
                else:
                    job.stream.publish(job, frame, calibration)

        for frame in frames:
            if isinstance(frame, Exception):
                frame.__traceback__ = None  # it holds this call, which holds it, and all the images

    def reports(self) -> list[Report]:
        return [Report(stream.name, stream.monitor, partial(judge, stream.facts())) for stream in self.streams]

    def _config(self) -> DepthNodeConfig:
        return self._options.get(DepthNodeConfig)
