# SPDX-License-Identifier: Apache-2.0
"""The alignment node: depth and a reference in, depth of the right scale out, and how right it is."""

from __future__ import annotations

import math
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.time import Time

from mono_depth_ros.alignment.aligner import Aligned, Aligner
from mono_depth_ros.alignment.calibration import read_calibration
from mono_depth_ros.config import (
    AlignConfig,
    AlignmentNodeConfig,
    DepthConfig,
    GroundConfig,
    ReferenceConfig,
    StereoConfig,
    TrackerConfig,
)
from mono_depth_ros.errors import CameraError, ConfigError, DataError, FrameError, MonoDepthError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.alignment_health import AlignmentFacts, alignment_figures, judge_alignment
from mono_depth_ros.nodes.alignment_inputs import DepthInputs, DepthMessage, decode_prediction
from mono_depth_ros.nodes.alignment_outputs import POINTS, create_outputs, publish_aligned
from mono_depth_ros.nodes.alignment_services import AlignmentServices
from mono_depth_ros.nodes.cameras import Calibration
from mono_depth_ros.nodes.diagnostics import Diagnostics, Report
from mono_depth_ros.nodes.monitor import Monitor
from mono_depth_ros.nodes.parameters import Parameters
from mono_depth_ros.nodes.publishing import Outputs
from mono_depth_ros.nodes.references import open_reference
from mono_depth_ros.nodes.references.source import ReferenceMatch, Source, View
from mono_depth_ros.nodes.runtime import run
from mono_depth_ros.nodes.worker import NewestWorker
from mono_depth_ros.pipeline import RgbdFrame
from mono_depth_ros.prediction import DepthKind, DepthPrediction

_CONFIGS = (AlignmentNodeConfig, AlignConfig, TrackerConfig, ReferenceConfig, StereoConfig, GroundConfig, DepthConfig)
_LOOK_S = 0.2  # between two looks at who subscribes
_LOG_PERIOD_S = 5.0  # between two log lines about the same reason


