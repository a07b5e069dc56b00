# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion as the reference: poses, and corners that are followed through the images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import ConfigError, DataError, SamplesError, shown
from mono_depth_ros.geometry.rigid import inverse, rigid_from_text
from mono_depth_ros.geometry.trajectory import Trajectory
from mono_depth_ros.messages.kinds import ODOMETRY, POSES, bare
from mono_depth_ros.messages.pose import pose_matrix
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.streams.references.base import Context, Input, Poses, Reference, ReferenceMatch, View
from mono_depth_ros.streams.references.extrinsics import Extrinsics

_KEPT = 2000  # poses: ten seconds of the fastest odometry


class CameraPoses:
    """Where the camera is in a frame that does not move, at the stamp of an image.

    By the messages of `odom`, between which poses are interpolated, or, with an odom_frame, by transforms. Where the
    camera is on the body whose poses come, transforms at the stamp of the image or `camera_from_pose` say.

    Args:
        context: `given` stands for camera_from_pose where that is empty.
        trajectory: the poses, of pose_frame, where they are known beforehand.

    Attributes:
        inputs: as of Reference.

    Raises:
        ConfigError: an odom_frame where transforms are not known; a camera_from_pose that is none.
    """

    def __init__(self, context: Context, trajectory: Trajectory | None = None) -> None:
        config = context.options(MotionConfig)
        self._context, self._odom_frame = context, config.odom_frame
        self._pose_frame = bare(config.pose_frame)
        self._trajectory, self._frames = trajectory or Trajectory(kept=_KEPT), ("", self._pose_frame)
        self._invalid = ""
        self.inputs: tuple[Input, ...] = (
            () if self._odom_frame or trajectory else (Input("odom", ODOMETRY, POSES[1:], depth=100),)
        )
        if self._odom_frame and context.transform is None:
            raise ConfigError(
                f"odom_frame is '{self._odom_frame}', but tf2_ros is not installed: leave it empty and publish odom"
            )
        name = "camera_from_pose" if config.camera_from_pose or context.given is None else "cam_from_reference"
        try:
            given = rigid_from_text(config.camera_from_pose) if config.camera_from_pose.strip() else context.given
        except ConfigError as error:
            raise ConfigError(f"camera_from_pose: {error}") from error
        self._extrinsics = Extrinsics(replace(context, given=given), required=False, parameter=name)

    @property
    def known(self) -> bool:
        """Whether there can be poses by now."""
        return bool(self._odom_frame or self._invalid) or len(self._trajectory) > 0

    def add(self, message: Any) -> None:
        """Keep a pose; one that is none is told of by the next `at`."""
        frames = bare(message.header.frame_id), self._pose_frame or bare(getattr(message, "child_frame_id", ""))
        if frames != self._frames:  # another robot or world, or the driver began anew with another name
            self._trajectory, self._frames = Trajectory(kept=_KEPT), frames
        try:
            self._trajectory.add(stamp_ns(message.header.stamp), pose_matrix(message))
            self._invalid = ""
        except ConfigError as error:
            self._invalid = str(error)

    def at(self, view: View) -> np.ndarray:
        """(4, 4) the fixed frame from the camera.

        Raises:
            FrameError, DataError: it is not known; the sentence says why.
        """
        if self._odom_frame:
            assert self._context.transform is not None
            return self._context.transform(self._odom_frame, view.frame, view.stamp_ns)
        topic = shown(self._context.topic("odom"))
        if self._invalid:
            raise SamplesError(f"{topic}: {self._invalid}", "odom_invalid")
        try:
            fixed_from_body = self._trajectory.at(view.stamp_ns)
        except DataError as error:
            raise SamplesError(str(error), "odom_time") from error
        body = self._frames[1]
        if not self._extrinsics.given and not body:
            raise SamplesError(
                f"{topic} does not say which frame its poses are of (child_frame_id of "
                "Odometry, which poses have not): give pose_frame or camera_from_pose",
                "odom_body",
            )
        return fixed_from_body @ inverse(self._extrinsics.cam_from_frame(body, view, view.stamp_ns))


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
        if not self.poses.known:
            return None
        if view.rgb is None:
            raise SamplesError("the image of this depth, in which corners are followed, has not come", "motion_image")
        world_from_camera = self.poses.at(view)
        self._window.config = self.context.options(MotionConfig)
        gray = np.asarray(cv2.cvtColor(view.rgb.cpu().numpy(), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        found = self._window.update(gray, view.camera, world_from_camera, view.stamp_ns)
        self.given_ns = view.stamp_ns
        return ReferenceMatch(found, view.stamp_ns, 0.0, True, self.local)

    def state(self) -> Any:
        return self._window.state()

    def restore(self, state: Any) -> None:
        self._window.restore(state)
