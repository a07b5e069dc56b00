# SPDX-License-Identifier: Apache-2.0
"""The way of a prediction through the alignment node: decode, match, align, publish."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from mono_depth_ros import transport
from mono_depth_ros.alignment.aligner import Aligned, Aligner
from mono_depth_ros.config import (
    AlignConfig,
    AlignmentNodeConfig,
    DepthConfig,
    ImageConfig,
    MotionConfig,
    ReferenceConfig,
    TrackerConfig,
)
from mono_depth_ros.errors import ConfigError, DataError, FrameError
from mono_depth_ros.media.images import check_pixels
from mono_depth_ros.messages.image import image_size
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.motion.fusion import Fusion
from mono_depth_ros.nodes.alignment.colours import Colours
from mono_depth_ros.nodes.alignment.health import AlignmentFacts
from mono_depth_ros.nodes.alignment.inputs import DepthInputs, ImageInputs, decode_prediction
from mono_depth_ros.nodes.alignment.references import Source
from mono_depth_ros.nodes.obstacles import obstacle_sources, said_of
from mono_depth_ros.nodes.ros.middleware import rmw
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.nodes.ros.stream import Job, MessageStream
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.cameras import Calibration
from mono_depth_ros.streams.health import Feed
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.obstacles import Finding
from mono_depth_ros.streams.outputs import ALIGNED_POINTS, ALIGNED_UNCERTAINTY, aligned_outputs
from mono_depth_ros.streams.references.base import ReferenceMatch, View


@dataclass(frozen=True)
class DepthJob(Job):
    """A message of depth, of the kind that its topic has."""

    kind: DepthKind


class AlignmentStream(MessageStream):
    """What the alignment node has from configure to cleanup; takes depth messages, one by one, to aligned ones.

    Args:
        session: that it belongs to, and that closes what is opened here. options: with the configurations of the node.

    Attributes:
        aligner: scale and shift. outputs: the publishers. reference: what fixes the scale; None for none.
        last: what became of the last image that got as far; None before the first. offset_s: reference minus image.
        obstacles: finds them, where they are asked for.
        fusion: with the results before, if that is wanted. metric: the last samples were metres, as of ReferenceMatch.
        reference_problem, colour_problem, fuse_problem: what was wrong with them for the last image, or "".
    """

    def __init__(self, session: Session[Any], monitor: Monitor, options: Parameters, aligner: Aligner) -> None:
        super().__init__(session.node, monitor, "depth")
        self._session, self._options, self.aligner = session, options, aligner
        config = self._config()
        self.outputs = Outputs(session, self, aligned_outputs(config.obstacles), lambda: self._config().cloud_rate)
        self.reference: Source | None = None
        if config.reference != "none":
            self.reference = Source(session.node, config, options)
            session.closing(self.reference.close)
        transforms = self.reference.transforms if self.reference is not None else None
        (self.obstacles,) = obstacle_sources(session, options, config, transforms=transforms)
        self._colours = Colours(session.node, config.image_transport, lambda: options.get(ImageConfig))
        session.closing(lambda: self._colours.open(False))
        self._inputs = self.new_inputs()
        session.closing(self._inputs.close)
        self.last: Aligned | None = None
        self.offset_s, self.metric = math.nan, True
        self.reference_problem = self.colour_problem = self.fuse_problem = ""
        self.fusion = Fusion()

    def new_inputs(self) -> DepthInputs | ImageInputs:
        """What is aligned."""
        return DepthInputs(self._session.node, self._config, self._on_depth, self.monitor.loss)

    def topics(self) -> str:
        """What is aligned by what, in words."""
        topics = ", ".join(self.reference.topics()) if self.reference is not None else ""
        by = topics or self._config().reference
        return f"{self._inputs.feed.topics} by {by}" if self.reference is not None else self._inputs.feed.topics

    def follow_subscribers(self) -> None:
        """Ask for depth while somebody wants it aligned: this is what makes a lazy depth node run."""
        if self._session.active and (not self._config().lazy or self.outputs.subscribers() > 0):
            self._inputs.open()
        else:
            self._inputs.close()
        self._colours.open(self._inputs.opened and self._wants_colours())
        if self.reference is not None:
            self.reference.listen(self._inputs.opened)

    def _wants_colours(self) -> bool:
        return self.reference is not None or self.outputs.wanted(ALIGNED_POINTS)

    def process(self, depth: DepthJob) -> None:
        """Align one message and publish it; in the worker's thread.

        Raises:
            FrameError: the message is dropped for a reason.
        """
        with self.monitor.stage("decode"):
            view, calibration = self._decode(depth)
        with self.monitor.stage("reference"):
            match = self._match(view)
        with self.monitor.stage("align"):
            self.last = found = self._align(view, match)
        self._session.check()
        aligned = self._publishable(view, found)
        if self._options.get(MotionConfig).fuse and found.prediction is not None:
            with self.monitor.stage("fuse"):
                aligned = self._fused(view, aligned)
        self._publish(depth, view, calibration, aligned)

    def _decode(self, depth: DepthJob) -> tuple[View, Calibration]:
        header = depth.message.header
        width, height = image_size(depth.message)
        check_pixels(width, height, self._options.get(ImageConfig).max_image_pixels)
        found = self._inputs.infos.match(stamp_ns(header.stamp), width, height)
        prediction = decode_prediction(depth.message, depth.kind)
        return View(stamp_ns(header.stamp), found.camera, header.frame_id, prediction, self._rgb(depth.message)), found

    def _rgb(self, message: Any) -> torch.Tensor | None:
        """The image that the depth is of: colours of the cloud, a guide to the alignment, and what motion looks at.

        With a reference it is looked for whether or not somebody wants the cloud: depth must not hang on that.
        """
        coloured = self.outputs.wanted(ALIGNED_POINTS)
        self.colour_problem = ""
        if self.reference is None and not coloured:
            return None
        exact = self.reference is not None and self.reference.reference.needs_rgb
        tolerance_s = 0.0 if exact else self._options.get(ReferenceConfig).tolerance
        try:
            rgb = self._colours.of(stamp_ns(message.header.stamp), (message.height, message.width), tolerance_s)
        except FrameError as error:
            if coloured:
                self.colour_problem = f"aligned/points has no colour: {error}"
                self.log.warning(error.reason, self.colour_problem)
            return None
        # torch takes no read-only arrays, which views of immutable bytes are.
        return torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy())

    def _match(self, view: View) -> ReferenceMatch | None:
        """Samples of the reference; without them the scale goes on as it is."""
        if self.reference is None:
            return None
        try:
            match = self.reference.samples(view)
        except (FrameError, DataError) as error:
            self.reference_problem = str(error)
            self.log.warning(getattr(error, "reason", "reference"), f"reference not used: {error}")
            return None
        if match is not None:
            self.reference_problem, self.offset_s = self.reference.problem, match.offset_s
            self.metric = match.metric
        return match

    def _align(self, view: View, match: ReferenceMatch | None) -> Aligned:
        config = self._options.get(AlignConfig)
        config = match.align_config(config) if match is not None else config
        tracker = self._options.get(TrackerConfig)
        self.aligner.configure(config, match.tracker_config(tracker) if match is not None else tracker)
        wanted = self.outputs.wanted(ALIGNED_UNCERTAINTY) or self._options.get(MotionConfig).fuse
        limited = self._options.get(DepthConfig).max_relative_error > 0
        wanted |= not self.outputs.wanted_options().isdisjoint(("obstacles", "scan", *(("points",) if limited else ())))
        try:
            if match is None:
                return self.aligner.update(view.prediction, None, view.stamp_ns, uncertainty=wanted)
            return self.aligner.update(
                view.prediction,
                match.samples,
                view.stamp_ns,
                match.fresh,
                view.rgb,
                local=match.local,
                uncertainty=wanted,
            )
        except (ConfigError, DataError) as error:
            raise FrameError(str(error), "not_alignable") from error

    def _publishable(self, view: View, found: Aligned) -> DepthPrediction:
        """The depth to publish, or the FrameError for which there is none."""
        config, alignment = self._config(), found.alignment
        if found.prediction is None:
            why = f"unaligned: {self.reference_problem or found.reason}"
            if not (config.publish_unaligned and view.prediction.kind is DepthKind.METRIC):
                raise FrameError(why, "unaligned")
            self.log.warning("unaligned", f"depth is published as it came, {why}")
            return view.prediction
        if alignment is not None and alignment.trusted is False and not config.publish_bad:
            assert alignment.after is not None
            limit = self._options.get(AlignConfig).max_abs_rel
            raise FrameError(
                f"held-out AbsRel {alignment.after.abs_rel:.3f} exceeds max_abs_rel {limit:g}", "bad_alignment"
            )
        return found.prediction

    def _fused(self, view: View, aligned: DepthPrediction) -> DepthPrediction:
        """With the results before, where the pose of the camera is known; this one alone else, and it says so."""
        reference = self.reference.reference if self.reference is not None else None
        pose = reference.pose if reference is not None else None
        self.fuse_problem = ""
        if pose is None:
            why = reference.pose_problem if reference is not None else "reference is none"
            self.fuse_problem = f"results are not combined, the pose of the camera is not known: {why}"
            self.log.warning("fuse", self.fuse_problem)
            return self.fusion.update(aligned, view.camera, None, view.stamp_ns)
        return self.fusion.update(aligned, view.camera, pose.matrix, view.stamp_ns, pose.world)

    def _publish(self, depth: DepthJob, view: View, calibration: Calibration, aligned: DepthPrediction) -> None:
        header, encoding = depth.message.header, self._config().aligned_encoding
        with torch.inference_mode():
            rgb = view.rgb if view.rgb is not None else torch.zeros((*aligned.values.shape, 3), dtype=torch.uint8)
            frame = Frame(rgb, view.camera, aligned, self._options.get(DepthConfig))
            known = self.outputs.publish(
                header,
                frame,
                calibration.message,
                encoding,
                coloured=view.rgb is not None,
                obstacles=Finding(self.obstacles, frame, header) if self.obstacles is not None else None,
            )
        self.published(header, depth.received_s, known)

    def _on_depth(self, message: Any, kind: DepthKind, received_s: float) -> None:
        if self.arrived(message):
            self._session.offer(DepthJob(self, message, received_s, kind))

    def facts(self) -> AlignmentFacts:
        """What the health sentence needs to know at this moment."""
        config, depth, info = self._config(), self._inputs.feed, self._inputs.camera_info
        reference = self.reference.feed() if self.reference is not None else Feed()
        no_obstacles, doubtful = said_of(self.obstacles, self.outputs)
        return AlignmentFacts(
            lazy=config.lazy,
            subscribers=self.outputs.subscribers(),
            qos_conflict=depth.conflict or info.conflict or reference.conflict or self.outputs.conflict,
            depth=depth,
            depth_quarrel=self._inputs.quarrel,
            of_image=isinstance(self._inputs, ImageInputs),
            camera_info=info,
            camera_info_known=self._inputs.infos.known(),
            camera_problem=self.camera_problem,
            colour_problem=self.colour_problem,
            fuse_problem=self.fuse_problem,
            reference=reference,
            reference_problem=self.reference_problem,
            last=self.last,
            metric=self.metric,
            max_abs_rel=self._options.get(AlignConfig).max_abs_rel,
            publish_bad=config.publish_bad,
            timeout_s=config.input_timeout,
            remedy=transport.remedy(rmw(), "both nodes"),
            no_depth=self.usable.nothing(),
            few=self.usable.few(config.min_depth_fraction),
            no_obstacles=no_obstacles,
            obstacle_concern=doubtful,
        )

    def _config(self) -> AlignmentNodeConfig:
        return self._options.get(AlignmentNodeConfig)
