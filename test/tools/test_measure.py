# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image --measure`, with a network whose answer is known: depth = red / 10 m."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main

CAMERA = "--camera=50,50,16,12"


class RedModel:
    device, engine = torch.device("cpu"), "torch fp32"

    def __init__(self, kind=DepthKind.METRIC, confident=False):
        self.spec, self.confident = ModelSpec("red", "test", kind, "none"), confident

    def predict(self, rgb, cameras):
        depth = rgb[0, ..., 0].float() / 10
        return [DepthPrediction(depth, self.spec.kind, depth / 100 if self.confident else None)]


@pytest.fixture
def use(monkeypatch):
    def use(**changes):
        monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: RedModel(**changes))

    return use


@pytest.fixture
def photo(tmp_path):
    """A wall at 2 m; from column 20 on one at 4 m; unknown at (5, 6)."""
    bgr = np.zeros((24, 32, 3), np.uint8)
    bgr[..., 2], bgr[:, 20:, 2], bgr[6, 5, 2] = 20, 40, 0
    path = tmp_path / "photo.png"
    assert cv2.imwrite(str(path), bgr)
    return path


def test_the_distance_on_a_wall_is_that_of_the_pinhole(use, photo, capsys):
    use()
    assert main(["image", str(photo), CAMERA, "--measure", "6,12,16,2", "--measure=16,12,25,12", "--json"]) == 0
    wall, across = json.loads(capsys.readouterr().out)["measured"]
    assert wall["metres"] == pytest.approx(2 / 50 * np.hypot(10, 10), abs=1e-6)
    assert wall["points"][0] == [-0.4, 0.0, 2.0]
    assert wall["pick_m"] == pytest.approx(2 / 50 * (np.hypot(12, 12) - np.hypot(10, 10)), abs=1e-5)
    assert across["metres"] == pytest.approx(np.hypot(9 / 50 * 4, 2), abs=1e-6) and across["confidence"] is None


def test_at_an_edge_it_says_how_little_the_distance_is_worth(use, photo, capsys, documented):
    use(confident=True)
    assert main(["image", str(photo), CAMERA, "--measure", "6,12,19,12", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    documented("image", printed)
    (found,) = printed["measured"]
    assert found["metres"] == pytest.approx(2 / 50 * 13, abs=1e-6) and found["pick_m"] > 1.0
    assert found["confidence"] == [0.02, 0.02]


def test_without_json_it_is_a_line_for_eyes_and_nothing_is_written(use, photo, tmp_path, capsys):
    use()
    assert main(["image", str(photo), CAMERA, "--measure", "6,12,16,12"]) == 0
    out = capsys.readouterr().out
    assert "photo.png: (6, 12) to (16, 12): 0.400 m" in out and "no confidence" in out
    assert list(tmp_path.iterdir()) == [photo]


def test_with_out_the_files_are_written_too(use, photo, tmp_path):
    use()
    assert main(["image", str(photo), CAMERA, "--measure", "6,12,16,12", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "photo.npy").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--measure", "1,2,3"], "expected two pixels"),
        (["--measure", "1,2,3,x"], "expected two pixels"),
        (["--measure", "1,2,32,3"], "pixel (32, 3) is not in the image of 32x24"),
        (["--measure", "-1,2,3,3"], "not in the image"),
        (["--measure", "5,6,1,1"], "the depth at pixel (5, 6) is not known"),
        ([], "nowhere to write"),
    ],
)
def test_bad_pixels_are_refused(use, photo, capsys, words, sentence):
    use()
    words = [f"--measure={words[1]}"] if words else []
    assert main(["image", str(photo), CAMERA, *words]) == (2 if "two pixels" in sentence else 1)
    assert sentence in capsys.readouterr().err


def test_it_needs_metres_and_a_camera(use, photo, capsys):
    use(kind=DepthKind.INVERSE_AFFINE)
    assert main(["image", str(photo), CAMERA, "--measure", "1,1,2,2"]) == 1
    assert "--measure need a metric model" in capsys.readouterr().err
    use()
    assert main(["image", str(photo), "--measure", "1,1,2,2"]) == 1
    assert "--measure needs the camera" in capsys.readouterr().err
