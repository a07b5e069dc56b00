# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image` of photos: without a calibration, turned, of more than 8 bits, and those that show nothing."""

from __future__ import annotations

import json
import logging
import math

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.photos import _tell_doubt, _tell_estimate
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main

F35, EXIF = 26, 0x8769


class Model:
    """Depth is the red channel / 10 m."""

    device = torch.device("cpu")
    spec = ModelSpec("red", "test", DepthKind.METRIC, "none", needs_camera=True)

    def __init__(self):
        self.cameras, self.rgb = [], []

    def predict(self, rgb, cameras):
        self.cameras += cameras
        self.rgb += [image.numpy() for image in rgb]
        return [DepthPrediction(image[..., 0].float() / 10, self.spec.kind) for image in rgb]


@pytest.fixture
def model(monkeypatch):
    model = Model()
    monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: model)
    for cached in (_tell_doubt, _tell_estimate):
        cached.cache_clear()
    return model


def photo(path, orientation=1, focal=True, width=40, height=30):
    """Red grows to the right as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if focal:
        exif.get_ifd(EXIF)[0xA405] = F35
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[..., 0] = np.arange(width) * 5
    pixels[: height // 2, :, 2] = 200
    Image.fromarray(pixels).save(path, exif=exif, **({"quality": 95} if path.suffix == ".jpg" else {}))
    return path


def image(*words):
    return main(["image", *map(str, words), "--model=red"])


FOCAL = F35 * 50 / math.hypot(36, 24)


def test_the_focal_length_of_exif_is_taken_and_said_loudly(tmp_path, model, caplog):
    paths = [photo(tmp_path / f"{k}.jpg") for k in range(2)]
    with caplog.at_level(logging.WARNING):
        assert image(*paths, "--out", tmp_path / "out") == 0
    camera = model.cameras[0]
    assert (camera.width, camera.height, camera.cx, camera.cy) == (40, 30, 19.5, 14.5)
    assert camera.fx == camera.fy == pytest.approx(FOCAL)
    said = [text for text in caplog.messages if "ESTIMATED" in text]
    assert len(said) == 1 and "FocalLengthIn35mmFilm" in said[0] and "give --camera" in said[0], "once, not once a file"


def test_without_any_camera_nothing_is_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mono_depth_ros.tools.image_files.load_model", lambda *_: pytest.fail("it was loaded"))
    path = photo(tmp_path / "a.jpg", focal=False)
    for words, sentence in (
        (("--model=metric3d_v2_small",), "the model metric3d_v2_small needs the camera: give --camera"),
        (("--model=depth_anything_v2_small", "--png16"), "no metres: --png16 need a metric model"),
        (("--model=depth_anything_v2_metric_indoor_small", "--ply"), "--ply needs the camera"),
    ):
        assert main(["image", str(path), "--out", str(tmp_path / "out"), *words]) == 1
        said = capsys.readouterr().err
        assert sentence in said and "Traceback" not in said
    assert main(["image", str(path), "--out", "x", "--model=tiny", "--camera=1,1,1,1", "--hfov=60"]) == 1
    assert "expected one of the two" in capsys.readouterr().err


def test_a_video_without_a_camera_is_refused_before_anything_is_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mono_depth_ros.tools.video.load_model", lambda *_: pytest.fail("it was loaded"))
    path = tmp_path / "a.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (40, 30))
    for _ in range(3):
        film.write(np.full((30, 40, 3), 90, np.uint8))
    film.release()
    assert main(["image", str(path), "--out", str(tmp_path / "o.mcap"), "--model=metric3d_v2_small"]) == 1
    assert "metric3d_v2_small needs the camera: give --camera" in capsys.readouterr().err


def test_one_photo_of_several_without_focal_length_fails_alone(tmp_path, model, capsys):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b.jpg", focal=False)
    assert image(tmp_path, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "b.jpg has" in said and "give --camera fx,fy,cx,cy, --camera FILE or --hfov DEG" in said
    assert (tmp_path / "out" / "a.npy").exists()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_without_a_calibration_pictures_are_upright(tmp_path, model, suffix, orientation):
    path = photo(tmp_path / f"a{suffix}", orientation)
    assert image(path, "--out", tmp_path / "out", "--hfov", "60") == 0
    with Image.open(path) as stored:
        shown = np.asarray(ImageOps.exif_transpose(stored).convert("RGB")).astype(int)
    assert model.rgb[0].shape == shown.shape and np.abs(model.rgb[0] - shown).mean() < 4
    depth, camera = np.load(tmp_path / "out" / "a.npy"), model.cameras[0]
    assert depth.shape == shown.shape[:2] == (camera.height, camera.width)
    focal = 20 / math.tan(math.radians(30))  # 60 degrees across the width of the stored picture
    assert camera.fx == camera.fy == pytest.approx(focal)
    assert (camera.cx, camera.cy) == ((camera.width - 1) / 2, (camera.height - 1) / 2)


def test_with_a_calibration_a_picture_stays_as_it_is_stored(tmp_path, model):
    path = photo(tmp_path / "a.jpg", orientation=6)
    assert image(path, "--out", tmp_path / "out", "--camera=50,51,19.5,14.5") == 0
    assert model.cameras == [Camera(40, 30, 50.0, 51.0, 19.5, 14.5)]
    assert np.load(tmp_path / "out" / "a.npy").shape == (30, 40)


def test_a_turned_photo_with_exif_has_its_focal_lengths_along_its_sides(tmp_path, model):
    assert image(photo(tmp_path / "a.jpg", orientation=6), "--out", tmp_path / "out") == 0
    assert (model.cameras[0].width, model.cameras[0].height) == (30, 40)
    assert model.cameras[0].fx == pytest.approx(FOCAL)


def test_twelve_bits_are_scaled_alike_in_all_files(tmp_path, model, caplog):
    for name, top in (("a", 4095), ("b", 2000)):
        values = np.tile(np.linspace(0, top, 40), (30, 1)).astype(np.uint16)
        cv2.imwrite(str(tmp_path / f"{name}.png"), values)
    assert image(tmp_path, "--out", tmp_path / "out", "--hfov=60") == 0
    assert np.load(tmp_path / "out" / "a.npy")[0, -1] == 25.5, "4095 is white"
    assert np.load(tmp_path / "out" / "b.npy")[0, -1] == pytest.approx(round(2000 * 255 / 4095) / 10)
    assert sum("read as 12 bits" in text for text in caplog.messages) == 1
    assert image(tmp_path / "a.png", "--out", tmp_path / "out", "--hfov=60", "--image-bits=16") == 0
    assert np.load(tmp_path / "out" / "a.npy")[0, -1] == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("level", "spread", "words"),
    [(2, 0, "is nearly black"), (253, 0, "is nearly white"), (120, 1, "is without contrast")],
)
def test_a_picture_that_shows_nothing_is_warned_of(tmp_path, model, caplog, level, spread, words):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(level, level + spread + 1, (30, 40, 3)).astype(np.uint8))
    assert image(path, "--out", tmp_path / "out", "--hfov=60") == 0
    assert any(text.startswith(f"{path} {words}") for text in caplog.messages)


def test_intrinsics_that_can_hardly_be_right_are_warned_of(tmp_path, model, caplog):
    photo(tmp_path / "a.jpg"), photo(tmp_path / "b.jpg")
    assert image(tmp_path, "--out", tmp_path / "out", "--camera=50,50,320,240") == 0
    said = [text for text in caplog.messages if "outside the middle half" in text]
    assert len(said) == 1 and said[0].startswith("50,50,320,240: the principal point (320, 240)")


def test_a_lens_model_that_folds_inside_the_image_is_warned_of(tmp_path, model, caplog):
    Camera(40, 30, 25.0, 25.0, 20.0, 15.0, "plumb_bob", (-0.9, 0.0, 0.0, 0.0, 0.0)).to_yaml(tmp_path / "c.yaml")
    assert image(photo(tmp_path / "a.jpg"), "--out", tmp_path / "out", "--camera", tmp_path / "c.yaml") == 0
    assert any("c.yaml covers 27% of the image" in text for text in caplog.messages)


def test_a_calibration_without_a_size_takes_the_images(tmp_path, model, caplog):
    camera = Camera(40, 30, 50.0, 50.0, 19.5, 14.5)
    camera.to_yaml(tmp_path / "c.yaml")
    text = (tmp_path / "c.yaml").read_text()
    (tmp_path / "c.yaml").write_text(text.replace("width: 40", "width: 0").replace("height: 30", "height: 0"))
    assert image(photo(tmp_path / "a.jpg"), "--out", tmp_path / "out", "--camera", tmp_path / "c.yaml", "--json") == 0
    assert model.cameras == [camera]
    assert any("c.yaml gives no size of the image" in text for text in caplog.messages)


def test_json_is_as_ever(tmp_path, model, capsys):
    assert image(photo(tmp_path / "a.jpg", orientation=8), "--out", tmp_path / "out", "--json") == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["width"], line["height"]) == (30, 40), "of the picture as it is shown, as the depth"
