# SPDX-License-Identifier: Apache-2.0
"""A drive through the synthetic world, or frames of 7-Scenes, as a bag: images, camera_info, lidar, odometry, static
transforms and true poses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rosbags.rosbag2 import StoragePlugin, Writer

from mono_depth_ros.bags.messages import empty, header_of, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.datasets import seven_scenes
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.messages.cloud import XYZIRT, fill_cloud, write_points
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE, ODOMETRY
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world import LidarScan, OdometryNoise, SpinningLidar, WheelOdometry, World
from mono_depth_ros.world.odometry import BASE_FROM_CAMERA

_BEGIN_NS = 1_000 * 10**9
_POSE, _TF = "geometry_msgs/msg/PoseStamped", "tf2_msgs/msg/TFMessage"
_BEAMS = 16  # rows of the depth image of 7-Scenes that stand for a lidar


@dataclass(frozen=True, eq=False)
class Moment:
    """An image, its true depth (+inf in the sky, NaN unknown), the camera in the world, the body in its odometry's
    frame, and a sweep of the lidar, if there is one."""

    rgb: np.ndarray
    depth: np.ndarray
    pose: np.ndarray
    odometry: np.ndarray
    scan: LidarScan | None


@dataclass(frozen=True)
class Drive:
    """What is recorded: `frames` images, `size` is (width, height), and a sweep of the lidar every `sweep_every`."""

    kind: str
    seed: int
    frames: int = 80
    size: tuple[int, int] = (320, 240)
    fov_deg: float = 70.0
    rate_hz: float = 20.0
    sweep_every: int = 2

    @property
    def name(self) -> str:
        return f"{self.kind} {self.seed}"

    @property
    def camera(self) -> Camera:
        """Without distortion."""
        return Camera.from_fov(self.size, self.fov_deg)

    @property
    def transforms(self) -> list[tuple[str, str, np.ndarray]]:
        """Parent, child, parent_from_child."""
        return [("base_link", "camera", BASE_FROM_CAMERA), ("camera", "lidar", SpinningLidar().camera_from_lidar)]

    def moments(self) -> Iterator[Moment]:
        """The odometry is off by 1 % of the way and turns by .2 degrees a second, as that of the world node."""
        world, lidar = World.generate(self.kind, self.seed), SpinningLidar()
        course = world.path()
        odometry = WheelOdometry(course.pose, OdometryNoise(), self.seed)
        for index in range(self.frames):
            t_s = index / self.rate_hz
            pose = course.pose(t_s)
            seen = world.render(self.camera, pose, normals=False)
            swept = index % self.sweep_every == 0
            scan = lidar.scan(world, pose @ lidar.camera_from_lidar, index) if swept else None
            yield Moment(seen.rgb, seen.depth, pose, odometry.at(t_s).pose, scan)


@dataclass(frozen=True)
class SevenScenes:
    """Frames of 7-Scenes in order: hand-held, depth registered to the colour camera, the data set's poses.

    There is no lidar: 16 rows of the depth, with the noise of one, stand for it. The odometry is the data set's pose.
    """

    folder: Path
    name: str = "7-Scenes"
    rate_hz: float = 30.0

    @property
    def camera(self) -> Camera:
        return seven_scenes.CAMERA.camera(640, 480)

    @property
    def transforms(self) -> list[tuple[str, str, np.ndarray]]:
        return [("camera", "lidar", np.eye(4))]

    def moments(self) -> Iterator[Moment]:
        data = seven_scenes.read(Wanted(self.folder))
        rng = np.random.default_rng(0)
        rows = np.linspace(30, self.camera.height - 30, _BEAMS).astype(int)
        grid = rays(self.camera).numpy()
        assert data.pose is not None
        for item in data.items:
            loaded, pose = data.load(item), data.pose(item)
            z = loaded.truth[rows, ::4]
            ring, column = np.nonzero(np.isfinite(z) & (z > 0))
            direction = np.concatenate([grid[rows, ::4], np.ones((*z.shape, 1), np.float32)], axis=2)[ring, column]
            xyz = direction * (z[ring, column] + 0.015 * rng.normal(size=len(ring)))[:, None]
            zeros = np.zeros(len(ring), np.float32)
            scan = LidarScan(xyz.astype(np.float32), zeros, ring.astype(np.uint16), zeros)
            yield Moment(loaded.rgb, loaded.truth, pose, pose, scan)


class TruthModel:
    """Gives the true depth of the images of a recording, in their order: what a perfect model would."""

    device = torch.device("cpu")
    engine = "none"
    spec = ModelSpec("truth", "world", DepthKind.METRIC, "none")

    def __init__(self, depths: Sequence[np.ndarray]) -> None:
        self._depths = iter(depths)

    def predict(self, rgb: torch.Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """As of any model; each call goes on with the recording."""
        return [DepthPrediction(torch.from_numpy(next(self._depths)), DepthKind.METRIC) for _ in cameras]


def record(drive: Drive | SevenScenes, path: Path) -> list[np.ndarray]:
    """Write the bag; returns the true depth of every image, (H, W) float32 metres, +inf in the sky."""
    depths, body = [], drive.transforms[0][0]
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            topic: (writer.add_connection(topic, kind, typestore=TYPES), kind)
            for topic, kind in (
                ("/camera/image_raw", IMAGE),
                ("/camera/camera_info", CAMERA_INFO),
                ("/lidar/points", CLOUD),
                ("/pose", _POSE),
                ("/odom", ODOMETRY),
                ("/tf_static", _TF),
            )
        }

        def write(topic: str, stamp_ns: int, message: Any) -> None:
            connection, kind = topics[topic]
            writer.write(connection, stamp_ns, TYPES.serialize_cdr(message, kind))

        write("/tf_static", _BEGIN_NS, _static(drive.transforms))
        for index, now in enumerate(drive.moments()):
            stamp_ns = _BEGIN_NS + round(index * 1e9 / drive.rate_hz)
            depths.append(now.depth.astype(np.float32))
            image, header = empty(IMAGE, _header("camera", stamp_ns)), _header("camera", stamp_ns)
            fill_image(image, now.rgb, "rgb8")
            write("/odom", stamp_ns, _odometry(body, now.odometry, stamp_ns))
            write("/camera/image_raw", stamp_ns, image)
            write("/camera/camera_info", stamp_ns, info_from(drive.camera, header))
            write("/pose", stamp_ns, TYPES.types[_POSE](_header("world", stamp_ns), _pose(now.pose)))
            if now.scan is not None:
                cloud = empty(CLOUD, _header("lidar", stamp_ns))
                points = write_points(now.scan.xyz, now.scan.intensity, now.scan.ring, now.scan.time)
                fill_cloud(cloud, points, TYPES.types["sensor_msgs/msg/PointField"], XYZIRT, dense=True)
                write("/lidar/points", stamp_ns, cloud)
    return depths


def _header(frame: str, stamp_ns: int) -> Any:
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return header_of(SimpleNamespace(stamp=stamp, frame_id=frame))


def _pose(matrix: np.ndarray) -> Any:
    make = TYPES.types
    return make["geometry_msgs/msg/Pose"](
        make["geometry_msgs/msg/Point"](*matrix[:3, 3].tolist()),
        make["geometry_msgs/msg/Quaternion"](*quaternion(matrix[:3, :3])),
    )


def _odometry(body: str, matrix: np.ndarray, stamp_ns: int) -> Any:
    make, none = TYPES.types, np.zeros(36)
    still = (make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0) for _ in range(2))
    return make[ODOMETRY](
        _header("odom", stamp_ns),
        body,
        make["geometry_msgs/msg/PoseWithCovariance"](_pose(matrix), none),
        make["geometry_msgs/msg/TwistWithCovariance"](make["geometry_msgs/msg/Twist"](*still), none),
    )


def _static(transforms: list[tuple[str, str, np.ndarray]]) -> Any:
    make, stamped = TYPES.types, []
    for parent, child, matrix in transforms:
        transform = make["geometry_msgs/msg/Transform"](
            make["geometry_msgs/msg/Vector3"](*matrix[:3, 3].tolist()),
            make["geometry_msgs/msg/Quaternion"](*quaternion(matrix[:3, :3])),
        )
        stamped.append(make["geometry_msgs/msg/TransformStamped"](_header(parent, 0), child, transform))
    return make[_TF](stamped)
