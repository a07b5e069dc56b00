# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.datasets.real_frames import READERS, kitti_depth, seven_scenes
from mono_depth_ros.errors import DataError
from mono_depth_ros.models.networks.tiny import TinyDepthNet
from mono_depth_ros.training.evaluate import real

DATA = Path(os.environ.get("MONO_DEPTH_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize(("name", "frames", "low", "high"), [("kitti_depth", 3, 5, 30), ("nyu_depth", 3, 1, 5)])
def test_real_samples(name: str, frames: int, low: float, high: float) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name} in {DATA} (set MONO_DEPTH_DATA)")
    found = list(READERS[name](DATA / name))
    assert len(found) == frames
    for frame in found:
        assert frame.rgb.shape[:2] == frame.depth.shape == (frame.camera.height, frame.camera.width)
        assert low < np.nanmedian(frame.depth) < high


def write_scene(folder: Path, depth_mm: np.ndarray) -> None:
    height, width = depth_mm.shape
    cv2.imwrite(str(folder / "frame-000000.color.jpg"), np.full((height, width, 3), (0, 0, 200), np.uint8))
    cv2.imwrite(str(folder / "frame-000000.depth.png"), depth_mm)


def test_units_and_unknown(tmp_path: Path) -> None:
    depth_mm = np.full((48, 64), 1500, np.uint16)
    depth_mm[0, 0], depth_mm[0, 1] = 0, 65535
    write_scene(tmp_path, depth_mm)
    (frame,) = seven_scenes(tmp_path)
    assert np.isnan(frame.depth[0, :2]).all()
    assert frame.depth[0, 2] == pytest.approx(1.5)
    assert frame.rgb[20, 20, 0] > 150 > 60 > frame.rgb[20, 20, 2]  # red stays red
    with pytest.raises(DataError, match=r"no \*\.png"):
        list(kitti_depth(tmp_path))


def test_scale_and_affine_fits_can_only_help(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 3000, 64).astype(np.uint16)[None].repeat(48, 0)
    write_scene(tmp_path, ramp)
    torch.manual_seed(0)
    found = real(TinyDepthNet().eval(), seven_scenes(tmp_path))
    assert found["frames"] == 1
    assert found["metric"]["abs_rel"] == pytest.approx(1.3, abs=0.3)  # 4 m everywhere, untrained
    assert found["median_scaled"]["abs_rel"] < 0.5 * found["metric"]["abs_rel"]
    assert found["affine_inverse"]["silog"] <= found["metric"]["silog"] + 0.02
