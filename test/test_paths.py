# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.cache import sha256
from mono_depth_ros.config.strict_yaml import read_yaml
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.geometry.calibration import read_calibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.depth import read_depth
from mono_depth_ros.media.images import find_images, read_image
from mono_depth_ros.models.weights.pickles import read_pth
from mono_depth_ros.paths import expanded, require_file, short_name


def test_home_folders():
    assert expanded("~/a") == Path.home() / "a" and expanded("a/~") == Path("a/~")
    assert expanded("~nobody_of_this_name/a") == Path("~nobody_of_this_name/a")


@pytest.fixture
def special(tmp_path):
    """Files that are none: a named pipe and a socket, under names with this suffix."""

    def special(suffix: str) -> list[Path]:
        pipe, door = tmp_path / f"pipe{suffix}", tmp_path / f"socket{suffix}"
        os.mkfifo(pipe)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(door))
        return [pipe, door]

    return special


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "suffix, read",
    [
        (".png", read_image),
        (".png", read_depth),
        (".jpg", Camera.from_exif),
        (".yaml", read_calibration),
        (".yaml", read_yaml),
        (".mcap", BagReader),
        (".db3", BagReader),
        (".pth", lambda path: read_pth(path, "a checkpoint")),
    ],
)
def test_nothing_is_read_for_ever(special, suffix, read):
    for path, kind in zip(special(suffix), ("a named pipe", "a socket"), strict=True):
        with pytest.raises(MonoDepthError, match=f"it is {kind}, expected a file"):
            read(path)


def test_devices_have_no_end():
    with pytest.raises(OSError, match="it is a device, expected a file"):
        sha256(Path("/dev/zero"))
    require_file("/nowhere")
    require_file("/")


def test_the_pipe_of_a_shell_is_read():
    read, write = os.pipe()
    os.write(write, b"a: 1\n")
    os.close(write)
    assert read_yaml(Path(f"/dev/fd/{read}")) == {"a": 1}
    os.close(read)


def test_images_in_a_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").touch()
    assert find_images(["~/a.png", "~/*.png"]) == [tmp_path / "a.png"]


def test_long_names_are_shortened_and_stay_apart():
    assert short_name("a.npy") == "a.npy"
    long = [short_name(f"{'ä' * 200}{k}.npy") for k in range(3)]
    assert len(set(long)) == 3 and all(len(os.fsencode(name)) <= 255 and name.endswith(".npy") for name in long)
