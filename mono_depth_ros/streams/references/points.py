# SPDX-License-Identifier: Apache-2.0
"""References that are points: a lidar's cloud, a laser scan, a range finder."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.alignment.beams import beams
from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import DataError, SamplesError
from mono_depth_ros.geometry.rigid import transform_points
from mono_depth_ros.messages.kinds import CLOUD, RANGE, SCAN
from mono_depth_ros.messages.points import has_point_times, point_rings, read_points
from mono_depth_ros.messages.range import range_points
from mono_depth_ros.messages.scan import scan_points
from mono_depth_ros.streams.references.base import Input, View
from mono_depth_ros.streams.references.topic import TopicReference


class ScanReference(TopicReference):
    """`scan`, taken into the camera's frame and projected into its image."""

    inputs: tuple[Input, ...] = (Input("scan", SCAN),)
    elsewhere = True

    def read(self, message: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Points (N, 3) in metres, in the frame of the message, and the beam (N,) of each, None where none is seen."""
        points = scan_points(message)
        return points, np.zeros(len(points), dtype=np.int64)

    def convert(self, message: Any, view: View, config: ReferenceConfig, place: np.ndarray) -> Samples:
        try:
            points, group = self.read(message)
        except DataError as error:
            raise SamplesError(f"{self.topic}: {error}", "reference_unreadable") from error
        return samples_from_points(transform_points(place, points), view.camera, config, group)


class LidarReference(ScanReference):
    """`points`."""

    inputs = (Input("points", CLOUD),)

    def read(self, message: Any) -> tuple[np.ndarray, np.ndarray | None]:
        if name := has_point_times(message):
            self.tell_once(
                "times",
                f"the points of {self.topic} have times of their own ({name}), which are ignored: all count as taken "
                "at the stamp; a fast robot should undo its motion before",
            )
        # Points that are not finite are counted in the sentence, should none be left.
        points, ring = read_points(message, skip_nans=False), point_rings(message)
        said = ring is not None and len(ring) > 0 and ring.min() < ring.max()  # some drivers fill it with zeros
        return points, ring if said else beams(points)


class RangeReference(ScanReference):
    """`range`."""

    inputs = (Input("range", RANGE),)
    lone = True

    def read(self, message: Any) -> tuple[np.ndarray, np.ndarray | None]:
        return range_points(message), None
