# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mono_depth_ros.datasets.samples import SAMPLES, kitti_depth, seven_scenes_frames
from mono_depth_ros.errors import DataError


@pytest.mark.parametrize(("name", "frames", "low", "high"), [("kitti_depth", 3, 5, 30), ("nyu_depth", 3, 1, 5)])
def test_real_samples(real_data: Path, name: str, frames: int, low: float, high: float) -> None:
    found = list(SAMPLES[name](real_data / name))
    assert len(found) == frames
    for frame in found:
        assert frame.camera is not None
        assert frame.rgb.shape[:2] == frame.truth.shape == (frame.camera.height, frame.camera.width)
        assert low < np.nanmedian(frame.truth) < high


def write_scene(folder: Path, depth_mm: np.ndarray) -> None:
    height, width = depth_mm.shape
    (folder / "camera-intrinsics.txt").write_text("58 0 32\n0 58 24\n0 0 1\n")
    cv2.imwrite(str(folder / "frame-000000.color.jpg"), np.full((height, width, 3), (0, 0, 200), np.uint8))
    cv2.imwrite(str(folder / "frame-000000.depth.png"), depth_mm)


def test_units_and_unknown(tmp_path: Path) -> None:
    depth_mm = np.full((48, 64), 1500, np.uint16)
    depth_mm[0, 0], depth_mm[0, 1] = 0, 65535
    write_scene(tmp_path, depth_mm)
    (frame,) = seven_scenes_frames(tmp_path)
    assert np.isnan(frame.truth[0, :2]).all()
    assert frame.truth[0, 2] == pytest.approx(1.5)
    assert frame.rgb[20, 20, 0] > 150 > 60 > frame.rgb[20, 20, 2]  # red stays red


def test_a_sample_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is in no layout of this data set"):
        kitti_depth(tmp_path)
    write_scene(tmp_path, np.full((48, 64), 1500, np.uint16))
    (tmp_path / "frame-000000.depth.png").unlink()
    with pytest.raises(DataError, match="no whole set of frames"):
        seven_scenes_frames(tmp_path)


@pytest.mark.parametrize(("reader", "expected"), [("kitti", 65535 / 256), ("tum", 65535 / 5000), ("nyu", np.nan)])
def test_what_the_largest_count_means_is_the_data_set_s(tmp_path: Path, reader: str, expected: float) -> None:
    from mono_depth_ros.datasets import READERS
    from mono_depth_ros.datasets.files import Wanted
    from mono_depth_ros.media.camera_argument import CameraArgument

    for name, pixels in (("rgb", np.zeros((2, 2, 3), np.uint8)), ("depth", np.full((2, 2), 65535, np.uint16))):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), pixels)
        (tmp_path / f"{name}.txt").write_text(f"1.0 {name}/1.png\n")
    dataset = READERS[reader](Wanted(tmp_path)).with_camera(CameraArgument("test", (1.0, 1.0, 0.0, 0.0)))
    np.testing.assert_array_equal(dataset.load(dataset.items[0]).truth, np.full((2, 2), expected))
