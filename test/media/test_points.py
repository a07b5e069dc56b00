# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.ply import write_ply
from mono_depth_ros.media.points import read_points

POINTS = np.array([[1.5, -2.25, 3.0], [0.1, 0.2, 0.3], [-7.0, 8.0, 1e-3]], dtype=np.float32)


def saved(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def same(path: Path) -> None:
    found = read_points(path)
    np.testing.assert_array_equal(found, POINTS)
    assert found.dtype == np.float32 and found.flags.writeable


def test_kitti_bin(tmp_path):
    same(saved(tmp_path / "a.bin", np.c_[POINTS, [0.5, 0.6, 0.7]].astype("<f4").tobytes()))


@pytest.mark.parametrize("size", [0, 47, 50])
def test_a_bin_of_another_length_is_refused(tmp_path, size):
    with pytest.raises(DataError, match=rf"has {size} bytes, expected a multiple of 16 \(float32 x, y, z, intensity\)"):
        read_points(saved(tmp_path / "a.bin", bytes(size)))


@pytest.mark.parametrize("array", [POINTS, POINTS.astype(np.float64), np.c_[POINTS, POINTS]])
def test_npy(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    same(tmp_path / "a.npy")


def test_an_npy_of_another_shape_is_refused(tmp_path):
    for array in (np.zeros(6), np.zeros((4, 2)), np.zeros((3, 3), dtype=complex), np.array([["a"] * 3])):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(DataError, match=r"expected numbers of shape \(N, 3\)"):
            read_points(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="is no array of numpy"):
        read_points(tmp_path / "a.npy")
    with pytest.raises(DataError, match="is no array of numpy"):
        read_points(saved(tmp_path / "b.npy", b""))
    with (tmp_path / "c.npy").open("wb") as file:
        np.savez(file, POINTS)
    with pytest.raises(DataError, match="archive of arrays"):
        read_points(tmp_path / "c.npy")


def test_what_this_package_writes_is_read(tmp_path):
    write_ply(tmp_path / "a.ply", POINTS, np.zeros((3, 3), np.uint8), np.ones((3, 3)))
    same(tmp_path / "a.ply")


PLY = """ply
format {form} 1.0
comment element face 9
element vertex 3
property uchar red
property double z
property float x
property int32 id
property float y
element face 1
property list uchar int vertex_indices
end_header
"""


@pytest.mark.parametrize(("form", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_binary_ply_of_any_order_and_type(tmp_path, form, order):
    rows = [struct.pack(f"{order}Bdfif", 9, z, x, 77, y) for x, y, z in POINTS.tolist()]
    face = struct.pack(f"{order}Biii", 3, 0, 1, 2)
    same(saved(tmp_path / "a.ply", PLY.format(form=form).encode() + b"".join(rows) + face))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ascii_ply(tmp_path, newline):
    rows = [f"9 {z!r} {x!r} 77 {y!r}" for x, y, z in POINTS.tolist()]
    text = PLY.format(form="ascii") + "\n".join([*rows, "3 0 1 2", ""])
    same(saved(tmp_path / "a.ply", text.replace("\n", newline)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no PLY"),
        ("ply\nformat ascii 1.0\nelement vertex 3\n", "is no PLY"),
        (PLY.format(form="ascii"), "has 0 points, expected 3: is it cut off"),
        (PLY.format(form="binary_little_endian") + "0123", "has 4 bytes of data, expected 63 for its 3 points"),
        (PLY.format(form="binary_middle"), "is 'binary_middle', expected one of: ascii, binary_little_endian"),
        (PLY.format(form="ascii").replace("float x", "float u"), "have no x, their properties are: red, z, u, id, y"),
        (PLY.format(form="ascii").replace("property double z", "property list uchar int z"), "expected a number"),
        (PLY.format(form="ascii").replace("vertex 3", "vertex many"), "'element vertex many', expected"),
        (PLY.format(form="ascii").replace("element vertex 3", "element face 3"), "expected the element vertex first"),
        ("ply\nformat ascii 1.0\nend_header\n", "has no element vertex"),
        (PLY.format(form="ascii") + "1 2 3\n" * 3, "point 0 of .* has 3 numbers, expected 5"),
        (PLY.format(form="ascii") + "1 2 3 4 five\n" * 3, "could not convert string to float: 'five'"),
    ],
)
def test_a_ply_that_makes_no_sense_is_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_points(saved(tmp_path / "a.ply", text))


PCD = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS intensity z normal x y
SIZE 2 8 4 4 4
TYPE U F F F F
COUNT 1 1 3 1 1
WIDTH 3
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 3
DATA {form}
"""


def test_binary_pcd(tmp_path):
    rows = [struct.pack("<Hd5f", 9, z, 0, 0, 1, x, y) for x, y, z in POINTS.tolist()]
    same(saved(tmp_path / "a.pcd", PCD.format(form="binary").encode() + b"".join(rows)))


def test_ascii_pcd(tmp_path):
    rows = [f"9 {z!r} 0 0 1 {x!r} {y!r}\n" for x, y, z in POINTS.tolist()]
    same(saved(tmp_path / "a.pcd", PCD.format(form="ascii") + "".join(rows)))


def test_unknown_points_of_a_pcd_stay_unknown(tmp_path):
    found = read_points(saved(tmp_path / "a.pcd", PCD.format(form="ascii") + "9 nan 0 0 1 nan nan\n" * 3))
    assert found.shape == (3, 3) and np.isnan(found).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no PCD"),
        ("ply\nformat\n", "is no PCD"),
        ("FIELDS x y z\nDATA ascii\n", "has no SIZE in its header"),
        (PCD.format(form="binary_compressed"), "is 'binary_compressed', expected ascii or binary; convert"),
        (PCD.format(form="binary") + "0123", "has 4 bytes of data, expected 90 for its 3 points"),
        (PCD.format(form="ascii") + "9 1 0 0 1 2 3\n", "has 1 points, expected 3"),
        (PCD.format(form="ascii") + "9 1 0 0 1 2\n" * 3, "has 6 numbers, expected 7"),
        (PCD.format(form="ascii").replace("FIELDS intensity z", "FIELDS intensity d"), "has no field z, its fields"),
        (PCD.format(form="ascii").replace("COUNT 1 1 3", "COUNT 1 2 2"), "more than one value"),
        (PCD.format(form="ascii").replace("COUNT 1 1 3 1 1", "COUNT 1"), "5 FIELDS, 5 SIZE, 5 TYPE and 1 COUNT"),
        (PCD.format(form="ascii").replace("POINTS 3", "POINTS -3"), "has '-3' in its header"),
        (PCD.format(form="binary").replace("SIZE 2", "SIZE 3"), "TYPE U and SIZE 3"),
    ],
)
def test_a_pcd_that_makes_no_sense_is_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_points(saved(tmp_path / "a.pcd", text))


def test_other_names_and_missing_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a file ending in one of: \.bin, \.ply, \.pcd, \.npy"):
        read_points(tmp_path / "a.las")
    with pytest.raises(DataError, match=r"cannot read .*a\.bin: No such file"):
        read_points(tmp_path / "a.bin")


def test_a_real_file(real_data):
    points = read_points(real_data / "kitti_lidar/velodyne/000000.bin")
    assert points.shape[0] > 100_000 and np.isfinite(points).all() and np.abs(points).max() < 130
