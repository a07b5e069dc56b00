# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import pack_cloud
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.messages.cloud import XYZIRT, XYZRGB, CloudLayout, fill_cloud, write_points
from mono_depth_ros.messages.points import read_points


def test_layout_of_coloured_points(ros) -> None:
    fields = XYZRGB.fields(ros.PointField)
    found = [(field.name, field.offset, field.datatype, field.count) for field in fields]
    assert found == [("x", 0, 7, 1), ("y", 4, 7, 1), ("z", 8, 7, 1), ("rgb", 12, 7, 1)]
    assert XYZRGB.point_step == 16


def test_layout_of_lidar_points(ros) -> None:
    found = [(field.name, field.offset, field.datatype) for field in XYZIRT.fields(ros.PointField)]
    assert found == [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7), ("ring", 16, 4), ("time", 18, 7)]
    assert XYZIRT.point_step == 22


def test_organised_cloud(ros) -> None:
    camera = Camera(4, 3, 10.0, 10.0, 1.5, 1.0)
    rgb = torch.zeros((3, 4, 3), dtype=torch.uint8)
    rgb[1, 2] = torch.tensor([0x12, 0x34, 0x56])
    packed = pack_cloud(torch.full((3, 4), 2.0), rays(camera), rgb).numpy()
    message = ros.cloud()
    fill_cloud(message, packed, ros.PointField)
    assert (message.width, message.height, message.point_step, message.row_step) == (4, 3, 16, 64)
    assert not message.is_bigendian and not message.is_dense and len(message.data) == 192
    pixel = bytes(message.data)[64 + 2 * 16 :][:16]
    assert np.frombuffer(pixel[:12], "<f4").tolist() == pytest.approx([0.1, 0.0, 2.0])
    assert pixel[12:] == bytes([0x56, 0x34, 0x12, 0x00])  # 0x00RRGGBB, little endian
    np.testing.assert_array_equal(read_points(message), packed[..., :3].reshape(-1, 3))


def test_clouds_survive_the_wire(rclpy_messages, rosbags_messages) -> None:
    packed = np.random.default_rng(0).random((6, 5, 4), dtype=np.float32)
    for source, sink in ((rclpy_messages, rosbags_messages), (rosbags_messages, rclpy_messages)):
        message = source.cloud()
        fill_cloud(message, packed, source.PointField)
        received = sink.deserialize(source.serialize(message), "PointCloud2")
        np.testing.assert_array_equal(read_points(received), packed[..., :3].reshape(-1, 3))


def test_lidar_points(ros) -> None:
    rng = np.random.default_rng(0)
    xyz, ring = rng.normal(size=(50, 3)).astype(np.float32), np.arange(50) % 16
    intensity, time_s = rng.random(50, dtype=np.float32), np.linspace(0, 0.1, 50, dtype=np.float32)
    message = ros.cloud()
    fill_cloud(message, write_points(xyz, intensity, ring, time_s), ros.PointField, XYZIRT, dense=True)
    assert (message.width, message.height, message.point_step, message.is_dense) == (50, 1, 22, True)
    expected = np.column_stack([xyz, intensity, ring, time_s]).astype(np.float32)
    np.testing.assert_array_equal(read_points(message, ("x", "y", "z", "intensity", "ring", "time")), expected)


def test_bytes_as_colour_channel(ros) -> None:
    packed = np.arange(2 * 3 * 16, dtype=np.uint8).reshape(2, 3, 16)
    message = ros.cloud()
    fill_cloud(message, packed, ros.PointField)
    assert bytes(message.data) == packed.tobytes() and (message.width, message.height) == (3, 2)


def test_points_of_another_size(ros) -> None:
    with pytest.raises(DataError, match="a point has 12 bytes, expected 16: x, y, z, rgb"):
        fill_cloud(ros.cloud(), np.zeros((2, 2, 3), np.float32), ros.PointField)
    with pytest.raises(DataError, match="expected \\(H, W, C\\) or \\(N, C\\)"):
        fill_cloud(ros.cloud(), np.zeros((1, 2, 2, 4), np.float32), ros.PointField)


def test_lidar_columns_of_other_lengths() -> None:
    with pytest.raises(DataError, match="'ring': \\(4,\\)"):
        write_points(np.zeros((5, 3)), np.zeros(5), np.zeros(4), np.zeros(5))


def test_empty_cloud(ros) -> None:
    message = ros.cloud()
    fill_cloud(message, np.zeros((0, 4), np.float32), ros.PointField)
    assert read_points(message).shape == (0, 3)


def test_any_layout(ros) -> None:
    layout = CloudLayout((("t", np.float64), ("n", np.int8)))
    message = ros.cloud()
    fill_cloud(message, np.array([(1.5, -3)], layout.dtype), ros.PointField, layout)
    assert read_points(message, ("n", "t")).tolist() == [[-3.0, 1.5]]
