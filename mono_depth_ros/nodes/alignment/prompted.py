# SPDX-License-Identifier: Apache-2.0
"""The way of an image through the alignment node where a network makes the depth, with the reference as its prompt."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from mono_depth_ros.alignment.aligner import Aligned, Aligner
from mono_depth_ros.config import AlignConfig, ImageConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.alignment.inputs import ImageInputs
from mono_depth_ros.nodes.alignment.stream import AlignmentStream, DepthJob
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.prompting import PromptedAligner
from mono_depth_ros.streams.cameras import Calibration
from mono_depth_ros.streams.images import ImageReader
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.references.base import ReferenceMatch, View


class PromptedStream(AlignmentStream):
    """Takes images, one by one, to depth that follows the reference; see `AlignmentStream`.

    Args:
        prompted: has the model.
    """

    def __init__(
        self,
        session: Session[Any],
        monitor: Monitor,
        options: Parameters,
        aligner: Aligner,
        prompted: PromptedAligner,
    ) -> None:
        super().__init__(session, monitor, options, aligner)
        self._prompted = prompted
        self._reader = ImageReader(lambda: options.get(ImageConfig), session.node.get_logger().warning)

    def new_inputs(self) -> ImageInputs:
        """Images."""
        return ImageInputs(self._session.node, self._config(), self._on_image, self.monitor.loss)

    def _on_image(self, message: Any, received_s: float) -> None:
        self._on_depth(message, DepthKind.METRIC, received_s)

    def _wants_colours(self) -> bool:
        return False  # the image is at hand

    def _decode(self, job: DepthJob) -> tuple[View, Calibration]:
        message = job.message
        found = self._inputs.infos.match(stamp_ns(message.header.stamp), *self._reader.size(message))
        rgb = self._reader.rgb(message)
        pixels = torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy())
        nothing = DepthPrediction(torch.full(rgb.shape[:2], torch.nan), DepthKind.METRIC)
        return View(stamp_ns(message.header.stamp), found.camera, message.header.frame_id, nothing, pixels), found

    def _align(self, view: View, match: ReferenceMatch | None) -> Aligned:
        try:
            found = self._predict(view, match)
        except FrameError as error:  # the state is that of this image, not of the last one that had a prompt
            self.last = Aligned(None, None, "unaligned", math.nan, str(error))
            raise
        return replace(found, prediction=_on_host(found.prediction))

    def _predict(self, view: View, match: ReferenceMatch | None) -> Aligned:
        if match is None:
            why = self.reference_problem or "nothing of the reference has come yet"
            raise FrameError(f"no prompt: {why}", "prompt")
        assert view.rgb is not None
        config = match.align_config(self._options.get(AlignConfig))
        try:
            return self._prompted.update(view.rgb, view.camera, match.samples, view.stamp_ns, config)
        except DataError as error:
            raise FrameError(str(error), "not_alignable") from error


def _on_host(prediction: DepthPrediction | None) -> DepthPrediction | None:
    if prediction is None or prediction.values.device.type == "cpu":
        return prediction
    given = {name: getattr(prediction, name) for name in ("values", "confidence", "normals", "uncertainty")}
    return replace(prediction, **{name: value.cpu() for name, value in given.items() if value is not None})
