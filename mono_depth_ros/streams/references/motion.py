# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion as the reference: poses, and corners that are followed through the images."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.messages.kinds import ODOMETRY, POSES
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.streams.references.base import Context, Input, Poses, Reference, ReferenceMatch, View
from mono_depth_ros.streams.references.poses import CameraPoses, pose_of


class MotionReference(Reference):
    """Corners that are followed through the images, and the poses of the camera.

    Raises:
        ConfigError: as `CameraPoses`.
    """

    inputs: tuple[Input, ...] = (Input("odom", ODOMETRY, POSES[1:], depth=100),)
    needs_rgb = True
    deviation = 0.03
    usual = frozenset({"motion_still", "motion_few"})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._window = MotionWindow(context.options(MotionConfig))
        self.poses: Poses = context.poses or CameraPoses(context)
        self.inputs = () if context.poses is not None else self.poses.inputs

    def add(self, name: str, message: Any) -> None:
        self.poses.add(message)

    def samples(self, view: View) -> ReferenceMatch | None:
        self.pose, problem = pose_of(self.poses, view)
        self.pose_problem = str(problem or "")
        if not self.poses.known:
            return None
        if self.pose is None:
            assert problem is not None
            raise problem
        if view.rgb is None:
            raise SamplesError("the image of this depth, in which corners are followed, has not come", "motion_image")
        self._window.config = self.context.options(MotionConfig)
        gray = np.asarray(cv2.cvtColor(view.rgb.cpu().numpy(), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        found = self._window.update(gray, view.camera, self.pose.matrix, view.stamp_ns)
        self.given_ns = view.stamp_ns
        return ReferenceMatch(found, view.stamp_ns, 0.0, True, self.local)

    def state(self) -> Any:
        return self._window.state()

    def restore(self, state: Any) -> None:
        self._window.restore(state)
