# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.cloud import pack_cloud
from mono_depth_ros.media.ply import unpack_cloud, write_ply


def read_ply(path):
    """A reader of its own, after the format's description and not after the writer."""
    data = path.read_bytes()
    header, _, body = data.partition(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    types = {"float": "<f4", "uchar": "u1"}
    columns = [(line.split()[2], types[line.split()[1]]) for line in lines if line.startswith("property")]
    points = np.frombuffer(body, dtype=columns)
    assert len(points) == count
    return points


def test_points_and_colours_come_back(tmp_path):
    xyz = np.array([[1.5, -2.25, 3.0], [0.1, 0.2, 0.3]], dtype=np.float32)
    rgb = np.array([[255, 128, 0], [1, 2, 3]], dtype=np.uint8)
    assert write_ply(tmp_path / "a.ply", xyz, rgb) == 2
    points = read_ply(tmp_path / "a.ply")
    assert points.dtype.names == ("x", "y", "z", "red", "green", "blue")
    np.testing.assert_array_equal(np.stack([points[c] for c in "xyz"], -1), xyz)
    np.testing.assert_array_equal(np.stack([points[c] for c in ("red", "green", "blue")], -1), rgb)


def test_only_finite_points_are_written(tmp_path):
    xyz = np.zeros((2, 3, 3), dtype=np.float32)
    xyz[0, 0, 2], xyz[1, 1, 0], xyz[1, 2, 1] = np.nan, np.inf, -np.inf
    rgb = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert write_ply(tmp_path / "a.ply", xyz, rgb) == 3
    assert read_ply(tmp_path / "a.ply")["red"].tolist() == [3, 6, 9]


def test_an_empty_cloud_is_a_valid_file(tmp_path):
    assert write_ply(tmp_path / "a.ply", np.full((4, 3), np.nan), np.zeros((4, 3), np.uint8)) == 0
    assert len(read_ply(tmp_path / "a.ply")) == 0


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.ply"
    path.write_text("old")
    with pytest.raises(ValueError, match="2 points have 1 colours"):
        write_ply(path, np.zeros((2, 3)), np.zeros((1, 3), np.uint8))
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_ply(path, np.zeros((2, 3)), np.zeros((2, 3), np.uint8))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_packed_clouds_are_unpacked():
    depth = torch.tensor([[2.0, 4.0]])
    rays = torch.tensor([[[0.5, -0.25], [1.0, 0.0]]])
    rgb = torch.tensor([[[250, 2, 3], [0, 255, 17]]], dtype=torch.uint8)
    xyz, found = unpack_cloud(pack_cloud(depth, rays, rgb).numpy())
    np.testing.assert_array_equal(xyz, [[[1.0, -0.5, 2.0], [4.0, 0.0, 4.0]]])
    np.testing.assert_array_equal(found, rgb.numpy())


def test_normals_stand_between_places_and_colours_and_unknown_ones_are_zero(tmp_path):
    xyz = np.arange(6, dtype=np.float32).reshape(2, 3)
    normals = np.array([[0, 0, -1], [np.nan, 0, 1]], dtype=np.float32)
    assert write_ply(tmp_path / "a.ply", xyz, np.zeros((2, 3), np.uint8), normals) == 2
    points = read_ply(tmp_path / "a.ply")
    assert points.dtype.names == ("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue")
    assert points[["nx", "ny", "nz"]].tolist() == [(0, 0, -1), (0, 0, 0)]
