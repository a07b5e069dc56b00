# SPDX-License-Identifier: Apache-2.0
"""The depth node: images and camera_info in, metric depth, camera_info, clouds and colour views out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ModelConfig
from mono_depth_ros.messages import bridge
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.nodes.depth.stream import CameraStream, Job
from mono_depth_ros.nodes.ros.diagnostics import Diagnostics, Report
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.ros.worker import NewestWorker
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.health import judge


class DepthNode(ManagedNode):
    """One model for one or several cameras. See docs/topics.md and docs/parameters.md; `config` has the defaults."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("depth", **node_options)
        # What destroy_node reads comes first: from Kilted on, rclpy's shutdown destroys half-made nodes as well.
        self._pipeline: Pipeline | None = None
        self._worker: NewestWorker[Job] | None = None
        self.streams: list[CameraStream] = []
        self._options = Parameters(
            self,
            (ModelConfig, DepthConfig, DepthNodeConfig),
            locked=lambda: self._pipeline is not None,
            on_change=self._apply,
        )
        self._make_streams()
        self._diagnostics = Diagnostics(self, self._config().diagnostics_period, self._reports, self._labels)

    # Lifecycle

    def _set_up(self) -> None:
        model = load_model(self._options.get(ModelConfig))
        self._pipeline = Pipeline(model, self._options.get(DepthConfig))
        bridge.cv_bridge()  # looked for once, and not while the first frame waits
        self._make_streams()
        self._worker = NewestWorker(
            self._process,
            lambda job: job.stream.monitor.dropped("superseded", "a newer image came while the network was busy"),
            self._failed,
        )
        for stream in self.streams:
            stream.open(model.spec, self._offer)
            self.get_logger().info(f"{model.spec.name} on {model.device}, {model.engine}: {stream.topics()}")

    def _tear_down(self) -> None:
        for stream in self.streams:
            stream.close_inputs()
        if self._worker is not None:
            self._worker.stop()
        for stream in self.streams:
            stream.close_outputs()
        self._worker, self._pipeline = None, None

    # The way of an image

    def _offer(self, job: Job) -> None:
        if self._active and self._worker is not None and job.stream.wanted():
            partners = sum(stream.expected() for stream in self.streams)
            self._worker.offer(job, job.stream.name, partners, self._config().batch_window)

    def _process(self, jobs: list[Job]) -> None:
        """In the worker's thread: decode, estimate, publish."""
        pipeline = self._pipeline
        if pipeline is None or not self._active:
            return
        decoded = []
        for job in jobs:
            with _own_affair(job.stream):
                decoded.append((job, *job.stream.decode(job)))
        if not decoded:
            return
        start_s = time.perf_counter()
        frames = pipeline.estimate_batch([shot for _, shot, _ in decoded])
        took_s = time.perf_counter() - start_s
        for (job, _, calibration), frame in zip(decoded, frames, strict=True):
            job.stream.monitor.took("estimate", took_s)
            with _own_affair(job.stream):
                if isinstance(frame, Exception):
                    raise frame
                job.stream.publish(job, frame, calibration)

    def _failed(self, jobs: list[Job], error: Exception) -> None:
        for job in jobs:
            job.stream.refuse(error)

    # Parts

    def _config(self) -> DepthNodeConfig:
        return self._options.get(DepthNodeConfig)

    def _make_streams(self) -> None:
        """One for each camera; those there are stay, with their counts, while the names do not change."""
        names = self._config().camera_names
        if names != tuple(stream.name for stream in self.streams):
            self.streams = [CameraStream(self, name, self._config) for name in names]

    def _apply(self) -> None:
        if self._pipeline is not None:
            self._pipeline.config = self._options.get(DepthConfig)

    def _reports(self) -> list[Report]:
        relative = self._pipeline is not None and self._pipeline.model.spec.kind is not DepthKind.METRIC
        return [
            Report(stream.name, stream.monitor, partial(judge, stream.facts(self._active, relative)))
            for stream in self.streams
        ]

    def _labels(self) -> dict[str, str]:
        if self._pipeline is None:
            return {"model": self._options.get(ModelConfig).model, "device": "not loaded"}
        model = self._pipeline.model
        return {
            "model": model.spec.name,
            "device": str(model.device),
            "engine": model.engine,
            "licence of the weights": model.spec.licence,
        }


@contextmanager
def _own_affair(stream: CameraStream) -> Iterator[None]:
    """What goes wrong with one camera's image costs that image, and the other cameras nothing."""
    try:
        yield
    except Exception as error:
        stream.refuse(error)


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros depth_node`."""
    return run(DepthNode)
