# SPDX-License-Identifier: Apache-2.0
"""The alignment node: depth and a reference in, depth of the right scale out, and how right it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.scale_file import read_calibration
from mono_depth_ros.config import (
    AlignConfig,
    AlignmentNodeConfig,
    DepthConfig,
    GroundConfig,
    ReferenceConfig,
    StereoConfig,
    TrackerConfig,
)
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.alignment.colours import Colours
from mono_depth_ros.nodes.alignment.health import NOT_ACTIVE, AlignmentFacts, alignment_figures, judge_alignment
from mono_depth_ros.nodes.alignment.inputs import DepthInputs, DepthMessage
from mono_depth_ros.nodes.alignment.references import Source, SourceFacts
from mono_depth_ros.nodes.alignment.services import AlignmentServices
from mono_depth_ros.nodes.alignment.stream import AlignmentStream
from mono_depth_ros.nodes.ros.diagnostics import Diagnostics, Report
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.ros.worker import NewestWorker
from mono_depth_ros.streams.health import WARN
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.outputs import ALIGNED_POINTS, aligned_outputs

_CONFIGS = (AlignmentNodeConfig, AlignConfig, TrackerConfig, ReferenceConfig, StereoConfig, GroundConfig, DepthConfig)
_LOOK_S = 0.2  # between two looks at who subscribes
_NO_SENSOR = SourceFacts("", 0, 0, 0.0, "")


class AlignmentNode(ManagedNode):
    """Topics, references and services are in docs/alignment.md; `config/alignment.py` has the defaults."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("alignment", **node_options)
        # What destroy_node reads comes first, as in the depth node.
        self._inputs: DepthInputs | None = None
        self._colours: Colours | None = None
        self._source: Source | None = None
        self._outputs: Outputs | None = None
        self._worker: NewestWorker[DepthMessage] | None = None
        self._stream: AlignmentStream | None = None
        self._output_conflict = ""
        self.monitor = Monitor()
        self._options = Parameters(self, _CONFIGS, locked=lambda: self._outputs is not None)
        self._aligner = Aligner(self._options.get(AlignConfig), self._options.get(TrackerConfig))
        self._calibration_services = AlignmentServices(self, self._aligner, self._place)
        self._diagnostics = Diagnostics(self, self._config().diagnostics_period, self._reports, dict)
        self._timer = self.create_timer(_LOOK_S, self._follow_subscribers)

    # Lifecycle

    def _set_up(self) -> None:
        config = self._config()
        self._aligner.reset()
        self._begin_with_calibration(config)
        source = Source(self, config, self._options) if config.reference != "none" else None
        self._source = source
        self._inputs = DepthInputs(self, self._config, self._on_depth)
        self._colours = Colours(self, config.image_transport)
        self._outputs = Outputs(self, aligned_outputs(), self._on_output_conflict)
        self._stream = stream = AlignmentStream(
            self, self._options, self.monitor, self._aligner, self._inputs, self._colours, source, self._outputs
        )
        self._worker = NewestWorker(
            lambda items: stream.process(items[-1]),
            lambda _: self.monitor.dropped("superseded", "newer depth came while this was being aligned"),
            lambda _, error: stream.drop("internal_error", f"{type(error).__name__}: {error}"),
        )
        reference = f" by {', '.join(source.topics()) or config.reference}" if source else ""
        self.get_logger().info(f"aligning {self._inputs.topics}{reference}")

    def _begin_with_calibration(self, config: AlignmentNodeConfig) -> None:
        path = Path(config.calibration).expanduser()
        if config.calibration and not config.frozen and not path.exists():
            self.get_logger().warning(f"calibration {path} is not there yet: the service ~/save will write it")
        elif config.calibration:
            self._aligner.load(read_calibration(path, config.calibration_scene))
        if config.frozen and not config.calibration:
            raise ConfigError("frozen is true, expected a calibration to go by: give the parameter calibration")
        if config.reference == "none" and not config.frozen:
            raise ConfigError(
                "reference is none, expected frozen and a calibration as well: else nothing gives a scale"
            )
        self._aligner.freeze(config.frozen)

    def _tear_down(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
        if self._colours is not None:
            self._colours.open(False)
        if self._source is not None:
            self._source.close()
        if self._worker is not None:
            self._worker.stop()
        if self._outputs is not None:
            self._outputs.destroy()
        self._inputs = self._colours = self._source = self._worker = self._stream = self._outputs = None

    # Depth, asked for while somebody wants it aligned

    def _follow_subscribers(self) -> None:
        inputs, outputs = self._inputs, self._outputs
        if inputs is None or outputs is None or self._colours is None:
            return
        if self._active and (not self._config().lazy or outputs.subscribers() > 0):
            inputs.open()
        elif inputs.opened:
            inputs.close()
        self._colours.open(inputs.opened and outputs.wanted(ALIGNED_POINTS))
        if self._source is not None:
            self._source.listen(inputs.opened)

    def _on_depth(self, depth: DepthMessage) -> None:
        if not self._active or self._worker is None or self._stream is None:
            return
        back_ns = self.monitor.received(stamp_ns(depth.message.header.stamp))
        if back_ns:
            self._stream.drop("time_backwards", f"time jumped back by {back_ns / 1e9:.3f} s: a bag that loops?")
        else:
            self._worker.offer(depth)

    # What is told

    def _on_output_conflict(self, topic: str) -> None:
        self._output_conflict = (
            f"QoS mismatch: a subscriber of {topic} asks for more than reliable and volatile; ask for less there, or "
            "set qos_overrides here"
        )

    def _reports(self) -> list[Report]:
        stream, inputs, outputs = self._stream, self._inputs, self._outputs
        if stream is None or inputs is None or outputs is None:
            return [Report("", self.monitor, lambda *_: (WARN, NOT_ACTIVE))]
        config = self._config()
        reference = self._source.facts() if self._source is not None else _NO_SENSOR
        if outputs.subscribers():
            self._output_conflict = ""
        facts = AlignmentFacts(
            active=self._active,
            lazy=config.lazy,
            subscribers=outputs.subscribers(),
            qos_conflict=inputs.conflict or reference.problem or self._output_conflict,
            depth_topics=inputs.topics,
            depth_publishers=inputs.publishers(),
            depth_silent_s=inputs.silent_s,
            depth_quarrel=inputs.quarrel,
            camera_info_topic=inputs.info_topic,
            camera_info_known=inputs.infos.known(),
            camera_problem=stream.camera_problem,
            colour_problem=stream.colour_problem,
            reference_topics=reference.topics,
            reference_publishers=reference.publishers,
            reference_silent_s=reference.since_received_s,
            reference_problem=stream.reference_problem,
            last=stream.last,
            max_abs_rel=self._options.get(AlignConfig).max_abs_rel,
            publish_bad=config.publish_bad,
            timeout_s=config.input_timeout,
        )
        figures = {"reference": config.reference, **alignment_figures(stream.last, stream.offset_s)}
        return [Report("", self.monitor, partial(judge_alignment, facts), figures)]

    def _place(self) -> tuple[str, str]:
        return self._config().calibration, self._config().calibration_scene

    def _config(self) -> AlignmentNodeConfig:
        return self._options.get(AlignmentNodeConfig)


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros alignment_node`."""
    return run(AlignmentNode)
