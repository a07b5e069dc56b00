# SPDX-License-Identifier: Apache-2.0
"""A network whose prompt is the samples of an image: metric depth, and how right it is."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch

from mono_depth_ros.alignment.align import consistent, error_histogram, per_frame, usable
from mono_depth_ros.alignment.aligner import Aligned
from mono_depth_ros.alignment.prompted import HeldBack, held_back, prompted_alignment
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import FitError, ModelError, SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import DepthModel, PromptedModel
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.transfer import upload

_WIDER = 0.02
"""Of the range: outliers that widen it by more than this change the depth of the whole picture."""


class PromptedAligner:
    """As `Aligner` for a prediction and samples, for an image and samples; nothing is kept from image to image."""

    def __init__(self, model: DepthModel) -> None:
        """Raises ModelError: the model takes no prompt."""
        check_takes_prompt(model.spec.name, model.spec.needs_prompt)
        self.model = cast(PromptedModel, model)

    @torch.inference_mode()
    def update(
        self, rgb: torch.Tensor, camera: Camera, samples: Samples, stamp_ns: int, config: AlignConfig
    ) -> Aligned:
        """The depth of one image.

        The samples that the others contradict, by the depth of all, are left out; where they had widened the range that
        depth can have, the network runs once more without them.

        Args:
            rgb: (H, W, 3) uint8. samples: of this image. stamp_ns: of the image.

        Returns:
            With an alignment whose fit changes nothing.

        Raises:
            SamplesError: reason `prompt`, the samples are no prompt. FrameError: the model cannot read the image.
            DataError: samples of an image of another size.
        """
        config = per_frame(config, stamp_ns)
        prediction, back = self._predict(rgb, camera, samples, config)
        try:
            kept, note = consistent(prediction, usable(prediction, samples), config, rgb)
        except FitError as error:
            raise SamplesError(f"the prompt contradicts itself: {error}", "prompt") from error
        if not len(kept):
            raise SamplesError("the samples of the prompt contradict each other, all of them", "prompt")
        outliers = 1 - len(kept) / max(len(samples), 1)
        if _wider(samples, kept):
            prediction, back = self._predict(rgb, camera, kept, config)
        elif len(kept) < len(samples):
            back = _among(back, samples, kept)
        guide = upload(rgb, prediction.values.device)
        alignment = prompted_alignment(prediction, kept, back, config, guide, outliers)
        left_out = alignment.left_out
        return Aligned(
            alignment.apply(prediction),
            alignment,
            "aligned",
            0.0,
            note,
            len(kept),
            0 if left_out is None else len(left_out),
            None if left_out is None else error_histogram(left_out),
        )

    def _predict(
        self, rgb: torch.Tensor, camera: Camera, samples: Samples, config: AlignConfig
    ) -> tuple[DepthPrediction, HeldBack | None]:
        """With all samples, and without some, in one run of the network."""
        number = held_back(samples, config.seed) if config.held_out > 0 else np.zeros(0, dtype=np.int64)
        prompts = [samples]
        if len(number):
            rest = np.ones(len(samples), dtype=bool)
            rest[number] = False
            part = samples.select(rest)
            if np.ptp(part.depth) > 0:
                prompts.append(part)
        images = rgb.expand(len(prompts), -1, -1, -1)
        found = self.model.predict(images, [camera] * len(prompts), prompts)
        return found[0], HeldBack(number, found[1]) if len(found) > 1 else None


def check_takes_prompt(name: str, needs_prompt: bool) -> None:
    """Raise ModelError for a model that takes no prompt."""
    if not needs_prompt:
        raise ModelError(
            f"the model {name} takes no prompt, expected one such as prompt_depth_anything_small: others run in the "
            "depth node, whose depth is aligned"
        )


def _wider(samples: Samples, kept: Samples) -> bool:
    if not len(kept) or len(kept) == len(samples):
        return False
    wide, narrow = float(np.ptp(samples.depth)), float(np.ptp(kept.depth))
    return not math.isclose(wide, narrow, rel_tol=_WIDER)


def _among(back: HeldBack | None, samples: Samples, kept: Samples) -> HeldBack | None:
    """What was held back, numbered among those that are kept."""
    if back is None:
        return None
    place = np.full(samples.size[0] * samples.size[1], -1, dtype=np.int64)
    place[kept.pixels] = np.arange(len(kept))
    number = place[samples.pixels[back.number]]
    return HeldBack(np.sort(number[number >= 0]), back.prediction)
