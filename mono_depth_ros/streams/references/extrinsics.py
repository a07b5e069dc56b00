# SPDX-License-Identifier: Apache-2.0
"""Where a reference is, seen from the camera: given, or by transforms at its stamp. Never an identity by default."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import ConfigError, SamplesError, shown
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import info_matrix
from mono_depth_ros.messages.kinds import bare
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.streams.references.base import Context, View

_SAME = 1e-3  # of the focal length: intrinsics that went through text and back


class Extrinsics:
    """cam_from_reference of each message, at the stamp of the image: a camera may pan and tilt on its robot.

    With the parameter odom_frame the way of the robot from the message to the image counts too.

    Args:
        required: False for references that may be in the camera's own frame, where none is needed.
        parameter: what `context.given` comes from.

    Raises:
        ConfigError: it is required, and neither given nor can it be asked for.
    """

    def __init__(self, context: Context, required: bool = True, parameter: str = "cam_from_reference") -> None:
        self._fixed, self._transform = context.given, context.transform
        self._odom_frame = bare(context.options(MotionConfig).odom_frame)
        self._frame: str | None = None  # that the given one is for
        self._parameter = parameter
        if required and self._fixed is None and self._transform is None:
            raise ConfigError(
                f"where the reference is, seen from the camera, is not known: give the parameter {parameter}, "
                "'x y z qx qy qz qw', or install tf2_ros and publish /tf"
            )

    @property
    def given(self) -> bool:
        """Whether the user fixed it."""
        return self._fixed is not None

    def cam_from(self, header: Any, view: View) -> np.ndarray:
        """(4, 4) that takes points of a message into the optical frame that the camera has at the image's stamp.

        Raises:
            FrameError, DataError: there is no such transform at the stamp, a frame has no name, or the message is of
                another frame than the ones before, for which the given transform is meant.
        """
        return self.cam_from_frame(bare(header.frame_id), view, stamp_ns(header.stamp))

    def cam_from_frame(self, frame: str, view: View, at_ns: int) -> np.ndarray:
        """`cam_from` of a frame at a stamp."""
        camera_frame = view.frame
        if self._fixed is not None:
            return self._of_fixed(self._fixed, frame)
        if not (frame and bare(camera_frame)):
            whose = "the image" if frame else "the reference"
            raise SamplesError(
                f"frame_id of {whose} is empty, expected a name: without one there is no transform", "frame_missing"
            )
        moves = self._odom_frame and self._transform is not None and at_ns != view.stamp_ns
        if frame == bare(camera_frame) and not moves:
            return np.eye(4)  # not a guess: the points are in the camera's own frame
        if self._transform is None:
            raise SamplesError(
                f"the transform from '{shown(frame)}' to '{shown(bare(camera_frame))}' is not known: give the "
                f"parameter {self._parameter}, 'x y z qx qy qz qw', or install tf2_ros and publish /tf",
                "transform_missing",
            )
        if moves:
            odom_from_reference = self._transform(self._odom_frame, frame, at_ns)
            return self._transform(camera_frame, self._odom_frame, view.stamp_ns) @ odom_from_reference
        return self._transform(camera_frame, frame, view.stamp_ns)

    def of_rectified(self, found: np.ndarray, header: Any, rectified: Camera, info: Any, view: View) -> np.ndarray:
        """`found`, which is `cam_from`, for a rectified image: with the turn that no frame_id tells.

        Rectified and raw images of one camera have one frame_id, and yet stereo calibration turns each camera by R,
        often by a degree and more, which are ten pixels and more. Where the image at hand is the rectified one, as its
        intrinsics tell, nothing is turned.

        Args:
            rectified: P of `info`, the sensor_msgs/CameraInfo of the reference.

        Raises:
            SamplesError: reason `reference_camera_info`: R is no rotation. Else as `cam_from`.
        """
        if self.given or not same_frame(header, view):
            return found
        R = np.reshape(info_matrix(info, "r"), (3, 3))  # rectified_from_raw
        if not R.any() or _is(view.camera, rectified):  # a driver that leaves R zero has not said that it turns
            return found
        if np.abs(R @ R.T - np.eye(3)).max() > 1e-3 or np.linalg.det(R) < 0:
            numbers = " ".join(f"{value:.3g}" for value in R.ravel().tolist())
            raise SamplesError(
                f"R of the reference's camera_info is {numbers}: not a rotation", "reference_camera_info"
            )
        raw_from_rectified = np.eye(4)
        raw_from_rectified[:3, :3] = R.T
        return found @ raw_from_rectified

    def _of_fixed(self, fixed: np.ndarray, frame: str) -> np.ndarray:
        if self._frame is None:
            self._frame = frame
        if frame != self._frame:
            raise SamplesError(
                f"the reference is in the frame '{shown(frame)}', expected '{shown(self._frame)}' as before: "
                f"{self._parameter} is for that one",
                "reference_frame",
            )
        return fixed


def same_frame(header: Any, view: View) -> bool:
    """Whether a message is in the frame of the image."""
    return bool(bare(header.frame_id)) and bare(header.frame_id) == bare(view.frame)


def _is(camera: Camera, rectified: Camera) -> bool:
    if not camera.rectified:
        return False
    same = rectified.resized(camera.width, camera.height)
    return bool(np.abs(same.matrix - camera.matrix).max() < max(_SAME * camera.fx, 0.01))
