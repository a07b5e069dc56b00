# SPDX-License-Identifier: Apache-2.0
"""What of the depth is an obstacle to a robot that drives."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config.option import Config, option
from mono_depth_ros.errors import ConfigError


@dataclass(frozen=True)
class ObstacleConfig(Config):
    """From depth to obstacles in the frame of the robot."""

    voxel_size: float = option(
        0.05, "Obstacles have one point in each cube of this size.", unit="m", low=0.01, high=1.0, dynamic=True
    )
    voxel_points: int = option(
        3,
        "A cube with fewer points than this and no neighbour that has any is a speck, and left out.",
        low=1,
        high=1000,
        dynamic=True,
    )
    max_range: float = option(
        6.0, "Nothing farther than this is an obstacle, measured along the floor.", unit="m", low=0.5, high=100.0,
        dynamic=True,
    )  # fmt: skip
    min_height: float = option(
        0.1, "What is lower than this above the floor is driven over.", unit="m", low=0.0, high=10.0, dynamic=True
    )
    max_height: float = option(
        1.8, "What is higher than this above the floor is driven under.", unit="m", low=0.01, high=100.0, dynamic=True
    )
    max_slope: float = option(
        10.0,
        "A floor that rises or falls by no more than this is a ramp.",
        unit="deg",
        low=0.0,
        high=60.0,
        dynamic=True,
    )
    max_drop: float = option(
        0.12,
        "Where the floor is seen this much too low, an edge to fall from is an obstacle; 0 looks for none.",
        unit="m",
        low=0.0,
        high=10.0,
        dynamic=True,
    )

    mask: str = option(
        "",
        "An image of the camera's size, black where the robot's own body is seen, which is no obstacle; empty means "
        "none. Of several cameras one each, with ; between them.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_height >= self.max_height:
            raise ConfigError(
                f"min_height is {self.min_height:g} m, expected less than max_height, {self.max_height:g} m"
            )
