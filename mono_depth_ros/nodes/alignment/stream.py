# SPDX-License-Identifier: Apache-2.0
"""The way of a prediction through the alignment node, in the worker's thread: decode, match, align, publish."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time

from mono_depth_ros.alignment.aligner import Aligned, Aligner
from mono_depth_ros.config import AlignConfig, AlignmentNodeConfig, DepthConfig, ReferenceConfig, TrackerConfig
from mono_depth_ros.errors import CameraError, ConfigError, DataError, FrameError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.alignment.colours import Colours
from mono_depth_ros.nodes.alignment.inputs import DepthInputs, DepthMessage, decode_prediction
from mono_depth_ros.nodes.alignment.references import Source
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.cameras import Calibration
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.outputs import ALIGNED_POINTS
from mono_depth_ros.streams.references.base import ReferenceMatch, View

_LOG_PERIOD_S = 5.0  # between two log lines about the same reason


class AlignmentStream:
    """Takes depth messages, one after the other, to aligned ones.

    Attributes:
        last: what became of the last image that got as far; None before the first. offset_s: reference minus image.
        camera_problem, reference_problem, colour_problem: what was wrong with them for the last image, or "".
    """

    def __init__(
        self,
        node: LifecycleNode,
        options: Parameters,
        monitor: Monitor,
        aligner: Aligner,
        inputs: DepthInputs,
        colours: Colours,
        source: Source | None,
        outputs: Outputs,
    ) -> None:
        self._node, self._options, self._monitor, self._aligner = node, options, monitor, aligner
        self._inputs, self._colours, self._source, self._outputs = inputs, colours, source, outputs
        self.last: Aligned | None = None
        self.offset_s = math.nan
        self.camera_problem = self.reference_problem = self.colour_problem = ""
        self._logged: dict[str, float] = {}

    def process(self, depth: DepthMessage) -> None:
        """Align one message and publish it, or drop it for a reason that is counted and said."""
        # torch has this number for each thread: it holds for the one that works here.
        if torch.get_num_threads() != (threads := self._options.get(AlignmentNodeConfig).alignment_threads):
            torch.set_num_threads(threads)
        try:
            with self._monitor.stage("decode"):
                view, calibration = self._decode(depth)
            with self._monitor.stage("reference"):
                match = self._match(view)
            with self._monitor.stage("align"):
                self.last = found = self._align(view, match)
            self._publish(depth, view, calibration, found)
        except FrameError as error:
            self.camera_problem = str(error) if isinstance(error, CameraError) else ""
            self.drop(error.reason, str(error))
        except (ConfigError, DataError) as error:
            self.drop("not_alignable", str(error))

    def drop(self, reason: str, sentence: str) -> None:
        """Count a dropped message and say why."""
        self._monitor.dropped(reason, sentence)
        self._say(reason, f"depth dropped ({reason}): {sentence}")

    def _decode(self, depth: DepthMessage) -> tuple[View, Calibration]:
        header = depth.message.header
        prediction = decode_prediction(depth.message, depth.kind)
        height, width = prediction.values.shape
        found = self._inputs.infos.match(stamp_ns(header.stamp), width, height)
        self.camera_problem = ""
        return View(stamp_ns(header.stamp), found.camera, header.frame_id, prediction, self._rgb(depth.message)), found

    def _rgb(self, message: Any) -> torch.Tensor | None:
        """The image's colours, while somebody wants the cloud."""
        if not self._outputs.wanted(ALIGNED_POINTS):
            self.colour_problem = ""
            return None
        tolerance_s = self._options.get(ReferenceConfig).tolerance
        try:
            rgb = self._colours.of(stamp_ns(message.header.stamp), (message.height, message.width), tolerance_s)
        except FrameError as error:
            self.colour_problem = f"aligned/points has no colour: {error}"
            self._say(error.reason, self.colour_problem)
            return None
        self.colour_problem = ""
        # torch takes no read-only arrays, which views of immutable bytes are.
        return torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy())

    def _match(self, view: View) -> ReferenceMatch | None:
        """Samples of the reference; without them the scale goes on as it is."""
        if self._source is None:
            return None
        try:
            match = self._source.samples(view)
        except (FrameError, DataError) as error:
            self.reference_problem = str(error)
            self._say(getattr(error, "reason", "reference"), f"reference not used: {error}")
            return None
        if match is not None:
            self.reference_problem, self.offset_s = "", match.offset_s
        return match

    def _align(self, view: View, match: ReferenceMatch | None) -> Aligned:
        config = self._options.get(AlignConfig)
        if self._source is not None:
            config = self._source.reference.align_config(config)
        self._aligner.configure(config, self._options.get(TrackerConfig))
        if match is None:
            return self._aligner.update(view.prediction, None, view.stamp_ns)
        return self._aligner.update(
            view.prediction, match.samples, view.stamp_ns, match.fresh, view.rgb, local=match.local
        )

    def _publish(self, depth: DepthMessage, view: View, calibration: Calibration, found: Aligned) -> None:
        config = self._options.get(AlignmentNodeConfig)
        aligned = found.prediction
        if aligned is None:
            why = f"unaligned: {self.reference_problem or found.reason}"
            if not (config.publish_unaligned and view.prediction.kind is DepthKind.METRIC):
                self.drop("unaligned", why)
                return
            self._say("unaligned", f"depth is published as it came, {why}")
            aligned = view.prediction
        elif found.alignment is not None and found.alignment.trusted is False and not config.publish_bad:
            assert found.alignment.after is not None
            limit = self._options.get(AlignConfig).max_abs_rel
            self.drop(
                "bad_alignment", f"held-out AbsRel {found.alignment.after.abs_rel:.3f} exceeds max_abs_rel {limit:g}"
            )
            return
        header = depth.message.header
        with torch.inference_mode():
            rgb = view.rgb if view.rgb is not None else torch.zeros((*aligned.values.shape, 3), dtype=torch.uint8)
            frame = Frame(rgb, view.camera, aligned, self._options.get(DepthConfig))
            self._outputs.publish(
                self._monitor, header, frame, calibration.message, config.aligned_encoding, view.rgb is not None
            )
        age_s = (self._node.get_clock().now() - Time.from_msg(header.stamp)).nanoseconds / 1e9
        self._monitor.published(time.monotonic() - depth.received_s, age_s)

    def _say(self, reason: str, sentence: str) -> None:
        """In the log, the same reason every few seconds only."""
        now = time.monotonic()
        if now - self._logged.get(reason, -_LOG_PERIOD_S) >= _LOG_PERIOD_S:
            self._logged[reason] = now
            self._node.get_logger().warning(sentence)
