# SPDX-License-Identifier: Apache-2.0
"""A synthetic world with true sizes: camera, lidar and ground truth for the demo, the tests and training.

Its renderer is compiled by numba, which a robot does not need: what needs the renderer is imported when it is used.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mono_depth_ros.errors import ConfigError

if TYPE_CHECKING:
    from mono_depth_ros.world.lidar import LidarScan, SpinningLidar
    from mono_depth_ros.world.odometry import Odometry, OdometryNoise, WheelOdometry
    from mono_depth_ros.world.path import CameraPath, StoppingPath
    from mono_depth_ros.world.render import WorldFrame
    from mono_depth_ros.world.world import INDOOR, KINDS, OUTDOOR, World

__all__ = [
    "INDOOR",
    "KINDS",
    "OUTDOOR",
    "CameraPath",
    "LidarScan",
    "Odometry",
    "OdometryNoise",
    "SpinningLidar",
    "StoppingPath",
    "WheelOdometry",
    "World",
    "WorldFrame",
]

_MODULES = {
    "CameraPath": "path",
    "LidarScan": "lidar",
    "Odometry": "odometry",
    "OdometryNoise": "odometry",
    "SpinningLidar": "lidar",
    "StoppingPath": "path",
    "WheelOdometry": "odometry",
    "WorldFrame": "render",
}


def require_numba() -> None:
    """Raises ConfigError where numba is not installed."""
    if find_spec("numba") is None:
        raise ConfigError(
            "the synthetic world needs numba, which is not installed: pip install numba, or apt install python3-numba"
        )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'world')}"), name)
