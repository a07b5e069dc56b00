# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image` on files, with a stand-in network whose answer is known: depth = red / 10 m."""

from __future__ import annotations

import json
import re
import resource
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main

CAMERA = "--camera=50,50,15.5,11.5"


class RedModel:
    device = torch.device("cpu")

    def __init__(self, kind=DepthKind.METRIC, needs_camera=True):
        self.spec = ModelSpec("red", "test", kind, "none", needs_camera=needs_camera)
        self.cameras = []

    def predict(self, rgb, cameras):
        self.cameras += cameras
        return [DepthPrediction(image[..., 0].float() / 10, self.spec.kind) for image in rgb]


@pytest.fixture
def use(monkeypatch):
    def use(**changes):
        model = RedModel(**changes)
        monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: model)
        return model

    return use


@pytest.fixture
def model(use):
    return use()


def write_image(path, red=20, width=32, height=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[..., 2] = red
    bgr[..., 0] = 9
    bgr[0, 0, 2] = 0  # depth 0: unknown
    assert cv2.imwrite(str(path), bgr)
    return path


def image(*words):
    return main(["image", *map(str, words)])


def test_array_of_metres_at_the_size_of_the_image(tmp_path, model):
    path = write_image(tmp_path / "in" / "a.png", red=25)
    assert image(path, "--out", tmp_path / "out", CAMERA) == 0
    depth = np.load(tmp_path / "out" / "a.npy")
    assert depth.shape == (24, 32) and depth.dtype == np.float32
    assert np.isnan(depth[0, 0])
    assert (depth.ravel()[1:] == np.float32(2.5)).all()
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.npy"]
    assert model.cameras == [Camera(32, 24, 50.0, 50.0, 15.5, 11.5)]


def test_every_kind_of_result(tmp_path, model):
    path = write_image(tmp_path / "a.png", red=25)
    out = tmp_path / "out"
    assert image(path, "--out", out, CAMERA, "--no-npy", "--png16", "--ply", "--color", "--stride", "2") == 0
    assert {file.name for file in out.iterdir()} == {"a.png", "a.ply", "a_color.png"}
    millimetres = cv2.imread(str(out / "a.png"), cv2.IMREAD_UNCHANGED)
    assert millimetres.dtype == np.uint16 and millimetres[0, 0] == 0 and (millimetres.ravel()[1:] == 2500).all()
    assert cv2.imread(str(out / "a_color.png")).shape == (24, 32, 3)
    assert b"element vertex 191\n" in (out / "a.ply").read_bytes()  # 16 x 12, without the unknown one


def test_options_of_the_depth_reach_the_pipeline(tmp_path, model):
    path = write_image(tmp_path / "a.png", red=25)
    assert image(path, "--out", tmp_path / "out", CAMERA, "--max-depth", "2") == 0
    assert np.isposinf(np.load(tmp_path / "out" / "a.npy").ravel()[1:]).all()


def test_one_line_of_json_a_file(tmp_path, model, capsys, documented):
    write_image(tmp_path / "in" / "a.png", red=10)
    write_image(tmp_path / "in" / "b.png", red=0)
    assert image(tmp_path / "in", "--out", tmp_path / "out", CAMERA, "--json") == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["file"].endswith("a.png") and first["outputs"] == [str(tmp_path / "out" / "a.npy")]
    assert (first["width"], first["height"], first["kind"], first["unit"]) == (32, 24, "metric", "m")
    assert (first["n"], first["min"], first["median"], first["max"]) == (32 * 24 - 1, 1.0, 1.0, 1.0)
    assert first["ms"] > 0
    for line in (first, second, {"file": "a.png", "error": "why"}):
        documented("image", line)
    assert (second["n"], second["min"], second["median"], second["max"]) == (0, None, None, None)


def test_a_broken_file_is_told_and_the_rest_is_done(tmp_path, model, capsys):
    folder = tmp_path / "in"
    write_image(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")
    write_image(folder / "c.png")
    assert image(folder, "--out", tmp_path / "out", CAMERA, "--json") == 1
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"a.npy", "c.npy"}
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert ["error" in line for line in lines] == [False, True, False]
    assert "b.png" in lines[1]["error"]
    assert "mono_depth image: 1 of 3 images failed" in err and "Traceback" not in err


def test_same_names_from_two_folders_stay_apart(tmp_path, model):
    left, right = write_image(tmp_path / "left" / "1.png", 10), write_image(tmp_path / "right" / "1.png", 20)
    assert image(left, right, "--out", tmp_path / "out", CAMERA) == 0
    assert np.load(tmp_path / "out" / "left" / "1.npy")[1, 1] == 1.0
    assert np.load(tmp_path / "out" / "right" / "1.npy")[1, 1] == 2.0


def test_an_input_is_never_overwritten(tmp_path, model, capsys):
    path = write_image(tmp_path / "a.png")
    before = path.read_bytes()
    assert image(path, "--out", tmp_path, CAMERA, "--png16") == 1
    assert "would be overwritten" in capsys.readouterr().err
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_calibration_of_another_size_is_refused(tmp_path, model, capsys):
    Camera(64, 48, 50.0, 50.0, 31.0, 23.0).to_yaml(tmp_path / "lens.yaml")
    path = write_image(tmp_path / "a.png")
    assert image(path, "--out", tmp_path / "out", "--camera", tmp_path / "lens.yaml") == 1
    assert "the image is 32x24" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_needs_the_camera_says_so(tmp_path, model, capsys):
    path = write_image(tmp_path / "a.png")
    assert image(path, "--out", tmp_path / "out") == 1
    assert "the model red needs the camera: give --camera" in capsys.readouterr().err


def test_without_a_camera_where_nothing_needs_one(tmp_path, use, capsys):
    use(needs_camera=False)
    path = write_image(tmp_path / "a.png")
    assert image(path, "--out", tmp_path / "out") == 0
    assert image(path, "--out", tmp_path / "out", "--ply") == 1
    assert "--ply needs the camera" in capsys.readouterr().err


def test_relative_depth_is_never_called_metres(tmp_path, use, capsys):
    use(kind=DepthKind.INVERSE_AFFINE, needs_camera=False)
    path = write_image(tmp_path / "a.png", red=20)
    assert image(path, "--out", tmp_path / "out", "--png16", "--ply", "--model=red") == 1
    assert "no metres: --png16 and --ply need a metric model" in capsys.readouterr().err
    assert image(path, "--out", tmp_path / "out", "--color", "--json") == 0
    values = np.load(tmp_path / "out" / "a.npy")
    assert values[0, 0] == 0.0 and values[1, 1] == 2.0  # raw: 0 is a value here
    line = json.loads(capsys.readouterr().out)
    assert (line["kind"], line["unit"]) == ("inverse_affine", "")


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["missing.png"], "no such file"),
        (["{}", "--no-npy"], "nothing to write"),
        (["{}", "--stride", "65"], "1 to 64 px"),
        (["{}", "--camera", "1,2,3"], "expected fx,fy,cx,cy"),
    ],
)
def test_wrong_arguments_are_one_sentence(tmp_path, model, capsys, words, sentence):
    path = str(write_image(tmp_path / "a.png"))
    assert image(*[word.format(path) for word in words], "--out", tmp_path / "out") == (2 if "--stride" in words else 1)
    err = capsys.readouterr().err
    assert sentence in err and "Traceback" not in err


