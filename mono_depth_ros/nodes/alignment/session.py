# SPDX-License-Identifier: Apache-2.0
"""The alignment node from configure to cleanup."""

from __future__ import annotations

from functools import partial

import torch
from rclpy.lifecycle import LifecycleNode

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.scale_file import read_scale
from mono_depth_ros.config import (
    PROMPTS,
    AlignConfig,
    AlignmentModelConfig,
    AlignmentNodeConfig,
    MotionConfig,
    TrackerConfig,
)
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.models.base import find
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.runtime.device import give_back
from mono_depth_ros.nodes.alignment.health import alignment_figures, judge_alignment
from mono_depth_ros.nodes.alignment.prompted import PromptedStream
from mono_depth_ros.nodes.alignment.stream import AlignmentStream, DepthJob
from mono_depth_ros.nodes.ros.diagnostics import Report
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.paths import expanded
from mono_depth_ros.prompting import PromptedAligner, check_takes_prompt
from mono_depth_ros.streams.monitor import Monitor

_LOOK_S = 0.2  # between two looks at who subscribes


class AlignmentSession(Session[DepthJob]):
    """Attributes: aligner: scale and shift. stream: when it is open. prompted: with a model, where it has one."""

    stream: AlignmentStream

    def __init__(self, node: LifecycleNode, options: Parameters, monitor: Monitor) -> None:
        super().__init__(node)
        self._options, self._monitor = options, monitor
        self.aligner = Aligner(options.get(AlignConfig), options.get(TrackerConfig))
        self.prompted: PromptedAligner | None = None

    def load(self) -> None:
        config = self._options.get(AlignmentModelConfig)
        if not config.alignment_model:
            return
        self._check_prompt(self._config())
        if (entry := find(config.alignment_model)) is not None:  # before anything of it is fetched
            check_takes_prompt(entry.name, entry.needs_prompt)
        self.wait_for_those_before()
        give_back()
        self.prompted = PromptedAligner(load_model(config.model))

    def unload(self) -> None:
        self.prompted = None

    def _check_prompt(self, config: AlignmentNodeConfig) -> None:
        others = [name for name in config.references if name not in PROMPTS]
        if others:
            raise ConfigError(
                f"reference is '{config.reference}' with an alignment_model, whose prompt its samples are: expected "
                f"one or more, with commas, of: {', '.join(PROMPTS)}"
            )
        if config.frozen or config.calibration:
            found = "frozen" if config.frozen else "calibration"
            raise ConfigError(f"{found} is given with an alignment_model, which has no scale to keep: leave it out")

    def open(self) -> None:
        if self.prompted is not None:
            self.stream = PromptedStream(self, self._monitor, self._options, self.aligner, self.prompted)
        else:
            self._begin_with_calibration(self._config())
            self.stream = AlignmentStream(self, self._monitor, self._options, self.aligner)
        timer = every(self.node, _LOOK_S, self.stream.follow_subscribers)
        self.closing(lambda: self.node.destroy_timer(timer))
        self.node.get_logger().info(f"aligning {self.stream.topics()}")

    def _begin_with_calibration(self, config: AlignmentNodeConfig) -> None:
        path = expanded(config.calibration)
        if config.calibration and not config.frozen and not path.exists():
            self.node.get_logger().warning(f"calibration {path} is not there yet: the service ~/save will write it")
        elif config.calibration:
            self.aligner.load(read_scale(path, config.calibration_scene))
        if config.frozen and not config.calibration:
            raise ConfigError("frozen is true, expected a calibration to go by: give the parameter calibration")
        if config.reference == "none" and not config.frozen:
            raise ConfigError(
                "reference is none, expected frozen and a calibration as well: else nothing gives a scale"
            )
        self.aligner.freeze(config.frozen)

    def work(self, jobs: list[DepthJob]) -> None:
        # torch has this number for each thread: it holds for the one that works here. A network has its own.
        if self.prompted is None and torch.get_num_threads() != (threads := self._config().alignment_threads):
            torch.set_num_threads(threads)
        for job in jobs:
            with job.stream.handling():
                self.check()
                self.stream.process(job)

    def reports(self) -> list[Report]:
        stream = self.stream
        figures = {"reference": self._config().reference}
        figures |= alignment_figures(stream.last, stream.offset_s, stream.metric)
        if self._options.get(MotionConfig).fuse:
            figures["pixels combined with earlier ones (%)"] = f"{100 * stream.fusion.share:.0f}"
        for source in (stream.reference, stream.obstacles):
            figures |= source.figures() if source is not None else {}
        return [Report("", self._monitor, partial(judge_alignment, stream.facts()), figures)]

    def _config(self) -> AlignmentNodeConfig:
        return self._options.get(AlignmentNodeConfig)
