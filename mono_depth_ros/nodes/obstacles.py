# SPDX-License-Identifier: Apache-2.0
"""Obstacles in a node: where the camera is on the robot, by tf2 if it has to be asked for, and what is said of them."""

from __future__ import annotations

from typing import Any

from mono_depth_ros.config import GroundConfig, ImageConfig
from mono_depth_ros.config.managed import ManagedNodeConfig
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.nodes.ros.transforms import TransformLookup, tf2_module
from mono_depth_ros.streams.obstacles import ObstacleSource


def obstacle_sources(
    session: Session[Any],
    options: Parameters,
    config: ManagedNodeConfig,
    cameras: int = 1,
    transforms: TransformLookup | None = None,
) -> list[ObstacleSource | None]:
    """For each camera what finds its obstacles; None where they are not asked for.

    Args:
        session: that closes what is opened here. config: of the node. transforms: what the node listens to already.

    Raises:
        ConfigError: what is given of the robot cannot be used.
    """
    if not config.obstacles:
        return [None] * cameras
    ground = options.get(GroundConfig)
    asked = ground.base_frame and not ground.base_from_camera
    if asked and transforms is None and tf2_module() is not None:
        transforms = TransformLookup(session.node, config.tf_timeout)
        session.closing(transforms.close)
    lookup = transforms.lookup if transforms is not None else None
    most = options.get(ImageConfig).max_image_pixels
    return [ObstacleSource(options.get, lookup, (number, cameras), most) for number in range(cameras)]


def said_of(source: ObstacleSource | None, outputs: Outputs) -> tuple[str, str]:
    """Why there are no obstacles, and what is doubtful about them, as sentences; "" for nothing, or if nobody asks."""
    wanted = outputs.wanted_options()
    if source is None or wanted.isdisjoint(("obstacles", "scan")):
        return "", ""
    return source.problem, source.concern("scan" in wanted)
