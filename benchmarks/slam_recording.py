# SPDX-License-Identifier: Apache-2.0
"""A drive through the synthetic world as a bag: images, camera_info, lidar, static transform and true poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rosbags.rosbag2 import StoragePlugin, Writer

from mono_depth_ros.bags.messages import empty, header_of, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.messages.cloud import XYZIRT, fill_cloud, write_points
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world import SpinningLidar, World

_BEGIN_NS = 1_000 * 10**9
_POSE, _TF = "geometry_msgs/msg/PoseStamped", "tf2_msgs/msg/TFMessage"


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
    def camera(self) -> Camera:
        """Without distortion."""
        return Camera.from_fov(self.size, self.fov_deg)


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


def record(drive: Drive, path: Path) -> list[np.ndarray]:
    """Write the bag; returns the true depth of every image, (H, W) float32 metres, +inf in the sky."""
    world, camera, lidar = World.generate(drive.kind, drive.seed), drive.camera, SpinningLidar()
    course, depths = world.path(), []
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            topic: (writer.add_connection(topic, kind, typestore=TYPES), kind)
            for topic, kind in (
                ("/camera/image_raw", IMAGE),
                ("/camera/camera_info", CAMERA_INFO),
                ("/lidar/points", CLOUD),
                ("/pose", _POSE),
                ("/tf_static", _TF),
            )
        }

        def write(topic: str, stamp_ns: int, message: Any) -> None:
            connection, kind = topics[topic]
            writer.write(connection, stamp_ns, TYPES.serialize_cdr(message, kind))

        write("/tf_static", _BEGIN_NS, _static("camera", "lidar", lidar.camera_from_lidar))
        for index in range(drive.frames):
            stamp_ns = _BEGIN_NS + round(index * 1e9 / drive.rate_hz)
            pose = course.pose(index / drive.rate_hz)
            seen = world.render(camera, pose, normals=False)
            depths.append(seen.depth)
            image, header = empty(IMAGE, _header("camera", stamp_ns)), _header("camera", stamp_ns)
            fill_image(image, seen.rgb, "rgb8")
            write("/camera/image_raw", stamp_ns, image)
            write("/camera/camera_info", stamp_ns, info_from(camera, header))
            write("/pose", stamp_ns, TYPES.types[_POSE](_header("world", stamp_ns), _pose(pose)))
            if index % drive.sweep_every == 0:
                scan = lidar.scan(world, pose @ lidar.camera_from_lidar, index)
                cloud = empty(CLOUD, _header("lidar", stamp_ns))
                points = write_points(scan.xyz, scan.intensity, scan.ring, scan.time)
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


def _static(parent: str, child: str, parent_from_child: np.ndarray) -> Any:
    make = TYPES.types
    transform = make["geometry_msgs/msg/Transform"](
        make["geometry_msgs/msg/Vector3"](*parent_from_child[:3, 3].tolist()),
        make["geometry_msgs/msg/Quaternion"](*quaternion(parent_from_child[:3, :3])),
    )
    return make[_TF]([make["geometry_msgs/msg/TransformStamped"](_header(parent, 0), child, transform)])
