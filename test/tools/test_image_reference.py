# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image --reference`: depth maps and clouds that fix the scale of a network whose answer is known."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.media.ply import write_ply
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main

WIDTH, HEIGHT, FOCAL = 64, 48, 50.0
CAMERA = f"--camera={FOCAL},{FOCAL},{WIDTH / 2},{HEIGHT / 2}"
ROWS, COLUMNS = np.indices((HEIGHT, WIDTH))
RED = (20 + 2 * ROWS).astype(np.uint8)
SCALE, SHIFT = 0.01, 0.05  # of the relative network: 1/d = SHIFT + SCALE * red


@pytest.fixture(params=[DepthKind.METRIC, DepthKind.INVERSE_AFFINE], ids=["metric", "relative"])
def kind(request, monkeypatch):
    """A network that gives red / 10 m, or red as inverse depth."""

    class Red:
        device, engine = torch.device("cpu"), "torch fp32"
        spec = ModelSpec("red", "test", request.param, "none")

        def predict(self, rgb, cameras):
            factor = 0.1 if request.param is DepthKind.METRIC else 1.0
            return [DepthPrediction(image[..., 0].float() * factor, request.param) for image in rgb]

    monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: Red())
    return request.param


@pytest.fixture
def truth(kind) -> np.ndarray:
    """(H, W) metres: 1.5 times the metric prediction, or the planted affine of the relative one."""
    red = RED.astype(np.float64)
    return (red * 0.15 if kind is DepthKind.METRIC else 1 / (SHIFT + SCALE * red)).astype(np.float32)


@pytest.fixture
def picture(tmp_path):
    bgr = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    bgr[..., 2] = RED
    path = tmp_path / "photo.png"
    assert cv2.imwrite(str(path), bgr)
    return path


def run(*words):
    return main(["image", *map(str, words)])


def check(out, truth, capsys):
    found = np.load(out / "photo.npy")
    np.testing.assert_allclose(found, truth, rtol=3e-3)
    return json.loads(capsys.readouterr().out)


