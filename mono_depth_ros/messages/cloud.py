# SPDX-License-Identifier: Apache-2.0
"""Arrays into sensor_msgs/PointCloud2, with one copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.buffers import set_data

DATATYPES: dict[int, type[np.generic]] = {
    1: np.int8,
    2: np.uint8,
    3: np.int16,
    4: np.uint16,
    5: np.int32,
    6: np.uint32,
    7: np.float32,
    8: np.float64,
}
"""sensor_msgs/PointField datatype to numpy."""

_NUMBERS = {np.dtype(kind): number for number, kind in DATATYPES.items()}


@dataclass(frozen=True)
class CloudLayout:
    """Names and types of the fields of a point, one behind the other without gaps."""

    columns: tuple[tuple[str, type[np.generic]], ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The structured little-endian dtype of one point."""
        return np.dtype([(name, np.dtype(kind).newbyteorder("<")) for name, kind in self.columns])

    @property
    def point_step(self) -> int:
        """Bytes of one point."""
        return self.dtype.itemsize

    def fields(self, field_type: Any) -> list[Any]:
        """The `fields` of the message; `field_type` is the PointField class of rclpy or of a rosbags typestore."""
        offsets: Mapping[str, tuple[Any, ...]] = self.dtype.fields or {}
        return [
            field_type(name=name, offset=int(offsets[name][1]), datatype=_NUMBERS[np.dtype(kind)], count=1)
            for name, kind in self.columns
        ]


XYZ = CloudLayout((("x", np.float32), ("y", np.float32), ("z", np.float32)))
"""Points without colour."""

XYZRGB = CloudLayout((("x", np.float32), ("y", np.float32), ("z", np.float32), ("rgb", np.float32)))
"""Coloured points as PCL and rviz read them: rgb holds the bits of 0x00RRGGBB (`geometry.cloud.pack_cloud`)."""

XYZRGBNORMAL = CloudLayout(
    (*XYZRGB.columns, *((name, np.float32) for name in ("normal_x", "normal_y", "normal_z", "curvature")))
)
"""The same with the fields of PCL's PointXYZRGBNormal, found by their names as PCL and pcl_ros do."""

XYZIRT = CloudLayout(
    (
        ("x", np.float32),
        ("y", np.float32),
        ("z", np.float32),
        ("intensity", np.float32),
        ("ring", np.uint16),
        ("time", np.float32),
    )
)
"""Lidar points in the layout of velodyne_pointcloud (PointcloudXYZIRT): 22 bytes, time in seconds from the stamp."""


def fill_cloud(
    msg: Any, packed: np.ndarray, field_type: Any, layout: CloudLayout = XYZRGB, dense: bool = False
) -> None:
    """Write points into a PointCloud2; the header is left alone.

    Args:
        msg: the message; `data` is filled by `buffers.set_data`: one memcpy for rclpy, none for rosbags.
        packed: C-contiguous, `layout.point_step` bytes a point: (H, W, C) for an organised cloud, such as the
            (H, W, 4) float32 of `pack_cloud`; (N, C) or a structured (N,) or (H, W) array otherwise.
        field_type: the PointField class that goes with `msg`.
        dense: True where no point is NaN.

    Raises:
        DataError: the bytes of a point are not those of the layout.
    """
    shape = packed.shape if packed.dtype.names else packed.shape[:-1]
    if len(shape) not in (1, 2):
        raise DataError(f"points have shape {packed.shape}, expected (H, W, C) or (N, C)")
    height, width = shape if len(shape) == 2 else (1, shape[0])
    step = layout.point_step
    if packed.nbytes != height * width * step:
        point = packed.dtype.itemsize * (1 if packed.dtype.names else packed.shape[-1])
        raise DataError(f"a point has {point} bytes, expected {step}: {', '.join(n for n, _ in layout.columns)}")
    msg.height, msg.width = int(height), int(width)
    msg.point_step, msg.row_step = step, step * int(width)
    msg.is_bigendian, msg.is_dense = False, dense
    msg.fields = layout.fields(field_type)
    set_data(msg, packed)


def write_points(xyz: np.ndarray, intensity: np.ndarray, ring: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Lidar points for `fill_cloud(msg, points, field_type, XYZIRT)`.

    Args:
        xyz: (N, 3) metres, lidar frame. intensity: (N,). ring: (N,) integers, the laser. time_s: (N,) seconds after
            the stamp of the message.

    Returns:
        (N,) structured array of dtype `XYZIRT.dtype`.

    Raises:
        DataError: the arrays are of different lengths.
    """
    columns = {"xyz": xyz, "intensity": intensity, "ring": ring, "time_s": time_s}
    shapes = {name: np.shape(values) for name, values in columns.items()}
    count = len(xyz)
    if shapes["xyz"] != (count, 3) or any(shapes[name] != (count,) for name in ("intensity", "ring", "time_s")):
        raise DataError(f"lidar columns have shapes {shapes}, expected (N, 3) and three times (N,)")
    points = np.empty(count, dtype=XYZIRT.dtype)
    points["x"], points["y"], points["z"] = np.asarray(xyz).T
    points["intensity"], points["ring"], points["time"] = intensity, ring, time_s
    return points
