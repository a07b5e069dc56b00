# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.media import video
from mono_depth_ros.media.sequences import is_video, open_source, webcam_index
from mono_depth_ros.media.video import VideoFile, Webcam

sys.path.insert(0, str(Path(__file__).parent))
import small_videos as videos


def test_every_picture_comes_at_the_time_of_the_container(tmp_path):
    file = VideoFile.open(videos.make(tmp_path / "a.mp4"))
    found = list(file.pictures())
    assert (file.width, file.height, file.turned, file.count, file.estimate) == (64, 48, 0, 10, 10)
    assert [which for which, _ in (videos.which(rgb) for _, rgb in found)] == list(range(10))
    np.testing.assert_allclose([time_ns / 1e6 for time_ns, _ in found], videos.VARIABLE_MS, atol=0.02)
    assert file.lost(10, found[-1][0]) == ""


@pytest.mark.parametrize("degrees, corner", [(90, (0.83, 0.17)), (180, (0.83, 0.83)), (270, (0.17, 0.83))])
def test_a_turned_video_is_read_as_it_is_to_be_shown(tmp_path, degrees, corner):
    file = VideoFile.open(videos.turn(videos.make(tmp_path / "a.mp4"), degrees))
    _, rgb = next(file.pictures())
    size = (64, 48) if degrees == 180 else (48, 64)
    assert (file.width, file.height) == size == rgb.shape[1::-1] and file.turned == degrees
    np.testing.assert_allclose(videos.which(rgb)[1], corner, atol=0.05)
    stored = file.as_stored()
    _, rgb = next(stored.pictures())
    assert (stored.width, stored.height) == (64, 48) == file.stored_size == rgb.shape[1::-1]
    np.testing.assert_allclose(videos.which(rgb)[1], (0.17, 0.17), atol=0.05)


def test_a_node_reads_it_as_stored_where_only_that_fits_the_calibration(tmp_path):
    path = videos.turn(videos.make(tmp_path / "a.mp4"), 90)
    for size, expected in (((64, 48), (48, 64, 3)), ((48, 64), (64, 48, 3)), ((10, 10), (64, 48, 3))):
        _, rgb = next(open_source(str(path)).fitting(*size).frames(lambda *_: None))
        assert rgb.shape == expected


def test_the_good_part_of_a_cut_video_comes_and_the_rest_is_told(tmp_path):
    path = videos.cut(videos.index_first(videos.make(tmp_path / "a.mp4")), 0.85)
    problems = []
    frames = list(open_source(str(path)).frames(lambda reason, sentence: problems.append((reason, sentence))))
    assert 0 < len(frames) < 10
    ((reason, sentence),) = problems
    assert reason == "damaged" and f"{len(frames)} of 10 images could be read" in sentence and "cut off at" in sentence


def test_images_that_are_missing_are_counted_against_the_index(tmp_path):
    file = VideoFile.open(videos.make(tmp_path / "a.mp4"))
    assert "is damaged: 7 of 10 images could be read, the last at 0.39 s" in file.lost(7, 390_000_000)


def test_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.mp4 is no video that OpenCV can read"):
        VideoFile.open(path)
    with pytest.raises(DataError, match=r"cut off at .* before its index"):
        VideoFile.open(videos.cut(videos.make(path), 0.6))


def test_a_sample_is_spread_over_the_video(tmp_path):
    file = VideoFile.open(videos.make(tmp_path / "a.mp4"))
    assert [videos.which(rgb)[0] for rgb in file.sample(3)] == [1, 5, 8]


def test_words_that_mean_a_webcam(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = {"webcam": 0, "webcam:2": 2, "/dev/video1": 1, "3": 3, "video": None, "3.png": None, "1234": None}
    assert {text: webcam_index(text) for text in texts} == texts
    (tmp_path / "3").mkdir()
    assert webcam_index("3") is None and not is_video("3"), "a folder of images"
    assert is_video("0") and is_video("a.MOV") and not is_video("a.png")
    (tmp_path / "frames.mp4").mkdir()
    assert not is_video("frames.mp4")


class Device:
    """A camera that gives three pictures and is unplugged."""

    def __init__(self):
        self.left = 3

    def get(self, key):
        return 0.0

    def read(self):
        self.left -= 1
        return self.left >= 0, np.zeros((4, 6, 3), np.uint8)

    def release(self):
        self.left = None


def test_a_webcam_gives_pictures_at_the_time_of_their_arrival(monkeypatch):
    device = Device()
    monkeypatch.setattr(video, "_opened", lambda *_: device)
    times = []
    with pytest.raises(DataError, match="webcam:0 gives no more images"):
        times += [time_ns for time_ns, _ in (item for item in _kept(Webcam(0).pictures(), times))]
    assert len(times) == 3 and times[0] == 0 and times == sorted(times) and device.left is None


def _kept(pictures, times):
    for time_ns, rgb in pictures:
        times.append(time_ns)
        yield time_ns, rgb
