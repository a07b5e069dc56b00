# SPDX-License-Identifier: Apache-2.0
"""Images of folders, videos and webcams: which ones, in which order, and what is said about bad ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.media.sequences import Video, open_source


def write(path, value=0, size=(24, 32)):
    """A uniform colour of which each channel is another: red = value, green = 100, blue = 200."""
    cv2.imwrite(str(path), np.full((*size, 3), (200, 100, value), np.uint8))


def read(source):
    problems = []
    frames = list(source.frames(lambda reason, sentence: problems.append((reason, sentence))))
    return frames, problems


def test_a_folder_is_read_in_natural_order_as_rgb(tmp_path):
    for value in (10, 2, 1):
        write(tmp_path / f"image_{value}.png", value)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    source = open_source(str(tmp_path))
    frames, problems = read(source)
    assert [name for name, _ in frames] == ["image_1.png", "image_2.png", "image_10.png"]
    assert [rgb[0, 0].tolist() for _, rgb in frames] == [[1, 100, 200], [2, 100, 200], [10, 100, 200]]
    assert (frames[0][1].shape, frames[0][1].dtype) == ((24, 32, 3), np.uint8)
    assert not problems and source.rate_hz == 10.0


def test_the_rate_given_beats_the_sources_own(tmp_path):
    write(tmp_path / "a.png")
    assert open_source(str(tmp_path), 25.0).rate_hz == 25.0


def test_images_of_sixteen_bits_are_scaled_alike(tmp_path):
    for name, top in (("a", 4095), ("b", 700)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((4, 4), top, np.uint16))
    levels = [int(rgb[0, 0, 0]) for _, rgb in open_source(str(tmp_path)).frames(lambda *_: None)]
    assert levels == [255, round(700 * 255 / 4095)]


def test_depth_files_are_no_pictures(tmp_path):
    for name in ("frame-0.depth.png", "frame-0.jpg"):
        write(tmp_path / name)
    assert [name for name, _ in read(open_source(str(tmp_path)))[0]] == ["frame-0.jpg"]
    write(tmp_path / "frame-0.color.jpg")
    assert [name for name, _ in read(open_source(str(tmp_path)))[0]] == ["frame-0.color.jpg"]


def test_one_image_file_is_a_source(tmp_path):
    write(tmp_path / "a.png", 7)
    ((name, rgb),), _ = read(open_source(str(tmp_path / "a.png")))
    assert name == "a.png" and rgb[0, 0, 0] == 7


def test_a_broken_image_is_left_out_and_named(tmp_path):
    write(tmp_path / "1.jpg", 9)
    whole = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "3.jpg", 9)
    frames, ((reason, sentence),) = read(open_source(str(tmp_path)))
    assert [name for name, _ in frames] == ["1.jpg", "3.jpg"]
    assert reason == "image_truncated" and "2.jpg" in sentence and "cut off" in sentence


def test_a_folder_of_broken_images_is_an_error(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of the 1 images"):
        read(open_source(str(tmp_path)))


def test_a_video_gives_its_images_and_its_rate(tmp_path):
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (64, 48))
    for value in (20, 120, 220):
        writer.write(np.full((48, 64, 3), (0, 0, value), np.uint8))
    writer.release()
    source = open_source(str(path))
    frames, _ = read(source)
    assert isinstance(source, Video) and source.rate_hz == 12.5
    assert [rgb.shape for _, rgb in frames] == [(48, 64, 3)] * 3
    for (_, rgb), value in zip(frames, (20, 120, 220), strict=True):
        assert abs(int(rgb[20, 20, 0]) - value) < 6 and rgb[20, 20, 2] < 6  # JPEG is lossy


class FakeCapture:
    """A webcam with two images, then unplugged."""

    opened = True

    def __init__(self, *arguments):
        self.arguments, self.set_to, self.left = arguments, {}, 2
        type(self).last = self

    def isOpened(self):
        return self.opened

    def set(self, key, value):
        self.set_to[key] = value

    def read(self):
        self.left -= 1
        return (True, np.full((4, 6, 3), (1, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        pass


@pytest.mark.parametrize(("text", "index"), [("webcam", 0), ("webcam:0", 0), ("webcam:3", 3), ("/dev/video2", 2)])
def test_a_webcam_sets_the_pace_itself_and_is_missed_when_unplugged(monkeypatch, text, index):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    source = open_source(text, 15.0, width=640)
    assert source.rate_hz is None and FakeCapture.last.arguments[0] == index
    assert FakeCapture.last.set_to[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert FakeCapture.last.set_to[cv2.CAP_PROP_FPS] == 15.0
    assert cv2.CAP_PROP_FRAME_HEIGHT not in FakeCapture.last.set_to
    frames = source.frames(lambda *_: None)
    assert next(frames)[1][0, 0].tolist() == [3, 2, 1]
    next(frames)
    with pytest.raises(DataError, match=f"webcam:{index} gives no more images"):
        next(frames)


def test_what_cannot_be_opened_is_said(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="source is empty"):
        open_source("")
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_source("nowhere")
    with pytest.raises(DataError, match="holds no image"):
        open_source(str(tmp_path))
    (tmp_path / "a.avi").write_text("no video")
    with pytest.raises(DataError, match="is no video"):
        open_source(str(tmp_path / "a.avi"))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "opened", False)
    with pytest.raises(DataError, match="webcam:9 cannot be opened; cameras in /dev"):
        open_source("webcam:9")
