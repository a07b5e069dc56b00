# SPDX-License-Identifier: Apache-2.0
"""A spinning lidar in the synthetic world: exact ranges first, then the sensor's noise and dropouts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mono_depth_ros.errors import ConfigError

if TYPE_CHECKING:
    from mono_depth_ros.world.world import World

# Optical axes of a quadrant's virtual camera in the lidar's frame turned to that quadrant: x right = -y, y down = -z.
_LIDAR_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
QUADRANTS = 4
MIN_RANGE_M = 0.1
RAY_WIDTH = 2e-3  # beam divergence, radians


def roof_mount() -> np.ndarray:
    """camera_from_lidar, 4x4 float64: the lidar 12 cm above and 8 cm behind the camera, turned 1 degree in yaw."""
    yaw = math.radians(1.0)
    turn = np.array([[math.cos(yaw), -math.sin(yaw), 0.0], [math.sin(yaw), math.cos(yaw), 0.0], [0.0, 0.0, 1.0]])
    out = np.eye(4)
    out[:3, :3] = _LIDAR_FROM_OPTICAL.T @ turn
    out[:3, 3] = 0.0, -0.12, -0.08
    return out


@dataclass(frozen=True, eq=False)
class LidarScan:
    """One sweep, point by point in firing order (azimuth, then ring). Frame: x forward, y left, z up."""

    xyz: np.ndarray  # (N, 3) float32 metres, lidar frame
    intensity: np.ndarray  # (N,) float32 in 0..255
    ring: np.ndarray  # (N,) uint16, 0 is the lowest
    time: np.ndarray  # (N,) float32 seconds since the start of the sweep


@dataclass(frozen=True, eq=False)
class SpinningLidar:
    """A lidar that turns about its z axis. Every point of a sweep is taken from one pose: no motion distortion."""

    rings: int = 16
    azimuth_steps: int = 900  # a turn; a multiple of 4
    fov_up_deg: float = 15.0
    fov_down_deg: float = -15.0
    max_range_m: float = 100.0
    range_noise_m: float = 0.015  # standard deviation
    dropout: float = 0.03  # share of returns lost at random
    rate_hz: float = 10.0
    camera_from_lidar: np.ndarray = field(default_factory=roof_mount)  # 4x4 float64

    def __post_init__(self) -> None:
        if self.rings < 1 or self.azimuth_steps < 4 or self.azimuth_steps % QUADRANTS:
            found = f"{self.rings} rings and {self.azimuth_steps} azimuth steps"
            raise ConfigError(f"lidar has {found}, expected at least 1 ring and a positive multiple of 4 steps")
        if not -60.0 <= self.fov_down_deg <= self.fov_up_deg <= 60.0:
            found = f"{self.fov_down_deg:g} to {self.fov_up_deg:g} degrees"
            raise ConfigError(f"lidar's vertical field of view is {found}, expected ascending, within -60 to 60")
        if not (0.0 <= self.dropout <= 1.0 and self.range_noise_m >= 0.0 and self.max_range_m > MIN_RANGE_M):
            found = f"dropout {self.dropout:g}, range noise {self.range_noise_m:g} m, range {self.max_range_m:g} m"
            raise ConfigError(f"lidar has {found}; expected 0..1, at least 0, more than {MIN_RANGE_M} m")

    def scan(self, world: World, world_from_lidar: np.ndarray, seed: int) -> LidarScan:
        """One sweep from a pose (4x4 float64); noise and dropouts follow from the seed.

        Returns at most rings x azimuth_steps points: rays into the sky, beyond the maximum range, or dropped have
        none. Intensity is the surface's own brightness times the cosine of incidence.
        """
        directions, grids = _directions(self.rings, self.azimuth_steps, self.fov_up_deg, self.fov_down_deg)
        pose = np.asarray(world_from_lidar, dtype=np.float64)
        columns = self.azimuth_steps // QUADRANTS
        distance = np.empty((self.rings, self.azimuth_steps))
        echo = np.empty((self.rings, self.azimuth_steps))
        for k in range(QUADRANTS):
            quadrant = pose.copy()
            quadrant[:3, :3] = pose[:3, :3] @ _yaw(k * math.pi / 2) @ _LIDAR_FROM_OPTICAL
            albedo, depth, normals = world.renderer.cast(grids, quadrant, RAY_WIDTH, raw_albedo=True)
            stretch = np.sqrt(1.0 + np.square(grids.astype(np.float64)).sum(axis=-1))
            facing = -(normals[..., :2] * grids).sum(axis=-1) - normals[..., 2]
            part = slice(k * columns, (k + 1) * columns)
            # A quadrant's columns run from its left edge (+45 degrees) to its right: reversed, azimuth ascends.
            distance[:, part] = (depth * stretch)[:, ::-1]
            echo[:, part] = (albedo.mean(axis=-1) * np.clip(facing / stretch, 0.0, 1.0))[:, ::-1]
        rng = np.random.Generator(np.random.PCG64([world.seed, seed, 2]))
        noise = rng.normal(0.0, 1.0, distance.shape) * self.range_noise_m
        chance = rng.random(distance.shape)
        hit = np.isfinite(distance) & (distance <= self.max_range_m) & (distance >= MIN_RANGE_M)
        hit &= chance >= self.dropout
        xyz = directions * np.where(hit, distance + noise, 0.0)[..., None]
        step, ring = np.nonzero(hit.T)  # azimuth first: the order in which a real sensor fires
        time = (step / self.azimuth_steps / self.rate_hz).astype(np.float32)
        return LidarScan(
            xyz=xyz[ring, step].astype(np.float32),
            intensity=echo[ring, step].astype(np.float32),
            ring=ring.astype(np.uint16),
            time=time,
        )


def _yaw(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@lru_cache(maxsize=8)
def _directions(rings: int, steps: int, up_deg: float, down_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions (rings, steps, 3) in the lidar frame, azimuth from -45 degrees on; rays (rings, steps/4, 2) of a
    quadrant's virtual camera."""
    elevation = np.radians(np.linspace(down_deg, up_deg, rings))[:, None]
    azimuth = (np.arange(steps) + 0.5) / steps * 2 * math.pi - math.pi / QUADRANTS
    flat = np.cos(elevation)
    directions = np.stack(
        np.broadcast_arrays(flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)), axis=-1
    )
    front = directions[:, : steps // QUADRANTS][:, ::-1]
    grid = np.stack([-front[..., 1] / front[..., 0], -front[..., 2] / front[..., 0]], axis=-1)
    return directions, np.ascontiguousarray(grid, dtype=np.float32)
