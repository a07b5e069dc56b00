# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError, MonoDepthError
from mono_depth_ros.media import video_writer
from mono_depth_ros.media.video_writer import VideoWriter, writable

sys.path.insert(0, str(Path(__file__).parent))
import small_videos as videos


def test_each_image_of_an_mp4_keeps_its_own_time(tmp_path):
    found, stated = videos.times_ms(videos.make(tmp_path / "a.mp4"))
    assert stated == 10
    np.testing.assert_allclose(found, videos.VARIABLE_MS, atol=0.02)


def test_an_avi_has_the_rate(tmp_path):
    found, stated = videos.times_ms(videos.make(tmp_path / "a.avi", rate_hz=20.0))
    assert stated == 10
    np.testing.assert_allclose(found, np.arange(10) * 50.0)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_odd_sizes_lose_no_row(tmp_path, name):
    path = videos.make(tmp_path / name, size=(65, 49))
    capture = cv2.VideoCapture(str(path))
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (66, 50)


def test_one_image(tmp_path):
    assert videos.times_ms(videos.make(tmp_path / "a.mp4", (0,))) == ([0.0], 1)


def test_pictures_that_no_codec_takes_are_made_smaller(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", 10.0)
    writer.write(np.zeros((16, 9000, 3), np.uint8), 0)
    writer.close()
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FRAME_WIDTH) == 4500


def test_what_is_not_there_in_the_end_is_an_error(tmp_path):
    writer = VideoWriter(tmp_path / "a.avi", 10.0)
    for k in range(5):
        writer.write(videos.picture(k), 0)
    writer.count += 1  # as when the disk was full: OpenCV says nothing
    with pytest.raises(MonoDepthError, match="5 of its 6 images"):
        writer.close()


def test_without_mpeg_4_it_is_an_avi(tmp_path, monkeypatch):
    assert writable(tmp_path / "a.mp4") == tmp_path / "a.mp4"
    monkeypatch.setitem(video_writer._CODECS, ".mp4", "none")
    assert writable(tmp_path / "a.mp4") == tmp_path / "a.avi"
    monkeypatch.setitem(video_writer._CODECS, ".avi", "none")
    with pytest.raises(ConfigError, match="writes no video"):
        writable(tmp_path / "a.mp4")


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_file_that_was_not_finished_is_not_searched_for_ever(tmp_path, length):
    path = tmp_path / "a.mp4"
    path.write_bytes(length.to_bytes(4, "big") + b"mdat" + bytes(12))
    assert not video_writer.retime(path, [(1, 1)])


def test_a_file_that_may_not_grow_and_a_full_disk_are_said(tmp_path, monkeypatch, capfd):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = VideoWriter(tmp_path / "a.mp4", 10.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))  # Python ignores SIGXFSZ: writing fails
    try:
        for k in range(40):
            writer.write(np.random.default_rng(k).integers(0, 256, (96, 128, 3), dtype=np.uint8), k * 10**8)
        with pytest.raises(MonoDepthError, match="of its 40 images are there"):
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Failed to write" not in capfd.readouterr().err
    monkeypatch.setattr(video_writer.os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
    with pytest.raises(MonoDepthError, match="the disk is full"):
        VideoWriter(tmp_path / "b.mp4", 10.0).write(videos.picture(0), 0)
