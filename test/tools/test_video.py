# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image` of a video, with a stand-in network whose answer is known: depth = brightness / 10 m."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rosbags.highlevel import AnyReader

from mono_depth_ros.bags.reader import BagReader, stamp_ns
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media import video, video_writer
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.startup import interruptible
from mono_depth_ros.tools.cli import main
from mono_depth_ros.tools.video_outputs import film

sys.path.insert(0, str(Path(__file__).parents[1] / "media"))
import small_videos as videos

CAMERA = "--camera=50,50,31.5,23.5"


class GreenModel:
    device = torch.device("cpu")
    engine = "torch fp32"

    def __init__(self, kind=DepthKind.METRIC, needs_camera=True):
        self.spec = ModelSpec("green", "test", kind, "none", needs_camera=needs_camera)
        self.cameras = []

    def predict(self, rgb, cameras):
        self.cameras += cameras
        return [DepthPrediction(image[..., 1].float() / 10, self.spec.kind) for image in rgb]


@pytest.fixture
def use(monkeypatch):
    def use(**changes):
        model = GreenModel(**changes)
        monkeypatch.setattr("mono_depth_ros.tools.video.load_model", lambda *_: model)
        return model

    return use


@pytest.fixture
def model(use):
    return use()


@pytest.fixture
def clip(tmp_path):
    return videos.make(tmp_path / "in" / "clip.mp4") if (tmp_path / "in").mkdir() is None else None


def image(*words):
    return main(["image", *map(str, words)])


def nothing_else(folder, *names):
    return sorted(path.name for path in folder.iterdir() if path.name != "in") == sorted(names)


def test_a_video_beside_its_depth_keeps_every_image_and_its_time(tmp_path, model, clip, capsys, documented):
    assert image(clip, "--out", tmp_path / "out.mp4", CAMERA, "--json") == 0
    found, stated = videos.times_ms(tmp_path / "out.mp4")
    assert stated == len(found) == 10
    np.testing.assert_allclose(found, videos.VARIABLE_MS, atol=0.02)
    said = capsys.readouterr()
    summary = json.loads(said.out)
    documented("image of a video", summary)
    assert (summary["images"], summary["images_stated"], summary["last_s"], summary["damage"]) == (10, 10, 0.566, "")
    assert "picture on the left, depth on the right; colours from 3.8 m (red) to 22 m (blue)" in said.err
    _, rgb = cv2.VideoCapture(str(tmp_path / "out.mp4")).read()
    assert rgb.shape == (48, 128, 3) and nothing_else(tmp_path, "out.mp4")


@pytest.mark.parametrize("spread", [True, False], ids=["one scale given", "that of the first images"])
def test_colours_do_not_flicker(tmp_path, spread):
    """A wall 4 m away has one colour, whatever else comes into view."""
    said = []
    with film(tmp_path / "a.avi", 10.0, (0.1, 1.0) if spread else None, said.append) as out:
        for k in range(12):
            depth = torch.full((48, 64), 4.0)
            depth[:, 40:] = 0.5 + k
            rgb = torch.zeros((48, 64, 3), dtype=torch.uint8)
            out.write(Frame(rgb, None, DepthPrediction(depth, DepthKind.METRIC)), k * 10**8)
        out.finish()
    capture = cv2.VideoCapture(str(tmp_path / "a.avi"))
    walls = [capture.read()[1][10:40, 70:90].reshape(-1, 3).mean(axis=0) for _ in range(12)]
    assert np.ptp(walls, axis=0).max() < 3, "JPEG alone makes less"
    assert len(said) == 1 and ("from 1 m (red) to 10 m (blue)" in said[0]) == spread


def test_a_recording_holds_image_camera_and_depth_at_the_time_from_0(tmp_path, model, clip):
    out = tmp_path / "out.mcap"
    assert image(clip, "--out", out, CAMERA, "--ply", "--color") == 0
    topics = {"/image_raw", "/camera_info", "/depth/image", "/depth/camera_info", "/depth/points", "/depth/color"}
    with AnyReader([out]) as reader:
        assert {connection.topic: connection.msgcount for connection in reader.connections} == dict.fromkeys(topics, 10)
    with BagReader(out) as reader:
        messages = list(reader.messages({"/image_raw", "/depth/image"}))
        times = [stamp_ns(message) for message in messages if message.topic == "/image_raw"]
        assert all(message.log_ns == stamp_ns(message) for message in messages)
        np.testing.assert_allclose(np.array(times) / 1e6, videos.VARIABLE_MS, atol=0.02)
        picture, depth = (reader.decode(message) for message in messages[2:4])
        (info,) = [reader.decode(message) for message in reader.messages({"/camera_info"})][:1]
    rgb = decode_image(picture)
    assert picture.encoding == "rgb8" and videos.which(rgb)[0] == 1
    green = rgb[..., 1].astype(np.float32) / 10
    np.testing.assert_allclose(decode_depth(depth), np.where(green > 0, green, np.nan))
    assert picture.header.frame_id == depth.header.frame_id == "camera_optical_frame"
    assert (info.width, info.height, info.k[0]) == (64, 48, 50.0) and nothing_else(tmp_path, "out.mcap")