def test_an_unwritable_folder_is_one_sentence(tmp_path, model, capsys):
    path = write_image(tmp_path / "a.png")
    (tmp_path / "file").touch()
    assert image(path, "--out", tmp_path / "file", CAMERA) == 1
    assert "cannot write" in capsys.readouterr().err


def test_rectified_takes_the_projection_matrix(tmp_path, model):
    lens = Camera(32, 24, 50.0, 50.0, 15.5, 11.5, "plumb_bob", (-0.1, 0.0, 0.0, 0.0, 0.0))
    lens.to_yaml(tmp_path / "lens.yaml")
    path = write_image(tmp_path / "a.png")
    for flags, camera in (([], lens), (["--rectified"], replace(lens, model="none", distortion=()))):
        model.cameras.clear()
        assert image(path, "--out", tmp_path / "out", "--camera", tmp_path / "lens.yaml", *flags) == 0
        assert model.cameras == [camera]


@pytest.mark.parametrize(
    "folder, camera",
    [
        ("kitti_depth/rgb", "707.0493,707.0493,604.0814,180.5066"),
        ("nyu_depth/rgb", "518.8579,519.46961,325.58245,253.73617"),
    ],
)
def test_real_frames(tmp_path, real_data, capsys, folder, camera):
    words = [real_data / folder, "--out", tmp_path, "--model", "tiny", "--camera", camera, "--ply", "--json"]
    assert image(*words) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 3
    for line in lines:
        depth = np.load(line["outputs"][0])
        assert depth.shape == (line["height"], line["width"])
        assert line["n"] > 0.2 * depth.size and 0.1 < line["median"] < 200


