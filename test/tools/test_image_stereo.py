# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image LEFT --right RIGHT` on a synthetic scene, with a stand-in network that says 7 everywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.calibration import write_calibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main
from mono_depth_ros.tools.image_stereo import pair_up
from mono_depth_ros.world.world import World

CAMERA = Camera(640, 480, 500.0, 500.0, 320.0, 240.0)
BASELINE_M, DOFFS_PX = 0.12, 20.0
WORDS = ("--camera=500,500,320,240", "--baseline=0.12", "--occlusion-window=0")


class Slope:
    """Inverse depth that falls from below, unitless: what is wrong in it the samples must put right."""

    device = torch.device("cpu")
    spec = ModelSpec("slope", "test", DepthKind.INVERSE_AFFINE, "none")

    def predict(self, rgb, cameras):
        rows = torch.linspace(1.0, 7.0, rgb.shape[1])[:, None].expand(rgb.shape[1:3])
        return [DepthPrediction(rows.clone(), self.spec.kind) for _ in rgb]


@pytest.fixture(autouse=True)
def model(monkeypatch):
    monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: Slope())


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A folder with left.png, right.png and moved.png, the right one with another principal point; and the truth."""
    folder, apart, world = tmp_path_factory.mktemp("pair"), np.eye(4), World.generate("room", 0)
    apart[0, 3] = BASELINE_M
    pose = world.random_pose(np.random.default_rng(0))
    left = world.render(CAMERA, pose, normals=False)
    right = world.render(CAMERA, pose @ apart, normals=False).rgb
    moved = world.render(replace(CAMERA, cx=CAMERA.cx + DOFFS_PX), pose @ apart, normals=False).rgb
    for name, rgb in (("left", left.rgb), ("right", right), ("moved", moved)):
        assert cv2.imwrite(str(folder / f"{name}.png"), rgb[..., ::-1])
    return folder, left.depth


def image(*words):
    return main(["image", *map(str, words)])


def error(depth: np.ndarray, truth: np.ndarray) -> float:
    assert np.isfinite(depth).all()
    known = np.isfinite(truth)
    return float(np.mean(np.abs(depth - truth)[known] / truth[known]))


@pytest.mark.parametrize("right, doffs", [("right", ()), ("moved", (f"--doffs={DOFFS_PX}",))])
def test_a_relative_model_gives_metres(scene, tmp_path, capsys, right, doffs):
    folder, truth = scene
    words = ("--right", folder / f"{right}.png", *doffs, "--out", tmp_path, "--ply", "--json")
    assert image(folder / "left.png", *WORDS, *words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["unit"] == "m" and result["alignment"]["right"].endswith(f"{right}.png")
    assert result["alignment"]["matched"] > 0.6
    assert error(np.load(tmp_path / "left.npy"), truth) < 0.03
    assert (tmp_path / "left.ply").stat().st_size > 1_000_000


def test_both_calibrations_rectify_the_pair(scene, tmp_path, capsys):
    """Lenses with distortion, and a right camera that is turned by one degree about its axis."""
    folder, truth = scene
    lens = replace(CAMERA, model="plumb_bob", distortion=(-0.15, 0.05, 0.0, 0.0, 0.0))
    turn = np.deg2rad(1.0)
    rotations = {"left": np.eye(3), "right": np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])}  # fmt: skip
    for side, shift in (("left", 0.0), ("right", -CAMERA.fx * BASELINE_M)):
        # raw pixel -> ray -> rectified pixel of the picture that was rendered
        grid = np.stack(np.meshgrid(np.arange(640.0), np.arange(480.0)), -1).reshape(-1, 1, 2)
        rays = cv2.undistortPoints(grid, lens.matrix, np.array(lens.distortion), R=rotations[side])
        pixels = (rays.reshape(480, 640, 2) * 500.0 + (320.0, 240.0)).astype(np.float32)
        raw = cv2.remap(cv2.imread(str(folder / f"{side}.png")), pixels, None, cv2.INTER_LINEAR)
        assert cv2.imwrite(str(tmp_path / f"{side}.png"), raw)
        calibration = replace(
            lens.calibration(), R=tuple(rotations[side].ravel()), P=(500, 0, 320, shift, 0, 500, 240, 0, 0, 0, 1, 0)
        )
        write_calibration(tmp_path / f"{side}.yaml", calibration)
    cameras = ("--camera", tmp_path / "left.yaml", "--right-camera", tmp_path / "right.yaml")
    pair = (tmp_path / "left.png", "--right", tmp_path / "right.png", "--out", tmp_path / "out")
    assert image(*pair, *cameras, "--occlusion-window=0") == 0
    seen = np.isfinite(truth) & (cv2.erode(np.ones_like(truth), np.ones((3, 3))) > 0)
    depth = np.load(tmp_path / "out/left.npy")
    assert error(depth[60:-60, 80:-80], np.where(seen, truth, np.nan)[60:-60, 80:-80]) < 0.03
    capsys.readouterr()
    assert image(*pair, "--camera", tmp_path / "left.yaml", "--baseline=0.12") == 1
    assert "the left camera has plumb_bob distortion, expected --right-camera too" in capsys.readouterr().err
    assert image(*pair, *cameras, "--baseline=0.2") == 1
    assert "--baseline is 0.2 m and P of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--right", "left.png"), "left.png is left and right image, expected two files for each pair"),
        (("--right", "nothing.png"), "nothing.png"),
        (("--right", "right.png", "--reference", "left.png"), "--right and --reference are both given"),
        (("--right", "right.png", "--baseline=-1"), "--baseline is -1, expected metres, more than 0"),
        (("--doffs=3",), "--doffs is for stereo pairs: expected --right too"),
        (("--right", "small.png"), "small.png is 320x240, expected the size of left.png, 640x480"),
    ],
)
def test_wrong_pairs_are_one_sentence(scene, tmp_path, capsys, words, sentence):
    folder, _ = scene
    assert cv2.imwrite(str(folder / "small.png"), np.zeros((240, 320, 3), np.uint8))
    words = [folder / word if word.endswith(".png") else word for word in words]
    given = WORDS if "--right" in words else WORDS[:1]
    assert image(folder / "left.png", *given, *words, "--out", tmp_path) == 1
    assert sentence in capsys.readouterr().err


def test_swapped_sides_are_named_as_such(scene, tmp_path, capsys):
    folder, _ = scene
    assert image(folder / "right.png", "--right", folder / "left.png", *WORDS, "--out", tmp_path) == 1
    assert "left and right are swapped" in capsys.readouterr().err and not list(tmp_path.iterdir())


def names(folder: Path, *found: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in found:
        (folder / name).touch()
    return [folder / name for name in found]


def test_pairs_by_name_and_by_order(tmp_path):
    lefts = names(tmp_path / "a", "left_2.png", "left_10.png")
    rights = names(tmp_path / "b", "right_10.png", "right_2.png", "right_11.png")
    assert pair_up(lefts, str(tmp_path / "b")) == {lefts[0]: rights[1], lefts[1]: rights[0]}
    kitti = names(tmp_path / "image_2", "000000.png"), names(tmp_path / "image_3", "000000.png")
    assert pair_up(kitti[0], str(tmp_path / "image_3")) == {kitti[0][0]: kitti[1][0]}
    one = names(tmp_path / "one", "im0.png", "im1.png")
    assert pair_up(one[:1], str(one[1])) == {one[0]: one[1]}
    stamps = names(tmp_path / "cam0", "100.png", "200.png"), names(tmp_path / "cam1", "103.png", "203.png")
    assert pair_up(stamps[0], str(tmp_path / "cam1")) == dict(zip(*stamps, strict=True))
    with pytest.raises(DataError, match=r"2 left and 3 right images: .*left_3\.png has no partner"):
        pair_up([*lefts[:1], *names(tmp_path / "a", "left_3.png")], str(tmp_path / "b"))