def test_a_recording_of_a_relative_model_without_camera(tmp_path, use, clip, capsys):
    use(kind=DepthKind.INVERSE_AFFINE, needs_camera=False)
    assert image(clip, "--out", tmp_path / "out.mcap") == 0
    with BagReader(tmp_path / "out.mcap") as reader:
        assert set(reader.topics) == {"/image_raw", "/depth/inverse"}
    assert "has no camera_info" in capsys.readouterr().err
    assert image(clip, "--out", tmp_path / "out.mp4") == 0
    assert "colours of inverse depth from 2" in capsys.readouterr().err
    assert image(clip, "--out", tmp_path / "b.mcap", "--png16") == 1
    assert "--png16 need a metric model" in capsys.readouterr().err


def test_depth_with_a_shift_is_recorded_raw_and_near_is_red(tmp_path, use, clip, capsys):
    use(kind=DepthKind.AFFINE, needs_camera=False)
    assert image(clip, "--out", tmp_path / "out.mcap") == 0
    with BagReader(tmp_path / "out.mcap") as reader:
        assert set(reader.topics) == {"/image_raw", "/depth/relative"}
    assert image(clip, "--out", tmp_path / "out.mp4") == 0
    ends = re.search(r"relative depth from (\S+) \(near, red\) to (\S+) \(far", capsys.readouterr().err)
    near, far = ends.groups()
    assert 0 <= float(near) < float(far)


def test_a_folder_has_the_files_of_each_image_and_their_times(tmp_path, model, clip):
    out = tmp_path / "out"
    assert image(clip, "--out", out, CAMERA, "--png16") == 0
    names = [f"clip_{k:06d}" for k in range(10)]
    assert {path.name for path in out.iterdir()} == {
        "clip_times.txt",
        *(f"{name}{suffix}" for name in names for suffix in (".npy", ".png")),
    }
    rows = [line.split() for line in (out / "clip_times.txt").read_text().splitlines()]
    assert [name for name, _ in rows] == names
    np.testing.assert_allclose([float(s) * 1e3 for _, s in rows], videos.VARIABLE_MS, atol=0.02)
    assert np.nanmedian(np.load(out / "clip_000003.npy")) == pytest.approx(10.0, abs=0.3)


@pytest.mark.parametrize("out", ["out.mp4", "out.mcap", "out"])
def test_the_good_part_of_a_damaged_video_is_kept_and_the_exit_code_is_1(tmp_path, model, clip, capsys, out):
    videos.cut(videos.index_first(clip), 0.85)
    assert image(clip, "--out", tmp_path / out, CAMERA, "--json") == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert 0 < found["images"] < 10 and f"{found['images']} of 10 images could be read" in said.err
    if out == "out.mp4":
        assert videos.times_ms(tmp_path / out)[1] == found["images"]
    if out == "out.mcap":
        with BagReader(tmp_path / out) as reader:
            assert not reader.damage and reader.topics["/depth/image"].count == found["images"]


def test_one_image_and_odd_sizes(tmp_path, model):
    clip = videos.make(tmp_path / "a.avi", (0,), size=(65, 49))
    for out in ("out.mp4", "out.avi", "out.mcap"):
        assert image(clip, "--out", tmp_path / out, "--camera=50,50,32,24") == 0
    assert videos.times_ms(tmp_path / "out.mp4")[1] == videos.times_ms(tmp_path / "out.avi")[1] == 1


def test_a_turned_video_is_upright_and_its_camera_with_it(tmp_path, model, clip, capsys):
    videos.turn(clip, 90)
    stored = Camera(64, 48, 60.0, 50.0, 30.0, 20.0, "plumb_bob", (-0.1, 0.01, 0.002, 0.001, 0.0))
    stored.to_yaml(tmp_path / "camera.yaml")
    assert image(clip, "--out", tmp_path / "out.mcap", "--camera", tmp_path / "camera.yaml") == 0
    assert model.cameras[0] == stored.turned(90)
    err = capsys.readouterr().err
    assert (
        "48x64, 25 images a second, turned by 90 degrees" in err or "turned by 90 degrees as it is to be shown" in err
    )
    assert "is turned by 90 degrees with them" in err
    stored.turned(90).to_yaml(tmp_path / "upright.yaml")
    assert image(clip, "--out", tmp_path / "out.mp4", "--camera", tmp_path / "upright.yaml") == 0
    assert model.cameras[-1] == stored.turned(90)
    _, rgb = cv2.VideoCapture(str(tmp_path / "out.mp4")).read()
    assert rgb.shape == (64, 96, 3)


