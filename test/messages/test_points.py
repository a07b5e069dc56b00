# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.messages import bridge, points
from mono_depth_ros.messages.cloud import DATATYPES
from mono_depth_ros.messages.points import has_point_times, point_rings, read_points

HEIGHT, WIDTH, STEP = 3, 4, 40
NAMES = {np.dtype(kind): number for number, kind in DATATYPES.items()}
# Out of order, with gaps and of three types.
FIELDS = {"intensity": (1, np.uint16), "z": (4, np.float64), "x": (17, np.float32), "y": (24, np.float32)}


def make(ros, padding: int = 0, big: bool = False, organised: bool = True):
    """A cloud of unfriendly layout, and its values by field name."""
    height, width = (HEIGHT, WIDTH) if organised else (1, HEIGHT * WIDTH)
    rng = np.random.default_rng(5)
    raw = rng.integers(0, 256, (height, width * STEP + padding), dtype=np.uint8)
    values = {}
    for name, (offset, kind) in FIELDS.items():
        numbers = rng.integers(0, 1000, (height, width)).astype(kind) / kind(1 if kind is np.uint16 else 8)
        values[name] = numbers.astype(kind)
        stored = values[name].astype(np.dtype(kind).newbyteorder(">" if big else "<"))
        size = stored.dtype.itemsize
        cells = raw[:, : width * STEP].reshape(height, width, STEP)
        cells[..., offset : offset + size] = stored[..., None].view(np.uint8)
    message = ros.cloud()
    message.height, message.width, message.point_step = height, width, STEP
    message.row_step, message.is_bigendian, message.is_dense = raw.shape[1], big, False
    message.fields = [
        ros.PointField(name=name, offset=offset, datatype=NAMES[np.dtype(kind)], count=1)
        for name, (offset, kind) in FIELDS.items()
    ]
    message.data = ros.as_data(raw.tobytes())
    return message, {name: value.reshape(-1) for name, value in values.items()}


@pytest.mark.parametrize("organised", [True, False], ids=["organised", "row"])
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 7])
def test_any_layout(ros, padding: int, big: bool, organised: bool) -> None:
    message, values = make(ros, padding, big, organised)
    for _ in range(2):  # reading leaves the message as it is
        found = read_points(message, ("x", "y", "z", "intensity"))
        assert found.dtype == np.float32
        expected = np.column_stack([values[name] for name in ("x", "y", "z", "intensity")])
        np.testing.assert_array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize(("number", "kind"), DATATYPES.items())
def test_every_datatype(ros, number: int, kind: type) -> None:
    message = ros.cloud()
    message.height, message.width, message.point_step, message.row_step = 1, 2, 8, 16
    message.fields = [ros.PointField(name="v", offset=0, datatype=number, count=1)]
    low = 0 if np.dtype(kind).kind == "u" else -3
    cells = np.zeros((2, 8), np.uint8)
    cells[:, : np.dtype(kind).itemsize] = np.array([[low], [100]], np.dtype(kind).newbyteorder("<")).view(np.uint8)
    message.data = ros.as_data(cells.tobytes())
    assert read_points(message, ("v",)).tolist() == [[low], [100.0]]


@pytest.mark.parametrize("row_step", [0, 7, 4000])
def test_a_wrong_row_step_is_no_matter_where_rows_without_padding_fit(ros, row_step: int) -> None:
    message, values = make(ros)
    message.row_step = row_step
    np.testing.assert_array_equal(read_points(message, ("x",))[:, 0], values["x"].astype(np.float32))


