# SPDX-License-Identifier: Apache-2.0
"""cam_from_reference: given as a parameter, or from tf2 at the reference's stamp. Never an identity by default."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node

from mono_depth_ros.errors import ConfigError, SamplesError
from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.nodes.ros.transforms import TransformLookup, bare, tf2_module

_GIVE = "give the parameter cam_from_reference, 'x y z qx qy qz qw', or install tf2_ros and publish /tf"


class Extrinsics:
    """Where the reference is, seen from the camera.

    Args:
        text: of the parameter cam_from_reference, which goes before tf2; "" asks tf2.
        timeout_s: to wait for a transform that is late.
        required: False for references that may be in the camera's own frame, where none is needed.

    Raises:
        ConfigError: the text is no rigid transform, or one is required and neither the text nor tf2_ros is there.
    """

    def __init__(self, node: Node, text: str, timeout_s: float, required: bool = True) -> None:
        self._fixed = _parsed(text) if text.strip() else None
        self._frame: str | None = None  # that the fixed one is for
        self._tf: TransformLookup | None = None
        if self._fixed is not None:
            return
        if tf2_module() is not None:
            self._tf = TransformLookup(node, timeout_s)
        elif required:
            raise ConfigError(f"where the reference is, seen from the camera, is not known: {_GIVE}")

    @property
    def given(self) -> bool:
        """Whether the parameter fixes it."""
        return self._fixed is not None

    def cam_from(self, header: Any, camera_frame: str) -> np.ndarray:
        """(4, 4) that takes points of a message into the camera's optical frame.

        Raises:
            SamplesError: tf2 has no such transform at the stamp, a frame has no name, or the message is of another
                frame than the ones before, for which the fixed transform is meant.
        """
        frame = bare(header.frame_id)
        if self._fixed is not None:
            return self._of_fixed(frame)
        if not (frame and bare(camera_frame)):
            whose = "the image" if frame else "the reference"
            raise SamplesError(
                f"frame_id of {whose} is empty, expected a name: without one there is no transform", "frame_missing"
            )
        if frame == bare(camera_frame):
            return np.eye(4)  # not a guess: the points are in the camera's own frame
        if self._tf is None:
            raise SamplesError(
                f"the transform from '{frame}' to '{bare(camera_frame)}' is not known: {_GIVE}", "transform_missing"
            )
        return self._tf.lookup(camera_frame, frame, header.stamp)

    def _of_fixed(self, frame: str) -> np.ndarray:
        assert self._fixed is not None
        if self._frame is None:
            self._frame = frame
        if frame != self._frame:
            raise SamplesError(
                f"the reference is in the frame '{frame}', expected '{self._frame}' as before: cam_from_reference is "
                "for that one",
                "reference_frame",
            )
        return self._fixed

    def close(self) -> None:
        """Stop listening to tf."""
        if self._tf is not None:
            self._tf.close()


def _parsed(text: str) -> np.ndarray:
    try:
        return rigid_from_text(text)
    except ConfigError as error:
        raise ConfigError(f"cam_from_reference: {error}") from error
