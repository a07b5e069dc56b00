# SPDX-License-Identifier: Apache-2.0
"""What driving.py looks at: views from anywhere, frames of drives, and single things from near to far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import DataError, FrameError, MonoDepthError
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import inverse, rigid_from_pose
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world import SpinningLidar, World, WorldFrame
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.scene import Thing

CAMERA = Camera.from_fov((640, 480), 70.0)
FRAMES = 5  # of each world
RATE_HZ, SKIPPED, EVERY = 15.0, 15, 3  # a drive: images before the first frame, and from one to the next
DRIFT, TURN_DEG_S = 0.01, 0.2  # of the wheels, as in motion.py
DISTANCES = (1.0, 2.0, 3.0, 4.0)  # metres to the nearest part of a thing
PITCH = math.radians(-8.0)
OF_EACH = 2  # things of a name in a world
FROM = {"ramp": math.pi / 2, "step down": math.pi}  # the side from which a robot comes to it; others from anywhere
ASIDE = math.radians(15.0)


@dataclass
class View:
    """One image. truth: (H, W) metres. pose: (4, 4) world_from_camera.

    depths: by source, (H, W) metres and their uncertainty, as predictions.
    """

    rgb: np.ndarray
    truth: np.ndarray
    pose: np.ndarray
    depths: dict[str, DepthPrediction]

    @property
    def base(self) -> np.ndarray:
        """(4, 4) base_from_camera; the base is on the floor below the camera and turned as it is."""
        return base_from(self.pose)


def base_from(pose: np.ndarray) -> np.ndarray:
    """(4, 4) base_from_camera of world_from_camera."""
    yaw = math.atan2(pose[1, 2], pose[0, 2])
    base = rigid_from_pose([*pose[:2, 3], 0.0], [0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)])
    return np.asarray(inverse(base) @ pose)


def metric(depth: np.ndarray) -> DepthPrediction:
    return DepthPrediction(torch.from_numpy(depth), DepthKind.METRIC)


def view_of(world: World, pose: np.ndarray, seen: WorldFrame, frame: Frame, seed: int) -> View:
    """One image as it is, and aligned by a sweep, where that is not refused."""
    lidar, aligned = SpinningLidar(), frame
    scan = lidar.scan(world, pose @ lidar.camera_from_lidar, seed)
    with suppress(MonoDepthError):
        aligned = frame.align(scan.xyz, cam_from_lidar=lidar.camera_from_lidar)
    depths = {"true": metric(seen.depth), "tiny": frame.prediction, "lidar": aligned.prediction}
    return View(seen.rgb, seen.depth, pose, depths)


def views(pipeline: Pipeline, world: World) -> Iterator[View]:
    """From anywhere in a world."""
    rng = np.random.default_rng(world.seed)
    for index in range(FRAMES):
        pose = world.random_pose(rng)
        seen = world.render(CAMERA, pose, normals=False)
        yield view_of(world, pose, seen, pipeline.estimate(seen.rgb, CAMERA), index)


def drive(pipeline: Pipeline, world: World) -> Iterator[View]:
    """The frames of a drive, which motion aligns too."""
    path, rng = world.path(0), np.random.default_rng(world.seed)
    scale, turn = 1 + DRIFT * rng.normal(), math.radians(TURN_DEG_S) / RATE_HZ * rng.choice((-1, 1))
    drift = rigid_from_pose([0, 0, 0], [0, math.sin(turn / 2), 0, math.cos(turn / 2)])
    window, aligner, odom, before = MotionWindow(MotionConfig()), Aligner(), np.eye(4), None
    for index in range(SKIPPED + EVERY * (FRAMES - 1) + 1):
        pose, stamp_ns, samples = path.pose(index / RATE_HZ), round(1e9 * (1 + index / RATE_HZ)), None
        if before is not None:
            step = inverse(before) @ pose
            step[:3, 3] *= scale
            odom = odom @ step @ drift
        before = pose
        seen = world.render(CAMERA, pose, normals=False)
        with suppress(DataError, FrameError):
            gray = np.asarray(cv2.cvtColor(seen.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            samples = window.update(gray, CAMERA, odom, stamp_ns)
        if index % EVERY:
            continue
        frame = pipeline.estimate(seen.rgb, CAMERA)
        moved = aligner.update(frame.prediction, samples, stamp_ns, guide=torch.from_numpy(seen.rgb)).prediction
        if index >= SKIPPED:
            view = view_of(world, pose, seen, frame, index)
            view.depths["motion"] = moved or frame.prediction
            yield view


def approaches(pipeline: Pipeline, world: World) -> Iterator[tuple[Thing, float, View]]:
    """Things of a course, from each distance at which there is room to look at them from."""
    rng = np.random.default_rng(world.seed)
    for name in dict.fromkeys(thing.name for thing in world.scene.things):
        for thing in [thing for thing in world.scene.things if thing.name == name][:OF_EACH]:
            for distance in DISTANCES:
                pose = _before(world, thing, distance, rng)
                if pose is not None:
                    seen = world.render(CAMERA, pose, normals=False)
                    yield thing, distance, view_of(world, pose, seen, pipeline.estimate(seen.rgb, CAMERA), 0)


def _before(world: World, thing: Thing, distance: float, rng: np.random.Generator) -> np.ndarray | None:
    """world_from_camera that looks at a thing from a free place, where there is one."""
    for _ in range(60):
        aside = rng.uniform(-ASIDE, ASIDE) if thing.name in FROM else rng.uniform(-math.pi, math.pi)
        bearing = FROM.get(thing.name, 0.0) + aside
        reach = abs(math.cos(bearing)) * thing.length / 2 + abs(math.sin(bearing)) * thing.width / 2
        if thing.name == "step down":
            reach = 0.0
        bearing += thing.yaw
        x, y = thing.x + (distance + reach) * math.cos(bearing), thing.y + (distance + reach) * math.sin(bearing)
        if world.free.at(np.array(x), np.array(y)) > 0.25:
            return camera_pose(x, y, world.camera_height, bearing + math.pi, PITCH)
    return None
