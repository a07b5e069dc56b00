# SPDX-License-Identifier: Apache-2.0
"""What a robot believes about its way: wheels count it and an IMU knows the vertical, as a filter of both puts it.

The errors are those of real wheels: a diameter that is not quite the one in the driver, a heading that drifts while
the robot moves, a random walk of the distance, and at times a wheel that slips. They add up and are never taken back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.geometry.trajectory import between

STEP_S = 0.02
SLIP_EVERY_S, SLIP_S = 10.0, 1.0
SURE = 1e-4  # metres or radians: standard deviation of what wheels and an IMU do not get wrong

# The camera looks ahead, 0.2 m before the middle of the axle and 0.3 m above it.
BASE_FROM_CAMERA = np.array([[0.0, 0.0, 1.0, 0.2], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.3], [0.0, 0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class OdometryNoise:
    """How wrong the wheels are."""

    scale: float = 0.01  # standard deviation of the factor on the distance, drawn once
    turn_drift_deg: float = 0.2  # degrees a second while the robot moves; to which side is drawn once
    walk: float = 0.01  # standard deviation of the distance after one metre, in metres; grows with its root
    slip: float = 0.0  # the wheels count so much more, a part of 1, for one second in every ten


@dataclass(frozen=True, eq=False)
class Odometry:
    """One message: poses are odom_from_base, 4x4 float64; covariances (6, 6) of x, y, z and the turns about them."""

    pose: np.ndarray
    pose_covariance: np.ndarray
    velocity: np.ndarray  # (6,) metres and radians a second, in the frame of the base
    velocity_covariance: np.ndarray


class WheelOdometry:
    """Odometry of a drive; the same seed gives the same errors, whatever is asked for in which order.

    Args:
        pose: world_from_camera, 4x4, for any time from 0 s on.
    """

    def __init__(self, pose: Callable[[float], np.ndarray], noise: OdometryNoise, seed: int) -> None:
        self._path, self._noise = pose, noise
        self._rng = np.random.Generator(np.random.PCG64([seed, 4]))
        self._scale = 1.0 + noise.scale * float(self._rng.normal())
        self._turn_rate = math.radians(noise.turn_drift_deg) * float(self._rng.choice((-1.0, 1.0)))
        self._slips_at = float(self._rng.uniform(1.0, SLIP_EVERY_S - SLIP_S))
        self._true = [self._base(0.0)]
        start, yaw = np.eye(4), math.atan2(self._true[0][1, 0], self._true[0][0, 0])
        start[:3, :3] = _about_vertical(-yaw) @ self._true[0][:3, :3]
        self._poses, self._way, self._moved = [start], [0.0], [0.0]  # metres driven, seconds of driving

    def at(self, t_s: float) -> Odometry:
        """What the robot believes at a time; before 0 s it stands where it starts."""
        k = max(0, math.floor(t_s / STEP_S + 1e-9))
        while len(self._poses) <= k + 1:
            self._step()
        part = min(max(t_s / STEP_S - k, 0.0), 1.0)
        step = inverse(self._poses[k]) @ self._poses[k + 1]
        velocity = _twist(step) / STEP_S
        way = self._way[k] + part * (self._way[k + 1] - self._way[k])
        moved = self._moved[k] + part * (self._moved[k + 1] - self._moved[k])
        return Odometry(
            between(self._poses[k], self._poses[k + 1], part),
            self._covariance(way, moved),
            velocity,
            np.diag(np.square([SURE + self._noise.scale * abs(velocity[0]), *[SURE] * 4, SURE + abs(self._turn_rate)])),
        )

    def _base(self, t_s: float) -> np.ndarray:
        return self._path(t_s) @ inverse(BASE_FROM_CAMERA)

    def _step(self) -> None:
        k = len(self._poses)
        self._true.append(self._base(k * STEP_S))
        step = inverse(self._true[-2]) @ self._true[-1]
        distance = float(np.linalg.norm(step[:3, 3]))
        moves = distance > 1e-7
        slips = self._slips_at <= (k * STEP_S) % SLIP_EVERY_S < self._slips_at + SLIP_S
        factor = self._scale * (1.0 + self._noise.slip * slips)
        step[:3, 3] *= factor + moves * self._noise.walk * float(self._rng.normal()) / math.sqrt(max(distance, 1e-7))
        believed = self._poses[-1] @ step
        believed[:3, :3] = _about_vertical(self._turn_rate * STEP_S * moves) @ believed[:3, :3]
        self._poses.append(believed)
        self._way.append(self._way[-1] + distance)
        self._moved.append(self._moved[-1] + STEP_S * moves)

    def _covariance(self, way: float, moved_s: float) -> np.ndarray:
        """Of the pose, as a driver would say who knows how good the wheels are; slip is not known to it."""
        turn = abs(self._turn_rate) * moved_s
        along = (self._noise.scale * way) ** 2 + self._noise.walk**2 * way
        across = (0.5 * turn * way) ** 2
        level = SURE**2
        return np.diag([along + across + level, along + across + level, level, level, level, turn**2 + level])


def _twist(step: np.ndarray) -> np.ndarray:
    """(6,) of a small rigid motion: translation, and rotation vector to first order."""
    r = step[:3, :3]
    return np.array([*step[:3, 3], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]) * [1, 1, 1, 0.5, 0.5, 0.5]


def _about_vertical(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