def test_nan_points(ros) -> None:
    xyz = np.array([[1, 2, 3], [np.nan, 2, 3], [1, 2, np.nan], [4, 5, np.inf]], "<f4")
    message = ros.cloud()
    message.height, message.width, message.point_step, message.row_step = 1, 4, 12, 48
    message.is_dense = True  # says so, and is wrong
    message.fields = [ros.PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")]
    message.data = ros.as_data(xyz.tobytes())
    np.testing.assert_array_equal(read_points(message), xyz[[0, 3]])
    np.testing.assert_array_equal(read_points(message, skip_nans=False), xyz)
    np.testing.assert_array_equal(read_points(message, ("x",)), xyz[[0, 2, 3], :1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"row_step": 159, "height": 2}, "row_step of the cloud is 159 bytes, expected at least 160"),
        ({"height": 4}, "a 4x4 cloud has 480 bytes of data, expected 640"),
        ({"point_step": 27}, "field 'y' ends at byte 28 of a point, expected at most 27"),
    ],
)
def test_bad_layouts(ros, change: dict, sentence: str) -> None:
    message, _ = make(ros)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(DataError, match=sentence):
        read_points(message)


def test_bad_fields(ros) -> None:
    message, _ = make(ros)
    with pytest.raises(DataError, match="no field 'ring', it has: intensity, z, x, y"):
        read_points(message, ("x", "ring"))
    message.fields[2].datatype = 9
    with pytest.raises(DataError, match="field 'x' has datatype 9, expected 1 to 8"):
        read_points(message)
    message.fields[2].datatype, message.fields[2].count = 7, 2
    with pytest.raises(DataError, match="field 'x' holds 2 values a point, expected 1"):
        read_points(message)


def test_sensor_msgs_py_asked_for_and_absent(monkeypatch, rosbags_messages) -> None:
    monkeypatch.setattr(points, "point_cloud2", lambda: None)
    message, _ = make(rosbags_messages)
    with pytest.raises(ConfigError, match="sensor_msgs_py is asked for"):
        read_points(message, use_sensor_msgs_py=True)


@pytest.mark.skipif(bridge.point_cloud2() is None, reason="sensor_msgs_py is not installed, or does not work here")
@pytest.mark.parametrize("organised", [True, False], ids=["organised", "row"])
@pytest.mark.parametrize("skip_nans", [True, False])
def test_sensor_msgs_py_gives_the_same(rclpy_messages, organised: bool, skip_nans: bool) -> None:
    message, _ = make(rclpy_messages, organised=organised)
    np.frombuffer(message.data, np.uint8)[17:21] = np.array([np.nan], "<f4").view(np.uint8)
    names = ("x", "y", "z", "intensity")
    ours = read_points(message, names, skip_nans, use_sensor_msgs_py=False)
    theirs = read_points(message, names, skip_nans, use_sensor_msgs_py=True)
    np.testing.assert_array_equal(ours, theirs)
    assert points._suits_sensor_msgs_py(message)
    assert len(ours) == HEIGHT * WIDTH - skip_nans


@pytest.mark.skipif(bridge.point_cloud2() is None, reason="sensor_msgs_py is not installed, or does not work here")
def test_sensor_msgs_py_is_left_alone_with_what_it_reads_wrongly(rclpy_messages, rosbags_messages) -> None:
    for message, _ in (make(rclpy_messages, padding=7), make(rclpy_messages, big=True), make(rosbags_messages)):
        assert not points._suits_sensor_msgs_py(message)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("x y z intensity t ring", "t"),
        ("x y z time", "time"),
        ("x y z timestamp", "timestamp"),
        ("offset_time x y z", "offset_time"),
        ("x y z intensity ring rgb", None),
        ("", None),
    ],
)
def test_times_of_points_are_found_by_the_names_of_the_drivers(ros, names, found):
    message = ros.cloud()
    message.fields = [
        ros.PointField(name=name, offset=4 * k, datatype=7, count=1) for k, name in enumerate(names.split())
    ]
    assert has_point_times(message) == found


@pytest.mark.parametrize("name", ["ring", "channel", "laser_id"])
def test_rings_are_those_of_the_driver(ros, name: str) -> None:
    message, values = make(ros)
    assert point_rings(message) is None
    message.fields[0].name = name  # of 16 bits
    found = point_rings(message)
    assert found is not None and found.dtype == np.int64
    np.testing.assert_array_equal(found, values["intensity"])
    message.fields[2].name, message.fields[0].name = name, "intensity"  # a float is no number of a laser
    assert point_rings(message) is None
