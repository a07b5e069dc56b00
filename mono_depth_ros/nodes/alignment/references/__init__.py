# SPDX-License-Identifier: Apache-2.0
"""What fixes the scale: each file a family of references, all with the interface of `source.Source`."""

from __future__ import annotations

from functools import partial

from rclpy.node import Node

from mono_depth_ros.config import AlignmentNodeConfig, GroundConfig, ReferenceConfig, StereoConfig
from mono_depth_ros.nodes.alignment.references.depth import DepthSource
from mono_depth_ros.nodes.alignment.references.extrinsics import Extrinsics
from mono_depth_ros.nodes.alignment.references.ground import GroundSource
from mono_depth_ros.nodes.alignment.references.points import KINDS, PointsSource
from mono_depth_ros.nodes.alignment.references.source import Source
from mono_depth_ros.nodes.alignment.references.stereo import StereoSource
from mono_depth_ros.nodes.ros.parameters import Parameters


def open_reference(node: Node, config: AlignmentNodeConfig, options: Parameters) -> Source | None:
    """The reference of a node's configuration; None for `none`.

    Args:
        options: the node's, with ReferenceConfig, StereoConfig and GroundConfig among them.

    Raises:
        ConfigError: its extrinsics are missing or no rotation, or the floor's height is not known.
    """
    if config.reference == "none":
        return None
    limits = partial(options.get, ReferenceConfig)
    # An image of depth may be in the camera's own frame, where it needs no transform.
    required = config.reference in KINDS
    extrinsics = partial(Extrinsics, node, config.cam_from_reference, config.tf_timeout, required)
    if config.reference == "ground":
        return GroundSource(node, options.get(GroundConfig), limits, config.tf_timeout, extrinsics)
    if config.reference == "stereo":
        return StereoSource(node, limits, options.get(StereoConfig), extrinsics())
    if config.reference in KINDS:
        return PointsSource(node, config.reference, limits, extrinsics())
    return DepthSource(node, config.reference, limits, extrinsics(), config.reference_rectified)
