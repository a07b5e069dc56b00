# SPDX-License-Identifier: Apache-2.0
"""A conversion that was ended by force goes on without a gap or a duplicate, and what was finished can be read."""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from contextlib import suppress

import pytest

from mono_depth_ros.bags import writer
from mono_depth_ros.messages.depth import decode_depth

COUNT = 24
WORDS = (
    *("--outputs", "depth,points,aligned", "--merge", "--batch", "2", "--segment-frames", "4"),
    *("--min-samples", "20", "--occlusion-window", "0", "--no-local"),
)


@pytest.fixture
def source(tmp_path, maker, kit):
    maker.frames(COUNT, red=20).lidar(COUNT, drift=0.02).static(*kit.CHAIN).write(tmp_path / "in.mcap")
    return tmp_path / "in.mcap"


@pytest.fixture
def whole(tmp_path, source, server, kit):
    """Of a run that was left alone."""
    assert server.run(source, "--out", tmp_path / "whole.mcap", *WORDS) == 0
    messages = kit.read(tmp_path / "whole.mcap")
    assert len([topic for topic, _, _ in messages if topic == "/depth/image"]) == COUNT
    assert len([topic for topic, _, _ in messages if topic == "/aligned/image"]) == COUNT
    return messages


def check_part(kit, path, whole):
    """What is there is a bag, and a beginning of the whole. Returns how many messages it has."""
    if not path.is_file() and not (path / "metadata.yaml").exists():
        return 0
    part = kit.read(path)
    assert part == whole[: len(part)]
    return len(part)


@pytest.mark.parametrize("out", ["out.mcap", "out.db3", "folder"])
def test_killed_at_random_moments(tmp_path, source, whole, server, kit, out):
    path = tmp_path / out
    folder = path.with_name(path.name + ".part") if path.suffix else path
    moments, sizes = random.Random(out), []
    for _ in range(5):
        pid = server.start(source, "--out", path, *WORDS, "--resume", step_s=0.02)
        time.sleep(moments.uniform(0.03, 0.2))
        with suppress(ProcessLookupError):  # it may have come to its end
            os.kill(pid, signal.SIGKILL)
        code = server.wait()
        assert code in (0, -signal.SIGKILL)
        if code == 0:
            break
        sizes.append(check_part(kit, path if path.exists() else folder, whole))
    assert sizes == sorted(sizes)
    assert server.run(source, "--out", path, *WORDS, "--resume") == 0
    assert kit.read(path) == whole
    assert not folder.exists() or folder == path
    assert not list(tmp_path.rglob(".*"))  # nothing is left lying about


@pytest.mark.slow
def test_killed_before_and_after_every_rename(tmp_path, source, whole, server, kit):
    path, part = tmp_path / "out.mcap", tmp_path / "out.mcap.part"
    words = (*WORDS, "--segment-frames", "8")
    die_at, codes = 0, []
    while True:
        assert server.run(source, "--out", path, *words, "--force", die_at=die_at) in (-signal.SIGKILL, 0)
        finished = path.exists() and not part.exists()
        codes.append(finished)
        if not finished:
            check_part(kit, path if path.exists() else part, whole)
        assert server.run(source, "--out", path, *words, "--resume") == 0
        assert kit.read(path) == whole
        if finished:
            break
        path.unlink()
        die_at += 1
    # Three segments and the empty end, each moved and then listed, and the join: nine renames, two sides each.
    assert len(codes) > 16


def test_ctrl_c_keeps_what_is_done(tmp_path, source, whole, server, kit):
    path, part = tmp_path / "out.mcap", tmp_path / "out.mcap.part"
    go = tmp_path / "go"
    pid = server.start(source, "--out", path, *WORDS, "--segment-frames", "1000", until=str(go))
    while not go.with_suffix(".waiting").exists():
        time.sleep(0.01)
    os.kill(pid, signal.SIGINT)
    assert server.wait() == 130
    done = check_part(kit, part, whole)
    assert 0 < done < len(whole)
    assert server.run(source, "--out", path, *WORDS, "--segment-frames", "1000", "--resume") == 0
    assert kit.read(path) == whole


def test_a_second_run_gives_the_same_bytes(tmp_path, source, whole, server, kit):
    assert server.run(source, "--out", tmp_path / "again.mcap", *WORDS, "--segment-frames", "7") == 0
    assert kit.read(tmp_path / "again.mcap") == whole


def test_resuming_what_is_complete_does_nothing(tmp_path, source, server):
    for name in ("out.mcap", "out.db3", "folder"):
        path = tmp_path / name
        assert server.run(source, "--out", path, *WORDS) == 0
        before = {item: item.stat().st_mtime_ns for item in [path, *path.rglob("*")]}
        assert server.run(source, "--out", path, *WORDS, "--resume") == 0
        assert before == {item: item.stat().st_mtime_ns for item in [path, *path.rglob("*")]}


def test_resuming_with_other_options_is_refused(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(6).write(tmp_path / "in.mcap")
    out = tmp_path / "out"
    assert kit.bag(tmp_path / "in.mcap", "--out", out) == 0
    assert kit.bag(tmp_path / "in.mcap", "--out", out, "--resume", "--max-depth", "5") == 1
    assert "was begun with max_depth 'inf', found 5.0" in capsys.readouterr().err
    maker.frames(1, first=6).write(tmp_path / "other.mcap")
    assert kit.bag(tmp_path / "other.mcap", "--out", out, "--resume") == 1
    assert "was begun from another input" in capsys.readouterr().err


def test_resuming_a_bag_of_somebody_else_is_refused(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(2).write(tmp_path / "in.mcap")
    maker.write(tmp_path / "theirs")
    maker.write(tmp_path / "theirs.mcap")
    for name in ("theirs", "theirs.mcap"):
        before = kit.read(tmp_path / name)
        assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / name, "--resume") == 1
        assert "has" in capsys.readouterr().err and kit.read(tmp_path / name) == before


def test_a_video_model_remembers_what_was_finished_before(
    tmp_path, maker, use, kit, counting_model, monkeypatch, capsys
):
    """Its images are estimated again: what comes out does not depend on where it was resumed."""
    monkeypatch.setattr("mono_depth_ros.models.loading.load_model", lambda *_: counting_model)
    maker.frames(7)
    for index in range(4):  # time jumps back to the first image
        stamp_ns = kit.BEGIN_NS + index * kit.STEP_NS
        log_ns = stamp_ns + 7 * kit.STEP_NS
        maker.add("/camera/image_raw", kit.IMAGE, log_ns, kit.red_image(index, stamp_ns))
    maker.write(tmp_path / "in.mcap")
    writes, write = iter(range(10**6)), writer.BagFile.write

    def full(self, topic, log_ns, data):
        if next(writes) == 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, topic, log_ns, data)

    words = (tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", "--segment-frames", "2")
    with monkeypatch.context() as patch:
        patch.setattr(writer.BagFile, "write", full)
        assert kit.bag(*words) == 1
    capsys.readouterr()
    assert kit.bag(*words, "--resume") == 0
    said = capsys.readouterr().err
    assert "images before are estimated again" in said
    assert "the model forgot the images before once because time jumped back by 0.600 s" in said
    found = kit.decoded(tmp_path / "out.mcap", "/depth/image")
    depths = [float(decode_depth(message)[5, 5]) for _, message in found]
    assert depths == [1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4]
