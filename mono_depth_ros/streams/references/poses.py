# SPDX-License-Identifier: Apache-2.0
"""Where the camera is, for motion as the reference and for results that are combined over time."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np

from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import ConfigError, DataError, FrameError, SamplesError, shown
from mono_depth_ros.geometry.rigid import inverse, rigid_from_text
from mono_depth_ros.geometry.trajectory import Trajectory
from mono_depth_ros.messages.kinds import ODOMETRY, POSES, bare
from mono_depth_ros.messages.pose import pose_matrix
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.streams.references.base import CameraPose, Context, Input, Poses, Reference, ReferenceMatch, View
from mono_depth_ros.streams.references.extrinsics import Extrinsics

_KEPT = 2000  # poses: ten seconds of the fastest odometry
_LATE_NS = 1_000_000_000  # longer, and the poses have ended: none is waited for


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
        self._changed = threading.Condition()  # messages come in another thread
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

    @property
    def fixed_frame(self) -> str:
        """The name of the frame that does not move."""
        return self._odom_frame or self._frames[0]

    def add(self, message: Any) -> None:
        """Keep a pose; one that is none is told of by the next `at`."""
        frames = bare(message.header.frame_id), self._pose_frame or bare(getattr(message, "child_frame_id", ""))
        with self._changed:
            if frames != self._frames:  # another robot or world, or the driver began anew with another name
                self._trajectory, self._frames = Trajectory(kept=_KEPT), frames
            try:
                self._trajectory.add(stamp_ns(message.header.stamp), pose_matrix(message))
                self._invalid = ""
            except ConfigError as error:
                self._invalid = str(error)
            self._changed.notify_all()

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
        with self._changed:
            self._changed.wait_for(lambda: not self._expected(view.stamp_ns), self._context.patience_s)
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

    def _expected(self, at_ns: int) -> bool:
        """Whether the next pose will be the first after that time, as far as anybody knows."""
        return len(self._trajectory) > 0 and 0 < at_ns - self._trajectory.span_ns[1] < _LATE_NS


def pose_of(poses: Poses, view: View) -> tuple[CameraPose, None] | tuple[None, FrameError | DataError]:
    """The pose at an image, or why there is none."""
    try:
        return CameraPose(poses.at(view), poses.fixed_frame), None
    except (FrameError, DataError) as error:
        return None, error


class Posed(Reference):
    """Any reference, with the poses of the camera beside it, which it does not need itself."""

    def __init__(self, context: Context, reference: Reference) -> None:
        super().__init__(context)
        self.reference, self._poses = reference, context.poses or CameraPoses(context)
        self._own = [item.name for item in reference.inputs]
        poses = self._poses.inputs if context.poses is None else ()
        self.inputs = (*reference.inputs, *(replace(item, needed=False) for item in poses))
        self.needs_rgb = reference.needs_rgb

    def add(self, name: str, message: Any) -> None:
        if name in self._own:
            self.reference.add(name, message)
        else:
            self._poses.add(message)

    def samples(self, view: View) -> ReferenceMatch | None:
        self.pose, problem = pose_of(self._poses, view)
        self.pose_problem = str(problem or "")
        return self.reference.samples(view)

    def state(self) -> Any:
        return [self.reference.given_ns, self.reference.state()]

    def restore(self, state: Any) -> None:
        if state is not None:
            self.reference.given_ns = state[0]
            self.reference.restore(state[1])