def test_without_mpeg_4_an_avi_is_written_and_said(tmp_path, model, clip, capsys, monkeypatch):
    monkeypatch.setitem(video_writer._CODECS, ".mp4", "none")
    assert image(clip, "--out", tmp_path / "out.mp4", CAMERA) == 0
    assert "writes no MPEG-4" in capsys.readouterr().err and nothing_else(tmp_path, "out.avi")
    assert videos.times_ms(tmp_path / "out.avi")[1] == 10


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("out", ["out.mp4", "out.mcap", "out"])
def test_a_webcam_ends_by_a_signal_with_a_whole_file(tmp_path, model, monkeypatch, capsys, out, number, code):
    class Device:
        count = 0

        def get(self, key):
            return {cv2.CAP_PROP_FRAME_WIDTH: 64.0, cv2.CAP_PROP_FRAME_HEIGHT: 48.0}.get(key, 0.0)

        def read(self):
            self.count += 1
            if self.count == 12:
                os.kill(os.getpid(), number)
            if self.count > 20:
                threading.Event().wait(0.05)
            return True, np.ascontiguousarray(videos.picture(self.count)[..., ::-1])

        def release(self):
            pass

    monkeypatch.setattr(video, "_opened", lambda *_: Device())
    try:
        assert image("webcam", "--out", tmp_path / out, CAMERA) == code
    except SystemExit as end:
        assert end.code == code
    said = capsys.readouterr().err
    count = int(said.split(f"{tmp_path / out} holds ")[1].split()[0])
    assert count >= 6 and "those before the end" in said and nothing_else(tmp_path, out)
    if out == "out.mp4":
        assert videos.times_ms(tmp_path / out)[1] == count
    elif out == "out.mcap":
        with BagReader(tmp_path / out) as reader:
            assert reader.topics["/image_raw"].count == count and not reader.damage
    else:
        assert len((tmp_path / out / "webcam_0_times.txt").read_text().splitlines()) == count


def test_a_model_that_fails_keeps_what_is_done_and_at_once_leaves_nothing(tmp_path, model, clip, monkeypatch, capsys):
    working, calls = model.predict, []

    def predict(rgb, cameras):
        calls.append(rgb)
        if len(calls) > 4:
            raise RuntimeError("broken")
        return working(rgb, cameras)

    monkeypatch.setattr(model, "predict", predict)
    with pytest.raises(RuntimeError, match="broken"), interruptible():
        image(clip, "--out", tmp_path / "out.mcap", CAMERA)
    assert "holds 4 images" in capsys.readouterr().err
    with BagReader(tmp_path / "out.mcap") as reader:
        assert reader.topics["/depth/image"].count == 4
    with pytest.raises(RuntimeError, match="broken"):
        image(clip, "--out", tmp_path / "none.mcap", CAMERA)
    assert nothing_else(tmp_path, "out.mcap")


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--out", "o.mp4", "--reference", "lidar"], "--reference is for image files"),
        (["--out", "o.mp4", "--right", "right.mp4"], "--right is for image files"),
        (["--out", "o.mp4", "--measure", "1,1,2,2"], "--measure is for image files"),
        (["--out", "o.mp4", "--ply"], "--ply are for a folder or NAME.mcap"),
        (["--out", "o.mov"], "expected NAME.mp4, NAME.avi, NAME.mcap or a folder"),
        (["--out", "o", "--no-npy"], "nothing to write"),
        (["other.mp4", "--out", "o"], "one video at a time"),
        ([], "nowhere to write"),
        (["--out", "o.mp4", "--max-image-pixels", "10"], "expected at most max_image_pixels"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path, model, clip, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert image(clip, *words, CAMERA) == 1
    assert sentence in capsys.readouterr().err and nothing_else(tmp_path)


def test_more_that_is_refused(tmp_path, model, clip, capsys):
    assert image(clip, "--out", clip, CAMERA) == 1
    assert "would be overwritten" in capsys.readouterr().err
    assert image(tmp_path / "none.mp4", "--out", tmp_path / "o", CAMERA) == 1
    assert "there is no video" in capsys.readouterr().err
    assert image(clip, "--out", tmp_path / "o.mp4") == 1
    assert "needs the camera" in capsys.readouterr().err
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    assert image(tmp_path / "a.png", "--out", tmp_path / "o.mp4", CAMERA) == 1
    assert "which is for a video" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["out.mp4", "out.mcap", "out"])
def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing_half(tmp_path, model, clip, capsys, out):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # Python ignores SIGXFSZ: writing fails
    try:
        assert image(clip, "--out", tmp_path / out, CAMERA) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert ("cannot" in said and "written" in said) or "cannot write" in said
    assert nothing_else(tmp_path, *([] if "." in out else ["out"])) and not list(tmp_path.glob("out/*.npy"))


def test_a_video_model_remembers_the_pictures_in_their_order(tmp_path, counting_model, clip, monkeypatch, capsys):
    """Those that the scale of the colours is taken from leave no trace."""
    monkeypatch.setattr("mono_depth_ros.tools.video.load_model", lambda *_: counting_model)
    monkeypatch.setattr("mono_depth_ros.tools.video_outputs.FIRST", 3)
    assert image(clip, "--out", tmp_path / "out.mp4") == 0
    assert "the scale of the colours comes from" in capsys.readouterr().err
    assert image(clip, "--out", tmp_path / "out") == 0
    depths = [float(np.load(path)[0, 0]) for path in sorted((tmp_path / "out").glob("*.npy"))]
    assert depths == list(range(1, 11))
