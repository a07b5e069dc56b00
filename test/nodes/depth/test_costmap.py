# SPDX-License-Identifier: Apache-2.0
"""What the depth node publishes marks and clears a costmap as it is: Nav2's rules, with config/nav2_costmap.yaml."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sensor_msgs.msg import LaserScan, PointCloud2

from costmap import AHEAD, CELL_M, ObstacleLayer, VoxelLayer
from mono_depth_ros.geometry.rigid import rigid_from_text, transform_points

BASE_FROM_CAMERA = "0.22 0 1 -0.5 0.5 -0.5 0.5"  # it looks ahead, 1 m above the floor
WALL, OPEN = 20, 100  # values of an image: a wall 2 m ahead of the camera, and one beyond max_range


@pytest.fixture
def seen(ros: Any, rig: Any) -> Any:
    """The messages that come of an image of one value, by topic."""
    # A flat image of 10 m is open space that has no floor: nobody shall see the edge of it.
    r = rig(obstacles=True, base_frame="base", base_from_camera=BASE_FROM_CAMERA, max_drop=0.0)
    r.SIZE = (320, 240)  # rays as dense as those of a camera
    r._texture = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    k = [228.5, 0, 159.5, 0, 228.5, 119.5, 0, 0, 1]
    heard = {name: ros.listen(PointCloud2, f"/depth/{name}", 1) for name in ("obstacles", "free")}
    heard["scan"] = ros.listen(LaserScan, "/depth/scan", 1)

    def of(value: int) -> dict[str, Any]:
        sent = set()

        def stamp(message: Any) -> int:
            return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec

        def send() -> None:
            image = r.image(value)
            sent.add(stamp(r.send(image, r.info(k=k, p=[*k[:3], 0, *k[3:6], 0, *k[6:], 0]))))

        ros.wait(lambda: all(messages and stamp(messages[-1]) in sent for messages in heard.values()), poll=send)
        return {name: messages[-1] for name, messages in heard.items()}

    return of


@pytest.fixture(scope="module")
def layers(repository: Path) -> dict[str, Any]:
    content = yaml.safe_load((repository / "config" / "nav2_costmap.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = content["local_costmap"]["local_costmap"]["ros__parameters"]
    return found


def points(message: PointCloud2) -> np.ndarray:
    return np.frombuffer(bytes(message.data), np.float32).reshape(-1, 3)


def cell(x: float, y: float = 0.0) -> tuple[int, int]:
    return int(x / CELL_M), AHEAD + int(y / CELL_M)


def test_the_voxel_layer_is_marked_by_obstacles_and_cleared_by_free(seen: Any, layers: dict[str, Any]) -> None:
    marking, clearing = layers["depth_voxel"]["obstacles"], layers["depth_voxel"]["free"]
    base_from_camera, layer = rigid_from_text(BASE_FROM_CAMERA), VoxelLayer()

    def update(messages: dict[str, Any]) -> np.ndarray:
        free = transform_points(base_from_camera, points(messages["free"]))
        free = free[(free[:, 2] > clearing["min_obstacle_height"]) & (free[:, 2] < clearing["max_obstacle_height"])]
        layer.clear(free, base_from_camera[:3, 3], clearing["raytrace_max_range"])
        heights = marking["min_obstacle_height"], marking["max_obstacle_height"]
        layer.mark(points(messages["obstacles"]), np.zeros(3), *heights, marking["obstacle_max_range"])
        return layer.cells()

    before = update(seen(WALL))
    assert before[cell(2.22)] and not before[: cell(2.12)[0]].any() and not before[cell(2.32)[0] :].any()
    after = update(seen(OPEN))
    assert not after[cell(2.22)] and after.sum() < 0.2 * before.sum()


def test_the_obstacle_layer_is_cleared_by_the_scan(seen: Any, layers: dict[str, Any]) -> None:
    marking, clearing = layers["depth_obstacle"]["obstacles"], layers["depth_obstacle"]["scan"]
    layer = ObstacleLayer()

    def update(messages: dict[str, Any]) -> np.ndarray:
        scan = messages["scan"]
        bearings = scan.angle_min + scan.angle_increment * np.arange(len(scan.ranges))
        assert clearing["inf_is_valid"] and scan.range_max <= clearing["raytrace_max_range"]
        layer.clear(np.array(scan.ranges), bearings, scan.range_max, clearing["raytrace_min_range"])
        layer.mark(points(messages["obstacles"]), marking["min_obstacle_height"], marking["max_obstacle_height"])
        return layer.marked.copy()

    before = update(seen(WALL))
    assert before[cell(2.22)] and not before[: cell(2.12)[0]].any()
    messages = seen(OPEN)
    assert any(math.isinf(value) for value in messages["scan"].ranges)
    assert not update(messages)[cell(2.22)]