def test_a_picture_larger_than_allowed_is_not_decoded(tmp_path, model, capsys):
    write_image(tmp_path / "a.png")
    words = (tmp_path / "a.png", "--out", tmp_path / "out", CAMERA)
    assert image(*words, "--max-image-pixels", 32 * 24 - 1) == 1 and not model.cameras
    assert "the image is 32x24, 0.000768 megapixels, expected at most max_image_pixels" in capsys.readouterr().err
    assert image(*words, "--max-image-pixels", 32 * 24) == 0


def test_a_file_name_forges_no_line(tmp_path, model, capfd):
    path = tmp_path / "a\n[FATAL] forged\x1b[2J.png"
    path.write_bytes(b"no picture")
    assert image(path, "--out", tmp_path / "out", CAMERA) == 1
    said = capfd.readouterr().err
    assert "a\\n[FATAL] forged\\x1b[2J.png" in said
    assert not any(line.startswith("[FATAL]") for line in said.splitlines())


def test_results_without_any_depth_are_said_and_an_error_where_all_are(tmp_path, model, capsys):
    dark, good = write_image(tmp_path / "dark.png", 0), write_image(tmp_path / "good.png", 20)
    kinds = ("--png16", "--ply", "--color")
    assert image(dark, good, "--out", tmp_path / "some", CAMERA, "--json", *kinds) == 0
    out, err = capsys.readouterr()
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["empty"] == ["npy", "png16", "ply"] and "empty" not in second
    assert f"{dark}: not one pixel of the depth is known" in err and f"{dark}: the cloud has no point" in err
    assert image(dark, "--out", tmp_path / "none", CAMERA, *kinds) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        "mono_depth image: --npy: not one pixel of the depth is known, in all of 1 images; --png16: "
    )
    # Beyond what 16 bits of millimetres hold, depth is only in the array.
    model.predict = lambda rgb, cameras: [DepthPrediction(torch.full(rgb.shape[1:3], 80.0), DepthKind.METRIC)]
    assert image(good, "--out", tmp_path / "far", CAMERA, "--png16") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "65.535 m, which is all that 16 bits of millimetres hold" in said and "--npy" not in said


def test_why_images_failed_is_counted(tmp_path, model, capsys):
    folder = tmp_path / "in"
    for name in "abc":
        write_image(folder / f"{name}.png")
    for name in "de":
        (folder / f"{name}.png").write_bytes(b"no picture")
    assert image(folder, "--out", tmp_path / "out", CAMERA) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("mono_depth image: 2 of 5 images failed: ") and "d.png" in said and "e.png" not in said


@pytest.mark.parametrize("kind", ["npy", "png16", "ply", "color"])
def test_a_full_disk_is_named(tmp_path, model, capsys, kind):
    path = write_image(tmp_path / "a.png", width=64, height=48)
    words = ["--npy"] if kind == "npy" else ["--no-npy", f"--{kind}"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (70, before[1]))
    try:
        code = image(path, "--out", tmp_path / "out", CAMERA, *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 1 and re.search(r"cannot write .*/out/a\S*: File too large \(70 of \d+ bytes written\)$", said), said
    assert list((tmp_path / "out").iterdir()) == []


def test_names_that_are_too_long_for_their_results_are_shortened(tmp_path, model, capsys):
    paths = [write_image(tmp_path / f"{'n' * 249}{k}.png") for k in range(2)]
    assert image(*paths, "--out", tmp_path / "out", CAMERA, "--color", "--json") == 0
    outputs = [file for line in capsys.readouterr().out.splitlines() for file in json.loads(line)["outputs"]]
    assert len(set(outputs)) == len(list((tmp_path / "out").iterdir())) == 4


def test_a_video_model_takes_every_file_for_a_first_image(tmp_path, counting_model, monkeypatch, capsys, caplog):
    monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: counting_model)
    for name in ("a", "b"):
        write_image(tmp_path / "in" / f"{name}.png")
    assert image(tmp_path / "in", "--out", tmp_path / "out") == 0
    assert [float(np.load(tmp_path / "out" / f"{name}.npy")[5, 5]) for name in ("a", "b")] == [1, 1]
    assert "counting is a video model: each picture is taken for the first of a video" in caplog.text