def test_a_depth_map_fixes_the_scale(kind, truth, picture, tmp_path, capsys):
    np.save(tmp_path / "known.npy", np.where((ROWS + COLUMNS) % 3 == 0, truth, np.nan).astype(np.float32))
    out = tmp_path / "out"
    words = [picture, "--reference", tmp_path / "known.npy", "--out", out, "--png16", "--overlay", "--json"]
    assert run(*words) == 0
    said = check(out, truth, capsys)
    assert (said["kind"], said["unit"]) == ("metric", "m")
    alignment = said["alignment"]
    expected = (1.5, 0.0) if kind is DepthKind.METRIC else (SCALE, SHIFT)
    assert (alignment["scale"], alignment["shift"]) == pytest.approx(expected, rel=1e-3)
    assert alignment["trusted"] and alignment["held_out_after"]["abs_rel"] < 1e-3
    assert (alignment["held_out_before"] is None) == (kind is DepthKind.INVERSE_AFFINE)
    millimetres = cv2.imread(str(out / "photo.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(millimetres, truth * 1000, rtol=4e-3)
    drawn = cv2.imread(str(out / "photo_overlay.png"))
    assert drawn.shape == (HEIGHT, WIDTH, 3) and (drawn[..., 2] != RED).any()


def test_a_16_bit_picture_in_a_folder_by_the_name_of_the_image(truth, picture, tmp_path, capsys):
    (tmp_path / "depth").mkdir()
    cv2.imwrite(str(tmp_path / "depth" / "photo.png"), np.rint(truth * 256).astype(np.uint16))
    out = tmp_path / "out"
    words = [picture, "--reference", tmp_path / "depth", "--reference-unit", 1 / 256, "--out", out, "--json"]
    assert run(*words) == 0
    check(out, truth, capsys)


def test_millimetres_that_are_taken_for_metres_are_named(kind, truth, picture, tmp_path, capsys):
    np.save(tmp_path / "mm.npy", truth * 1000)
    words = [picture, "--reference", tmp_path / "mm.npy", "--out", tmp_path / "out", "--json"]
    assert run(*words) == 1
    if kind is DepthKind.METRIC:
        said = capsys.readouterr().err
        assert "mm.npy: the median of the known depths is" in said and "near 1000 to 1: are its numbers mill" in said
    out = tmp_path / "right"
    assert run(*words[:3], "--reference-unit", 0.001, "--out", out, "--json") == 0
    capsys.readouterr()
    assert np.load(out / "photo.npy") == pytest.approx(truth, rel=0.05)


@pytest.mark.parametrize("suffix", [".bin", ".ply"])
def test_a_cloud_from_another_place(truth, picture, tmp_path, capsys, suffix):
    x, y = (COLUMNS - WIDTH / 2) / FOCAL * truth, (ROWS - HEIGHT / 2) / FOCAL * truth
    points = np.stack([truth, 0.1 - x, -y], axis=-1).reshape(-1, 3)[::3].astype(np.float32)  # x forward, z up
    path = tmp_path / f"cloud{suffix}"
    if suffix == ".bin":
        np.hstack([points, np.zeros((len(points), 1), np.float32)]).tofile(path)
    else:
        write_ply(path, points, np.zeros((len(points), 3), np.uint8))
    matrix = tmp_path / "cam_from_cloud.txt"
    matrix.write_text("0 -1 0 0.1\n0 0 -1 0\n1 0 0 0\n")
    for extrinsic in (matrix, "0.1 0 0 0.5 -0.5 0.5 0.5"):
        out = tmp_path / "out"
        words = [picture, "--reference", path, "--cam-from-reference", extrinsic, CAMERA, "--out", out, "--json"]
        assert run(*words) == 0
        check(out, truth, capsys)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--reference", "missing.npy"], "there is no missing.npy"),
        (["--reference", "photo.png", "--reference-unit", "0"], "--reference-unit is 0"),
        (["--reference", "notes.txt"], "expected one of: .png, .npy, .npz, .tif"),
        (["--reference", "cloud.bin"], "is a cloud: it needs --cam-from-reference"),
        (["--reference", "cloud.bin", "--cam-from-reference", "1 2 3", CAMERA], "found 3 numbers"),
        (["--reference", "cloud.bin", "--cam-from-reference", "0 0 0 0 0 0 1"], "--reference needs the camera"),
        (["--reference", "cloud.bin", "--cam-from-reference", "none.txt", CAMERA], "none.txt cannot be read"),
        (["--reference", "small.npy"], "is 32x24, expected the size of photo.png, 64x48"),
        (["--reference", "few.npy"], "samples to fit, expected 20 or more"),
        (["--reference", "."], "found none, expected one: photo.png"),
        (["--cam-from-reference", "0 0 0 0 0 0 1"], "--cam-from-reference is for a --reference"),
        (["--overlay"], "--overlay is for a --reference"),
        (["--reference", "few.npy", "--curve", "cubic"], "expected one of: auto, best, inverse"),
    ],
)
def test_what_does_not_go_together_is_told(kind, picture, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    np.save("small.npy", np.ones((24, 32), np.float32))
    few = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    few[:3, :3] = 2.0
    np.save("few.npy", few)
    np.zeros((5, 4), np.float32).tofile("cloud.bin")
    (tmp_path / "notes.txt").write_text("1")
    assert run("photo.png", *words, "--out", "out") == (2 if "one of: auto" in sentence else 1)
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert not (tmp_path / "out" / "photo.npy").exists()


def test_a_relative_model_says_what_would_give_it_metres(kind, picture, tmp_path, capsys):
    if kind is DepthKind.INVERSE_AFFINE:
        assert run(picture, "--png16", "--out", tmp_path / "out") == 1
        assert "need a metric model or a --reference" in capsys.readouterr().err


def test_a_dense_reference_is_thinned_as_in_the_node(kind, truth, picture, tmp_path, capsys) -> None:
    np.save(tmp_path / "dense.npy", truth)
    words = (picture, "--reference", tmp_path / "dense.npy", "--out", tmp_path / "out", "--json", "--model", "red")
    assert run(*words, "--reference-samples", 300) == 0
    found = json.loads(capsys.readouterr().out)["alignment"]
    assert 200 < found["samples"] < 400 and found["scale"] > 0


def test_an_alignment_that_is_not_trusted_is_said(kind, truth, picture, tmp_path, capsys) -> None:
    noise = np.random.default_rng(0).uniform(0.5, 2.0, truth.shape)
    np.save(tmp_path / "known.npy", (truth * noise).astype(np.float32))
    words = [picture, "--reference", tmp_path / "known.npy", "--out", tmp_path / "out", "--no-local"]
    assert run(*words, "--max-abs-rel", "0.1", "--json") == 0
    told = capsys.readouterr()
    (doubt,) = json.loads(told.out)["doubts"]
    assert doubt.startswith("held-out AbsRel 0.") and "exceeds max_abs_rel, 0.1: are extrinsics" in doubt
    assert f"{picture}: {doubt}" in told.err
    assert run(*words, "--max-abs-rel", "0.9") == 0
    assert "max_abs_rel" not in capsys.readouterr().err


class TestPrompt:
    """`--prompt`: the known depths go into the network."""

    @pytest.fixture(autouse=True)
    def network(self, monkeypatch):
        """Half of the prompt's farthest depth everywhere."""

        class Half:
            device, engine = torch.device("cpu"), "torch fp32"
            spec = ModelSpec("half", "test", DepthKind.METRIC, "none", needs_prompt=True)

            def predict(self, rgb, cameras, prompts=()):
                return [
                    DepthPrediction(torch.full(image.shape[:2], float(prompt.depth.max()) / 2), DepthKind.METRIC)
                    for image, prompt in zip(rgb, prompts, strict=True)
                ]

        monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: Half())

    def test_a_depth_map(self, picture, tmp_path, capsys):
        depth = np.where((ROWS + COLUMNS) % 4 == 0, 2.0 + ROWS / 24, 0).astype(np.float32)
        np.save(tmp_path / "lidar.npy", depth)
        words = ("--model", "half.onnx", "--prompt", tmp_path / "lidar.npy", "--out", tmp_path / "out", "--json")
        assert run(picture, *words) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["max"] == pytest.approx(depth.max() / 2, rel=1e-5) and found["alignment"]["scale"] == 1
        off = np.abs(depth.max() / 2 / (2.0 + ROWS / 24) - 1).mean()
        assert found["alignment"]["held_out_after"]["abs_rel"] == pytest.approx(off, rel=0.3)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ([], "the model half needs a prompt for each image"),
            (["--prompt", "a.npy", "--reference", "a.npy"], "--prompt and --reference are given, expected one"),
            (["--prompt", "missing.npy"], "--prompt: there is no missing.npy"),
        ],
    )
    def test_refusals(self, picture, tmp_path, capsys, words, said):
        assert run(picture, "--out", tmp_path / "out", *words) != 0
        assert said in capsys.readouterr().err
