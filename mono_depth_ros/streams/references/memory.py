# SPDX-License-Identifier: Apache-2.0
"""The images before as the reference, where no sensor knows the scale, or none knows it any more."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.motion.memory import DepthMemory
from mono_depth_ros.streams.references.base import CameraPose, Context, Reference, ReferenceMatch, View


class MemoryReference(Reference):
    """What earlier images say of the depth of this one. Beside others it learns their scale, and gives nothing."""

    needs_rgb = True
    local = False
    holds = True
    usual = frozenset({"memory_camera", "memory_few", "memory_gap", "memory_lost", "memory_moving"})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._memory = DepthMemory()
        context.tell(
            "memory holds one scale from image to image; it knows no metres: without another reference they are those "
            "of the network on average, or of no unit for a relative model, and no error that is given says how wrong"
        )

    def add(self, name: str, message: Any) -> None:
        raise AssertionError("it has no inputs")

    def samples(self, view: View) -> ReferenceMatch | None:
        found = self._update(view, None)
        self.given_ns = view.stamp_ns
        return ReferenceMatch(found, view.stamp_ns, 0.0, True, self.local, metric=self._memory.taught, each=True)

    def learn(self, view: View, known: Samples) -> None:
        self._update(view, known)

    def _update(self, view: View, known: Samples | None) -> Samples:
        self.pose = None
        if view.rgb is None:
            raise SamplesError("the image of this depth, in which corners are followed, has not come", "motion_image")
        gray = np.asarray(cv2.cvtColor(view.rgb.cpu().numpy(), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        try:
            return self._memory.update(gray, view.camera, view.prediction, view.stamp_ns, known)
        finally:
            self.pose = CameraPose(self._memory.pose, f"memory {self._memory.worlds}")

    def state(self) -> Any:
        return self._memory.state()

    def restore(self, state: Any) -> None:
        self._memory.restore(state)
