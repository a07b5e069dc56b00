# SPDX-License-Identifier: Apache-2.0
"""References that are points: a lidar's cloud, a laser scan, a range finder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import LaserScan, PointCloud2, Range

from mono_depth_ros.alignment.projected_points import project
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import DataError, SamplesError
from mono_depth_ros.geometry.rigid import transform_points
from mono_depth_ros.messages.points import has_point_times, read_points
from mono_depth_ros.messages.range import range_points
from mono_depth_ros.messages.scan import scan_points
from mono_depth_ros.nodes.alignment.references.extrinsics import Extrinsics
from mono_depth_ros.nodes.alignment.references.source import TopicSource, View


def _cloud_points(message: PointCloud2) -> np.ndarray:
    return read_points(message, skip_nans=False)  # those left out are counted in the sentence, should none be left


KINDS: dict[str, tuple[type, str, Callable[[Any], np.ndarray]]] = {
    "lidar": (PointCloud2, "points", _cloud_points),
    "scan": (LaserScan, "scan", scan_points),
    "range": (Range, "range", range_points),
}
"""Message, topic and how points are read, by the name of the reference."""


class PointsSource(TopicSource):
    """`points`, `scan` or `range`, taken into the camera's frame and projected into its image."""

    def __init__(
        self, node: Node, reference: str, options: Callable[[], ReferenceConfig], extrinsics: Extrinsics
    ) -> None:
        kind, name, self._read = KINDS[reference]
        self._extrinsics = extrinsics
        super().__init__(node, kind, name, options)

    def convert(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        if isinstance(message, PointCloud2) and (name := has_point_times(message)):
            self._tell(
                "times",
                f"the points of {self._topic} have times of their own ({name}), which are ignored: all count as taken "
                "at the stamp; a fast robot should undo its motion before",
            )
        cam_from_reference = self._extrinsics.cam_from(message.header, view.frame)
        try:
            points = self._read(message)
        except DataError as error:
            raise SamplesError(f"{self._topic}: {error}", "reference_unreadable") from error
        return project(transform_points(cam_from_reference, points), view.camera, config)

    def close(self) -> None:
        super().close()
        self._extrinsics.close()
