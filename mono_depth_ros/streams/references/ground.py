# SPDX-License-Identifier: Apache-2.0
"""The floor as the reference: the height of the camera and, where something tells it, which way is up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mono_depth_ros.alignment.gravity import up_from_attitude, up_from_gravity, up_from_pitch_roll
from mono_depth_ros.alignment.ground import ground_samples
from mono_depth_ros.config import GroundConfig, ReferenceConfig
from mono_depth_ros.errors import ConfigError, DataError, SamplesError
from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.messages.kinds import IMU
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.streams.pairing import Nearest
from mono_depth_ros.streams.references.base import Context, Input, Reference, ReferenceMatch, View
from mono_depth_ros.streams.references.extrinsics import Extrinsics

_KEPT = 400  # messages of an IMU: a second or two


class GroundReference(Reference):
    """No sensor but perhaps `imu`; every image is its own reference, for scale and shift only.

    Up is, in this order: `pitch_deg` and `roll_deg`; z of `base_frame` by `base_from_camera` or transforms; by the IMU,
    once it has been heard; what the floor itself says. The height is `camera_height`, else that of the camera in
    `base_frame`.

    Raises:
        ConfigError: no height, a pitch that is no number, or a base_frame that the camera is not known in.
    """

    local = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._config = config = context.options(GroundConfig)
        self._up = pitched_up(config)
        self._base_from_camera = given_base(config.base_from_camera) if config.base_frame else None
        self._imu: Nearest[Any] = Nearest(_KEPT)
        if config.camera_height == 0 and not config.base_frame:
            raise ConfigError(
                "the height of the camera above the floor is not known: give camera_height in metres, or base_frame, a "
                "frame on the floor, for tf2 to tell it"
            )
        self._based = bool(config.base_frame) and (self._up is None or config.camera_height == 0)
        if self._based and context.transform is None and self._base_from_camera is None:
            raise ConfigError(
                f"base_frame is '{config.base_frame}', but tf2_ros is not installed: give base_from_camera, or "
                "camera_height and pitch_deg instead"
            )
        if not self._based and self._up is None:
            self._extrinsics = Extrinsics(context, required=False)
            self.inputs = (Input("imu", IMU, depth=10, needed=False),)

    def add(self, name: str, message: Any) -> None:
        self._imu.add(stamp_ns(message.header.stamp), message)

    def samples(self, view: View) -> ReferenceMatch | None:
        height_m, up = self._config.camera_height, self._up
        if self._based:
            base_from_cam = self._base_from_camera
            if base_from_cam is None:
                assert self.context.transform is not None
                base_from_cam = self.context.transform(self._config.base_frame, view.frame, view.stamp_ns)
            up = base_from_cam[2, :3] if up is None else up
            height_m = height_m or self._height(float(base_from_cam[2, 3]))
        elif up is None and len(self._imu):
            up = self._from_imu(view)
        found = ground_samples(view.prediction, view.camera, height_m, up)
        return ReferenceMatch(found, view.stamp_ns, 0.0, True, self.local)

    def _height(self, height_m: float) -> float:
        if not height_m > 0:
            raise SamplesError(
                f"the camera is {height_m:.3g} m above '{self._config.base_frame}', expected more than 0: is that "
                "frame on the floor, z up?",
                "ground_height",
            )
        return height_m

    def _from_imu(self, view: View) -> np.ndarray:
        tolerance_s = self.context.options(ReferenceConfig).tolerance
        match = self._imu.nearest(view.stamp_ns, tolerance_s)
        if match is None:
            why = self._imu.why_none(view.stamp_ns, tolerance_s).replace("the reference", "the imu message")
            raise SamplesError(why, "imu_time")
        message = match.thing
        cam_from_imu = self._extrinsics.cam_from(message.header, view)
        q, a = message.orientation, message.linear_acceleration
        try:
            if message.orientation_covariance[0] != -1 and any((q.x, q.y, q.z, q.w)):
                return up_from_attitude((q.x, q.y, q.z, q.w), cam_from_imu)
            self.tell_once(
                "gravity", "the imu knows no orientation: up is taken from its acceleration, true at rest only"
            )
            return up_from_gravity((a.x, a.y, a.z), cam_from_imu)
        except DataError as error:
            raise SamplesError(f"imu: {error}", "imu_invalid") from error


def given_base(text: str) -> np.ndarray | None:
    """(4, 4) of the text of base_from_camera; None for an empty one."""
    try:
        return rigid_from_text(text) if text.strip() else None
    except ConfigError as error:
        raise ConfigError(f"base_from_camera: {error}") from error


def pitched_up(config: GroundConfig) -> np.ndarray | None:
    """(3,) up in the optical frame, as `pitch_deg` and `roll_deg` say it; None where no pitch is given."""
    text = config.pitch_deg.strip()
    if not text:
        return None
    try:
        pitch_deg = float(text)
    except ValueError:
        pitch_deg = math.nan
    if not -90 <= pitch_deg <= 90:
        raise ConfigError(f"pitch_deg is '{text}', expected degrees from -90 to 90, positive looks down")
    return up_from_pitch_roll(pitch_deg, config.roll_deg)