class AlignmentNode(LifecycleNode):
    """See docs/alignment.md for topics, parameters and services; `config/alignment.py` has the defaults."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("alignment", **node_options)
        # What destroy_node reads comes first, as in the depth node.
        self._inputs: DepthInputs | None = None
        self._outputs: Outputs | None = None
        self._source: Source | None = None
        self._worker: NewestWorker[DepthMessage] | None = None
        self._active = False
        self.monitor = Monitor()
        self._options = Parameters(self, _CONFIGS, locked=lambda: self._outputs is not None, on_change=self._apply)
        self._aligner = Aligner(self._options.get(AlignConfig), self._options.get(TrackerConfig))
        self._logged: dict[str, float] = {}
        self._last: Aligned | None = None
        self._offset_s = math.nan
        self._kind: DepthKind | None = None
        self._conflict = self._camera_problem = self._reference_problem = ""
        self._calibration_services = AlignmentServices(self, self._aligner, self._place)
        self._diagnostics = Diagnostics(self, self._config().diagnostics_period, self._reports, dict)
        self._timer = self.create_timer(_LOOK_S, self._follow_subscribers)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._set_up()
        except MonoDepthError as error:
            self.get_logger().fatal(str(error))
        except Exception:
            if self.context.ok():
                self.get_logger().fatal(traceback.format_exc())
        else:
            return TransitionCallbackReturn.SUCCESS
        self._tear_down()
        return TransitionCallbackReturn.FAILURE

    def _set_up(self) -> None:
        config = self._config()
        self._aligner.reset()
        self._last, self._kind = None, None
        if config.calibration and (config.frozen or Path(config.calibration).expanduser().exists()):
            self._aligner.load(read_calibration(Path(config.calibration).expanduser(), config.calibration_scene))
        if config.frozen:
            if not config.calibration:
                raise ConfigError("frozen is true, expected a calibration to go by: give the parameter calibration")
            self._aligner.freeze(True)
        elif config.reference == "none":
            raise ConfigError(
                "reference is none, expected frozen and a calibration as well: else nothing gives a scale"
            )
        self._source = open_reference(self, config, self._options)
        self._inputs = DepthInputs(self, config.prediction, self._on_depth, self._on_conflict)
        self._worker = NewestWorker(
            lambda items: self._process(items[-1]),
            lambda _: self.monitor.dropped("superseded", "newer depth came while this was being aligned"),
            lambda _, error: self._drop("internal_error", f"{type(error).__name__}: {error}"),
        )
        self._outputs = create_outputs(self, self._on_output_conflict)
        reference = f" by {', '.join(self._source.topics())}" if self._source and self._source.topics() else ""
        self.get_logger().info(f"aligning {' or '.join(self._inputs.topics.values())}{reference}")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._tear_down()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._tear_down()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        self._tear_down()
        super().destroy_node()

    def _tear_down(self) -> None:
        self._active = False
        if self._inputs is not None:
            self._inputs.close()
        if self._source is not None:
            self._source.close()
        if self._worker is not None:
            self._worker.stop()
        if self._outputs is not None:
            self._outputs.destroy()
        self._inputs = self._source = self._worker = self._outputs = None

    # The way of a prediction

    def _follow_subscribers(self) -> None:
        """Ask for depth while somebody wants it aligned."""
        if self._inputs is None or self._outputs is None:
            return
        wanted = self._active and (not self._config().lazy or self._outputs.subscribers() > 0)
        if wanted:
            self._inputs.open()
            self._inputs.colours(self._outputs.wanted(POINTS))
        elif self._inputs.opened:
            self._inputs.close()

    def _on_depth(self, message: Any, kind: DepthKind) -> None:
        received_s = time.monotonic()
        self._conflict = ""
        if self._kind is not None and kind is not self._kind:
            self._drop("two_predictions", "both depth/image and depth/inverse come: set prediction to one of them")
            return
        self._kind = kind
        back_ns = self.monitor.received(stamp_ns(message.header.stamp))
        if back_ns:
            self._drop("time_backwards", f"time jumped back by {back_ns / 1e9:.3f} s: a bag that loops?")
        elif self._active and self._worker is not None:
            self._worker.offer(DepthMessage(message, kind, received_s))

    def _process(self, depth: DepthMessage) -> None:
        """In the worker's thread: decode, pair, align, publish."""
        inputs, outputs = self._inputs, self._outputs
        if not self._active or inputs is None or outputs is None:
            return
        try:
            with self.monitor.stage("decode"):
                prediction, calibration = self._decode(depth, inputs)
                view = View(
                    stamp_ns(depth.message.header.stamp),
                    calibration.camera,
                    depth.message.header.frame_id,
                    prediction,
                    self._colour(inputs, outputs, depth.message),
                )
            with self.monitor.stage("reference"):
                match = self._match(view)
            with self.monitor.stage("align"):
                found = self._align(view, match)
            self._publish(depth, view, calibration, found)
        except CameraError as error:
            self._camera_problem = str(error)
            self._drop(error.reason, str(error))
        except FrameError as error:
            self._drop(error.reason, str(error))
        except (ConfigError, DataError) as error:
            self._drop("not_alignable", str(error))

    def _decode(self, depth: DepthMessage, inputs: DepthInputs) -> tuple[DepthPrediction, Calibration]:
        prediction = decode_prediction(depth.message, depth.kind)
        height, width = prediction.values.shape
        found = inputs.infos.match(stamp_ns(depth.message.header.stamp), width, height)
        self._camera_problem = ""
        return prediction, found

    def _colour(self, inputs: DepthInputs, outputs: Outputs, message: Any) -> torch.Tensor | None:
        if not outputs.wanted(POINTS):
            return None
        rgb = inputs.colour_of(stamp_ns(message.header.stamp), (message.height, message.width))
        if rgb is None:
            self._say("colour_missing", "aligned/points are grey: no colour image of the depth's stamp and size came")
            return None
        return torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy())

    def _match(self, view: View) -> ReferenceMatch | None:
        """Samples of the reference; without them the scale goes on as it is."""
        if self._source is None:
            return None
        try:
            match = self._source.samples(view)
        except (FrameError, DataError) as error:
            self._reference_problem = str(error)
            self._say(getattr(error, "reason", "reference"), f"reference not used: {error}")
            return None
        if match is not None:
            self._reference_problem, self._offset_s = "", match.offset_s
        return match

    def _align(self, view: View, match: ReferenceMatch | None) -> Aligned:
        align, tracker = self._options.get(AlignConfig), self._options.get(TrackerConfig)
        self._aligner.configure(align, tracker)
        if match is None:
            found = self._aligner.update(view.prediction, None, view.stamp_ns)
        else:
            found = self._aligner.update(
                view.prediction, match.samples, view.stamp_ns, match.fresh, view.rgb, local=match.local
            )
        self._last = found
        return found

    def _publish(self, depth: DepthMessage, view: View, calibration: Calibration, found: Aligned) -> None:
        config = self._config()
        aligned = found.prediction
        if aligned is None:
            why = self._reference_problem or found.reason
            if not (config.publish_unaligned and view.prediction.kind is DepthKind.METRIC):
                self._drop("unaligned", f"unaligned: {why}")
                return
            self._say("unaligned", f"published as it came, unaligned: {why}")
            aligned = view.prediction
        elif found.alignment is not None and found.alignment.trusted is False and not config.publish_bad:
            assert found.alignment.after is not None
            self._drop("bad_alignment", f"held-out AbsRel {found.alignment.after.abs_rel:.3f} exceeds max_abs_rel")
            return
        assert self._outputs is not None
        rgb = view.rgb if view.rgb is not None else torch.full((*aligned.values.shape, 3), 128, dtype=torch.uint8)
        frame = RgbdFrame(rgb, view.camera, aligned, self._options.get(DepthConfig))
        header = depth.message.header
        with torch.inference_mode():
            publish_aligned(self._outputs, self.monitor, header, frame, calibration.message, config.aligned_encoding)
        age_s = (self.get_clock().now() - Time.from_msg(header.stamp)).nanoseconds / 1e9
        self.monitor.published(time.monotonic() - depth.received_s, age_s)

    # What is said

    def _drop(self, reason: str, sentence: str) -> None:
        self.monitor.dropped(reason, sentence)
        self._say(reason, f"depth dropped ({reason}): {sentence}")

    def _say(self, reason: str, sentence: str) -> None:
        """In the log, the same reason every few seconds only."""
        now = time.monotonic()
        if now - self._logged.get(reason, -_LOG_PERIOD_S) >= _LOG_PERIOD_S:
            self._logged[reason] = now
            self.get_logger().warning(sentence)

    def _on_conflict(self, sentence: str) -> None:
        self._conflict = sentence

    def _on_output_conflict(self, topic: str) -> None:
        self._conflict = (
            f"QoS mismatch: a subscriber of {topic} asks for more than reliable and volatile; ask for less there, or "
            "set qos_overrides here"
        )

    def _reports(self) -> list[Report]:
        config, source, inputs = self._config(), self._source, self._inputs
        facts = source.facts() if source is not None else None
        problem = self._conflict or (facts.problem if facts else "")
        found = AlignmentFacts(
            active=self._active,
            lazy=config.lazy,
            subscribers=self._outputs.subscribers() if self._outputs is not None else 0,
            depth_topics=" or ".join(inputs.topics.values()) if inputs is not None else "",
            depth_publishers=inputs.publishers() if inputs is not None else 0,
            conflict=problem,
            camera_problem=self._camera_problem,
            reference_topics=facts.topics if facts else "",
            reference_publishers=facts.publishers if facts else 0,
            since_reference_s=facts.since_received_s if facts else 0.0,
            reference_problem=self._reference_problem,
            last=self._last,
            max_abs_rel=self._options.get(AlignConfig).max_abs_rel,
            timeout_s=config.input_timeout,
        )
        figures = {"reference": config.reference, **alignment_figures(self._last, self._offset_s)}
        return [Report("", self.monitor, partial(judge_alignment, found), figures)]

    def _place(self) -> tuple[str, str]:
        return self._config().calibration, self._config().calibration_scene

    def _config(self) -> AlignmentNodeConfig:
        return self._options.get(AlignmentNodeConfig)

    def _apply(self) -> None:
        self._aligner.configure(self._options.get(AlignConfig), self._options.get(TrackerConfig))


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros alignment_node`."""
    return run(AlignmentNode)


if __name__ == "__main__":
    sys.exit(main())
