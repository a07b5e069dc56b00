# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/PointCloud2 of any layout to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mono_depth_ros.errors import ConfigError, DataError, shown
from mono_depth_ros.messages.bridge import point_cloud2
from mono_depth_ros.messages.buffers import bytes_of
from mono_depth_ros.messages.cloud import DATATYPES

# Of the drivers of Ouster (t), Velodyne (time), RoboSense and Hesai (timestamp), Livox (offset_time), Blickfeld
# (point_time_offset), and others.
_TIMES = ("t", "time", "timestamp", "offset_time", "time_offset", "point_time_offset", "time_stamp", "t_us", "stamp")

_RINGS = ("ring", "channel", "laser_id", "line")  # of Velodyne, RoboSense and Hesai; Ouster; others; Livox
_INTEGERS = (1, 2, 3, 4, 5, 6)  # PointField datatypes


def read_points(
    msg: Any,
    fields: Sequence[str] = ("x", "y", "z"),
    skip_nans: bool = True,
    use_sensor_msgs_py: bool | None = None,
) -> np.ndarray:
    """The named fields of all points.

    Args:
        msg: any order, offsets and types of fields, both byte orders, row padding, organised or not.
        fields: names, in the order of the columns wanted.
        skip_nans: leave out points with a NaN in one of these fields. Infinite values stay.
        use_sensor_msgs_py: None takes it where it is installed and reads this message rightly, False never, True
            always.

    Returns:
        (N, len(fields)) float32, memory of its own. Organised clouds are read row by row.

    Raises:
        DataError: a field that is not there (the sentence lists those that are), or data shorter than the layout says.
        ConfigError: sensor_msgs_py is asked for and is not installed.
    """
    found = {field.name: field for field in msg.fields}
    for name in fields:
        if name not in found:
            raise DataError(f"the cloud has no field '{name}', it has: {shown(', '.join(found) or 'none', 300)}")
        _check_field(found[name], int(msg.point_step))
    data = _checked_data(msg)
    if use_sensor_msgs_py is None:
        use_sensor_msgs_py = point_cloud2() is not None and _suits_sensor_msgs_py(msg)
    if use_sensor_msgs_py:
        points = _with_sensor_msgs_py(msg, fields)
    else:
        points = _columns(msg, data, [found[name] for name in fields])
    return _without_nans(points) if skip_nans else points


def point_rings(msg: Any) -> np.ndarray | None:
    """(N,) int64, the laser of each point as drivers say it (`ring`, or `channel`), row by row; None where none does.

    Raises:
        DataError: data shorter than the layout says.
    """
    found = next((field for name in _RINGS for field in msg.fields if str(field.name).lower() == name), None)
    if found is None or found.datatype not in _INTEGERS or found.count > 1:
        return None
    values = read_points(msg, (str(found.name),), skip_nans=False, use_sensor_msgs_py=False)
    return values[:, 0].astype(np.int64)


def has_point_times(msg: Any) -> str | None:
    """The field that holds a time for each point, such as `t` or `offset_time`; None where there is none.

    `read_points` takes all points as of the stamp of the message: a sensor that moves while it turns is not unrolled.
    """
    return next((str(field.name) for field in msg.fields if str(field.name).lower() in _TIMES), None)


def _columns(msg: Any, data: np.ndarray, fields: Sequence[Any]) -> np.ndarray:
    height, width = int(msg.height), int(msg.width)
    points = np.empty((height, width, len(fields)), dtype=np.float32)
    if points.size:
        strides = (_row_step(msg, data), int(msg.point_step))
        for column, field in enumerate(fields):
            kind = np.dtype(DATATYPES[field.datatype]).newbyteorder(">" if msg.is_bigendian else "<")
            points[..., column] = np.ndarray((height, width), kind, data.data, int(field.offset), strides)
    return points.reshape(-1, len(fields))


def _without_nans(points: np.ndarray) -> np.ndarray:
    """Column by column and with `compress`: ten times faster than `points[~np.isnan(points).any(axis=1)]`."""
    known = np.ones(len(points), dtype=bool)
    for column in points.T:
        known &= ~np.isnan(column)
    return points if known.all() else points.compress(known, axis=0)


def _with_sensor_msgs_py(msg: Any, fields: Sequence[str]) -> np.ndarray:
    module = point_cloud2()
    if module is None:
        raise ConfigError("sensor_msgs_py is asked for, but it is not installed or does not work in this environment")
    structured = module.read_points(msg, field_names=list(fields), skip_nans=False)
    return np.stack([structured[name] for name in fields], axis=-1).astype(np.float32, copy=False)


def _suits_sensor_msgs_py(msg: Any) -> bool:
    """False for what sensor_msgs_py/point_cloud2.py refuses or reads wrongly.

    It takes rclpy messages only, asserts on repeated names and on fields with a count of 0, knows nothing of row
    padding, and swaps big-endian data in place, inside the message, so that a second reading gives other numbers.
    """
    module = point_cloud2()
    names = [field.name for field in msg.fields]
    return (
        module is not None
        and isinstance(msg, module.PointCloud2)
        and not msg.is_bigendian
        and int(msg.row_step) == int(msg.width) * int(msg.point_step)
        and len(set(names)) == len(names)
        and all(field.count == 1 and field.datatype in DATATYPES for field in msg.fields)
    )


def _check_field(field: Any, point_step: int) -> None:
    if field.datatype not in DATATYPES:
        known = f"{min(DATATYPES)} to {max(DATATYPES)}"
        raise DataError(f"field '{shown(field.name)}' has datatype {field.datatype}, expected {known}")
    if field.count > 1:  # some drivers leave 0 where they mean 1
        raise DataError(f"field '{shown(field.name)}' holds {field.count} values a point, expected 1")
    end = int(field.offset) + np.dtype(DATATYPES[field.datatype]).itemsize
    if end > point_step:
        raise DataError(f"field '{shown(field.name)}' ends at byte {end} of a point, expected at most {point_step}")


def _checked_data(msg: Any) -> np.ndarray:
    data = bytes_of(msg.data)
    height, row, step = int(msg.height), int(msg.width) * int(msg.point_step), _row_step(msg, data)
    # With a single row its padding is of no interest, and some drivers leave row_step empty then.
    if height > 1 and step < row:
        raise DataError(f"row_step of the cloud is {step} bytes, expected at least {row}")
    expected = (height - 1) * step + row if height > 0 else 0
    if data.size < expected:
        raise DataError(f"a {msg.width}x{msg.height} cloud has {data.size} bytes of data, expected {expected}")
    return data


def _row_step(msg: Any, data: np.ndarray) -> int:
    """As the message says; some drivers leave it 0 or count something else, where rows without padding fit the data."""
    row = int(msg.width) * int(msg.point_step)
    return row if data.size == int(msg.height) * row else int(msg.row_step)
