# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import struct
import sys
from pathlib import Path

import pytest

from mono_depth_ros.media.containers import Container, read_container

sys.path.insert(0, str(Path(__file__).parent))
import small_videos as videos


def test_a_whole_file_has_no_fault_and_its_count(tmp_path):
    assert read_container(videos.make(tmp_path / "a.mp4")) == Container("", 10)
    assert read_container(videos.index_first(tmp_path / "a.mp4")) == Container("", 10)
    assert read_container(videos.make(tmp_path / "a.avi")) == Container("", None)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_a_cut_file_says_where(tmp_path, name):
    path = videos.make(tmp_path / name)
    whole = path.stat().st_size
    if name == "a.mp4":
        videos.index_first(path)
    found = read_container(videos.cut(path, 0.8))
    assert found.fault == f"it is cut off at {int(whole * 0.8)} of {whole} bytes"
    assert found.count == (10 if name == "a.mp4" else None)


def test_a_recording_that_was_not_closed_has_no_index(tmp_path):
    path = videos.make(tmp_path / "a.mp4")
    assert "before its index (moov)" in read_container(videos.cut(path, 0.5)).fault
    data = videos.make(path).read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    assert read_container(path).fault.startswith("it has no index (moov)")


def test_a_trimmed_clip_is_whole_and_its_count_is_not_sure(tmp_path):
    assert read_container(videos.trim(videos.make(tmp_path / "a.mp4"), 0.2)) == Container("", None)
    whole = videos.trim(videos.make(tmp_path / "b.mp4"), 0.686)
    assert read_container(whole) == Container("", 10), "an edit list that shows all of it hides nothing"


def test_matroska(tmp_path):
    path = tmp_path / "a.mkv"
    head = b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01"
    path.write_bytes(head + b"\x18\x53\x80\x67" + b"\x01" + (100).to_bytes(7, "big") + bytes(100))
    assert read_container(path) == Container()
    end = len(head) + 12 + 100
    videos.cut(path, 0.6)
    assert read_container(path).fault == f"it is cut off at {int(end * 0.6)} of {end} bytes"
    path.write_bytes(head + b"\x18\x53\x80\x67" + b"\x01" + b"\xff" * 7 + bytes(50))
    assert read_container(path) == Container(), "a live stream does not say how long it is"


def test_broken_bytes_never_raise(tmp_path):
    path, dice = tmp_path / "a.bin", random.Random(0)
    wholes = [videos.make(tmp_path / name).read_bytes() for name in ("a.mp4", "a.avi")]
    for turn in range(200):
        data = bytearray(wholes[turn % 2])
        index = max(data.find(b"moov"), 0)
        for _ in range(dice.choice((1, 8))):
            data[dice.randrange(index, len(data))] = dice.randrange(256)
        path.write_bytes(data[: dice.choice((len(data), dice.randrange(1, len(data))))])
        read_container(path)
    path.write_bytes(struct.pack(">I4sQ", 1, b"ftyp", 2**63))
    assert "cut off" in read_container(path).fault
