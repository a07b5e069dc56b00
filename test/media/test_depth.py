# SPDX-License-Identifier: Apache-2.0
"""One reader of depth maps, for references, data sets and the demo."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.depth import read_depth, unit_problem


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_other_names_and_missing_files_are_refused(tmp_path):
    for name in ("a.npy", "a.png"):
        with pytest.raises(DataError, match=rf"cannot read .*{name}: No such file"):
            read_depth(tmp_path / name)
    with pytest.raises(DataError, match=r"expected a file ending in one of: \.png, \.tif, \.tiff, \.npy"):
        read_depth(tmp_path / "a.jpg")


def test_a_data_set_says_which_counts_are_unknown(tmp_path):
    """65535 is where sensors saturate, and unknown; KITTI and TUM RGB-D have nothing but 0 for that."""
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 256, 65535, 128]], np.uint16))
    np.testing.assert_array_equal(read_depth(tmp_path / "a.png", 256.0), [[np.nan, 1.0, np.nan, 0.5]])
    np.testing.assert_array_equal(read_depth(tmp_path / "a.png", 256.0, (0,)), [[np.nan, 1.0, 65535 / 256, 0.5]])


@pytest.mark.parametrize(("per_m", "expected"), [(1000.0, 2.5), (256.0, 2500 / 256)])
def test_counts_of_a_png_become_metres(tmp_path, per_m, expected):
    counts = np.array([[0, 2500], [1, 65535]], dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), counts)
    found = read_depth(tmp_path / "a.png", per_m)
    np.testing.assert_array_equal(found, [[np.nan, expected], [1 / per_m, np.nan]])
    assert found.dtype == np.float64


def test_metres_of_an_npy_stay(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.5, np.nan], [np.inf, 0.0], [-1.0, 3.0]]))
    found = read_depth(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, ([[1.5, np.nan], [np.inf, np.nan], [np.nan, 3.0]]))


def test_depth_that_is_none_is_refused(tmp_path):
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"has 1 channel\(s\) of 8 bits, expected 1 of 16 bits"):
        read_depth(picture)
    cv2.imwrite(str(picture), np.zeros((4, 4, 3), np.uint16))
    with pytest.raises(DataError, match=r"has 3 channel\(s\) of 16 bits"):
        read_depth(picture)
    with pytest.raises(DataError, match="cannot be decoded"):
        read_depth(saved(tmp_path / "b.png", b"no picture"))
    with pytest.raises(DataError, match="cannot be decoded"):
        read_depth(saved(tmp_path / "b.png", b""))
    with pytest.raises(DataError, match="is it cut off"):
        read_depth(saved(tmp_path / "b.png", picture.read_bytes()[:-8]))
    for array in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1)), np.zeros((4, 4), bool), np.zeros((0, 4))):
        np.save(tmp_path / "c.npy", array)
        with pytest.raises(DataError, match=r"expected numbers of shape \(H, W\), of more than 8 bits"):
            read_depth(tmp_path / "c.npy")
    cv2.imwrite(str(picture), np.ones((4, 4), np.uint16))
    for per_m in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(DataError, match="counts a metre, expected more than 0"):
            read_depth(picture, per_m)


def test_an_array_of_another_unit(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1500.0, 0.0]], np.float32))
    np.testing.assert_array_equal(read_depth(tmp_path / "a.npy", array_per_m=1000.0), [[1.5, np.nan]])


METRES = np.array([[1.5, np.inf, 0.0], [2.0, np.nan, -1.0]], np.float32)
EXPECTED = [[1.5, np.inf, np.nan], [2.0, np.nan, np.nan]]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tif", ".pfm", ".exr"])
def test_floating_point_numbers_are_metres(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a{suffix}"
    monkeypatch.setenv("OPENCV_IO_ENABLE_OPENEXR", "1")
    if suffix == ".npy":
        np.save(path, METRES)
    elif suffix == ".npz":
        np.savez_compressed(path, METRES)
    else:
        try:
            assert cv2.imwrite(str(path), METRES)
        except cv2.error:
            pytest.skip(f"this OpenCV does not write {suffix}")
    np.testing.assert_array_equal(read_depth(path), EXPECTED)
    np.testing.assert_array_equal(read_depth(path, array_per_m=1000.0), np.array(EXPECTED) / 1000)
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=path.name):
            read_depth(path)
            raise DataError(path.name)  # a cut file that can still be read whole, as a .tif whose tags come first


def test_whole_numbers_of_an_array_are_counts(tmp_path):
    for kind in (np.uint16, np.int32, np.int64):
        np.save(tmp_path / "a.npy", np.array([[0, 1500, 65535]], kind))
        np.testing.assert_array_equal(read_depth(tmp_path / "a.npy"), [[np.nan, 1.5, np.nan]])


def test_an_archive_with_several_arrays_needs_one_called_depth(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, rgb=np.zeros((2, 2, 3)), depth=np.ones((1, 2, 2)))
    np.testing.assert_array_equal(read_depth(path), np.ones((2, 2)))
    np.savez(path, a=np.ones((2, 2)), b=np.ones((2, 2)))
    with pytest.raises(DataError, match="holds the arrays a, b, expected one, or one called depth"):
        read_depth(path)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1000.0, "is 2e+03 m, and the prediction's 2 m, near 1000 to 1: are its numbers millimetres"),
        (300.0, "near 1000 to 1"),
        (0.001, "near 0.001 to 1: are its numbers metres that are divided by 1000"),
        (5.0, ""),
        (100.0, ""),
    ],
)
def test_another_unit_is_named(factor, words):
    predicted = np.array([1.0, 2.0, 3.0, np.nan, np.inf])
    assert words in unit_problem(predicted * factor, predicted) and bool(words) == bool(
        unit_problem(predicted * factor, predicted)
    )
    assert unit_problem(np.array([np.nan]), predicted) == ""


def test_a_real_file(real_data):
    depth = read_depth(next((real_data / "kitti_depth/depth").glob("*.png")), 256.0)
    assert depth.shape == (375, 1242) and np.nanmin(depth) > 1 and np.nanmax(depth) < 100
