# SPDX-License-Identifier: Apache-2.0
"""A synthetic world with true sizes: camera, lidar and ground truth for the demo, the tests and training."""

from __future__ import annotations

from mono_depth_ros.world.lidar import LidarScan, SpinningLidar
from mono_depth_ros.world.path import CameraPath
from mono_depth_ros.world.render import WorldFrame
from mono_depth_ros.world.world import INDOOR, KINDS, OUTDOOR, World

__all__ = ["INDOOR", "KINDS", "OUTDOOR", "CameraPath", "LidarScan", "SpinningLidar", "World", "WorldFrame"]
