# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion as the reference: odometry, and corners that are followed through the images."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import ConfigError, DataError, SamplesError, shown
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.geometry.trajectory import Trajectory
from mono_depth_ros.messages.kinds import ODOMETRY, bare
from mono_depth_ros.messages.pose import pose_matrix
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.streams.references.base import Context, Input, Reference, ReferenceMatch, View
from mono_depth_ros.streams.references.extrinsics import Extrinsics

_KEPT = 2000  # poses: ten seconds of the fastest odometry


class MotionReference(Reference):
    """Poses from `odom`, between whose messages they are interpolated, or of the camera in `odom_frame` by transforms.

    Where the camera is on the body whose odometry it is (child_frame_id), transforms or `cam_from_reference` say.

    Raises:
        ConfigError: an odom_frame where transforms are not known.
    """

    inputs: tuple[Input, ...] = (Input("odom", ODOMETRY, depth=100),)
    needs_rgb = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        config = context.options(MotionConfig)
        self._window, self._odom_frame = MotionWindow(config), config.odom_frame
        self._trajectory, self._body = Trajectory(kept=_KEPT), ""
        if self._odom_frame:
            self.inputs = ()
            if context.transform is None:
                raise ConfigError(
                    f"odom_frame is '{self._odom_frame}', but tf2_ros is not installed: leave it empty and publish odom"
                )
        else:
            self._extrinsics = Extrinsics(context, required=False)

    def add(self, name: str, message: Any) -> None:
        if bare(message.child_frame_id) != self._body:  # another robot, or the driver began anew with another name
            self._trajectory, self._body = Trajectory(kept=_KEPT), bare(message.child_frame_id)
        try:
            self._trajectory.add(stamp_ns(message.header.stamp), pose_matrix(message))
        except ConfigError as error:
            raise SamplesError(f"odom: {error}", "odom_invalid") from error

    def samples(self, view: View) -> ReferenceMatch | None:
        if not self._odom_frame and not len(self._trajectory):
            return None
        if view.rgb is None:
            raise SamplesError("the image of this depth, in which corners are followed, has not come", "motion_image")
        world_from_camera = self._pose(view)
        self._window.config = self.context.options(MotionConfig)
        gray = np.asarray(cv2.cvtColor(view.rgb.cpu().numpy(), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        found = self._window.update(gray, view.camera, world_from_camera, view.stamp_ns)
        self.given_ns = view.stamp_ns
        return ReferenceMatch(found, view.stamp_ns, 0.0, True, self.local)

    def state(self) -> Any:
        return self._window.state()

    def restore(self, state: Any) -> None:
        self._window.restore(state)

    def _pose(self, view: View) -> np.ndarray:
        """(4, 4) the fixed frame from the camera, at the stamp of the image."""
        if self._odom_frame:
            assert self.context.transform is not None
            return self.context.transform(self._odom_frame, view.frame, view.stamp_ns)
        try:
            odom_from_body = self._trajectory.at(view.stamp_ns)
        except DataError as error:
            raise SamplesError(str(error), "odom_time") from error
        if not self._extrinsics.given and not self._body:
            raise SamplesError(
                f"child_frame_id of {shown(self.context.topic('odom'))} is empty, expected the frame of the body whose "
                "odometry it is, or cam_from_reference",
                "odom_body",
            )
        cam_from_body = self._extrinsics.cam_from_frame(self._body, view.stamp_ns, view.frame)
        return odom_from_body @ inverse(cam_from_body)
