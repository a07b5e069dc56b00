# SPDX-License-Identifier: Apache-2.0
"""Two processes, one output, at random moments: the second is refused, or does what the first one does not."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
from contextlib import suppress

import pytest

from mono_depth_ros.tools.bag.lock import holder

COUNT = 16
WORDS = ("--segment-frames", "3", "--batch", "1")
BAGS = {"a.mcap": 8, "b.mcap": 10, "deep/c.mcap": 12, "d.mcap": 9, "e.mcap": 7}


@pytest.fixture
def source(tmp_path, maker):
    maker.frames(COUNT).write(tmp_path / "in.mcap")
    return tmp_path / "in.mcap"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five bags, which no test changes."""
    folder = tmp_path_factory.mktemp("bags")
    for name, count in BAGS.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        sys.modules["bags_conftest"].BagMaker().frames(count, red=count).write(path)
        (path.with_name(f"{path.name}_folder") / "metadata.yaml").unlink()
        path.with_name(f"{path.name}_folder").rmdir()
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory, folder, server):
    """What one process makes of each bag of the folder, byte by byte."""
    out = tmp_path_factory.mktemp("alone") / "out"
    assert server.run(folder, "--out", out, *WORDS) == 0
    return results(out)


def results(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.mcap") if path.is_file()}


def wait_for_lock(path, pid):
    end = time.monotonic() + 20
    while (found := holder(path)) is None or found.pid != str(pid):
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("out", "how"), [("out.mcap", "--resume"), ("out.mcap", "--force"), ("out.db3", "--force"), ("folder", "--resume")]
)
def test_a_second_run_is_refused_and_the_first_one_finishes(tmp_path, source, server, kit, out, how):
    path, said = tmp_path / out, tmp_path / "said"
    assert server.run(source, "--out", tmp_path / "whole.mcap", *WORDS) == 0
    moments = random.Random(out + how)
    first = server.start(source, "--out", path, *WORDS, step_s=0.02, until=str(tmp_path / "go"))
    wait_for_lock(path, first)
    time.sleep(moments.uniform(0.0, 0.2))
    assert server.run(source, "--out", path, *WORDS, how, said=str(said)) == 1
    (tmp_path / "go").touch()
    assert server.wait(first) == 0
    words = said.read_text().strip().splitlines()[-1]
    assert re.fullmatch(rf"mono_depth bag: process {first} on \S+ is working on .*{out} since .*: wait .*", words)
    assert kit.read(path) == kit.read(tmp_path / "whole.mcap")
    assert not list(tmp_path.rglob(".*"))


def test_an_export_is_an_output(tmp_path, source, server, kit):
    said = tmp_path / "said"
    words = (*WORDS, "--export", "ply", tmp_path / "ply")
    first = server.start(source, "--out", tmp_path / "one.mcap", *words, until=str(tmp_path / "go"))
    wait_for_lock(tmp_path / "ply", first)
    assert server.run(source, "--out", tmp_path / "two.mcap", *words, "--force", said=str(said)) == 1
    (tmp_path / "go").touch()
    assert server.wait(first) == 0
    assert f"process {first} on " in said.read_text() and len(list((tmp_path / "ply").glob("*.ply"))) == COUNT
    assert not (tmp_path / "two.mcap").exists()


@pytest.mark.parametrize("seed", range(2))
def test_two_processes_share_a_folder_and_one_is_killed(tmp_path, folder, alone, server, seed):
    out, moments, said = tmp_path / "out", random.Random(seed), [tmp_path / "first", tmp_path / "second"]
    pids = []
    for file in said:
        pids.append(server.start(folder, "--out", out, *WORDS, "--json", step_s=0.02, said=str(file)))
        time.sleep(moments.uniform(0.0, 0.2))
    victim = moments.choice(pids)
    time.sleep(moments.uniform(0.1, 0.6))
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    assert server.wait(victim) in (0, -signal.SIGKILL)
    (other,) = set(pids) - {victim}
    assert server.wait(other) == 0, said[pids.index(other)].read_text()
    assert results(out) == alone
    bags = json.loads((out / "manifest.json").read_text())["bags"]
    assert {name: entry["state"] for name, entry in bags.items()} == dict.fromkeys(BAGS, "done")
    # Each is in one of the lists of the one that came through.
    found = json.loads(next(line for line in said[pids.index(other)].read_text().splitlines() if line.startswith("{")))
    assert sorted([*found["done"], *found["elsewhere"], *found["before"]]) == sorted(BAGS)
    hidden = [path.name for path in out.rglob(".*")]
    assert not [name for name in hidden if name != ".manifest.json.lock"]  # it may have been killed in that moment


def test_shards_are_parts_of_the_whole(tmp_path, folder, alone, server):
    out = tmp_path / "out"
    said = [tmp_path / f"said{i}" for i in range(3)]
    pids = [
        server.start(folder, "--out", out, *WORDS, "--shard", f"{i}/3", said=str(file)) for i, file in enumerate(said)
    ]
    assert [server.wait(pid) for pid in pids] == [0, 0, 0]
    assert results(out) == alone
    bags = json.loads((out / "manifest.json").read_text())["bags"]
    assert {name: entry["state"] for name, entry in bags.items()} == dict.fromkeys(BAGS, "done")
    for i, count in enumerate((2, 2, 1)):
        assert f"5 bags, {count} in shard {i}/3" in said[i].read_text()


def test_shards_that_are_none(folder, kit, capsys):
    for text in ("3/3", "1", "-1/3", "a/b", "0/0", "1.5/2", ""):
        assert kit.bag(folder, f"--shard={text}") == 2
        assert "expected I/N with I from 0 to N-1" in capsys.readouterr().err
    assert kit.bag(folder / "a.mcap", "--shard", "0/2") == 1
    assert "is one bag, expected a folder with many bags to share out with --shard" in capsys.readouterr().err


def test_a_shard_made_anew_with_other_options_leaves_the_others_to_be_made_anew(tmp_path, folder, use, kit, capsys):
    model, out = use(), tmp_path / "out"
    assert kit.bag(folder, "--out", out) == 0
    assert kit.bag(folder, "--out", out, "--force", "--shard", "0/2", "--max-depth", "5") == 0
    bags = json.loads((out / "manifest.json").read_text())["bags"]
    states = {name: entry["state"] for name, entry in bags.items()}
    assert list(states.values()) == ["done", "anew", "done", "anew", "done"]
    model.batches.clear()
    assert kit.bag(folder, "--out", out, "--max-depth", "5") == 0
    assert sum(model.batches) == sum(BAGS[name] for name, state in states.items() if state == "anew")


def test_what_another_process_gives_up_meanwhile_is_not_tried_again(tmp_path, folder, use, kit, capsys, monkeypatch):
    from mono_depth_ros.tools.bag import crew
    from mono_depth_ros.tools.bag.manifest import Manifest

    use()
    convert, out = crew.convert, tmp_path / "out"

    def converting(job, *rest):
        if job.source.name == "a.mcap":
            other = Manifest(out, json.loads((out / "manifest.json").read_text())["options"])
            other.failed("e.mcap", "no hope", 3)
        return convert(job, *rest)

    monkeypatch.setattr(crew, "convert", converting)
    assert kit.bag(folder, "--out", out, "--json") == 1
    assert json.loads(capsys.readouterr().out)["failed"] == {"e.mcap": "no hope"}
    monkeypatch.setattr(crew, "convert", convert)
    assert kit.bag(folder, "--out", out) == 0  # a new run tries again


def test_processes_that_begin_together_run_in_one_engine(tmp_path, folder, use, kit, monkeypatch):
    from mono_depth_ros.tools.bag.manifest import Manifest

    asked, model, out = [], use(), tmp_path / "out"
    options = {}

    def load(config):
        asked.append((config.engine, config.precision))
        if len(asked) == 1:  # another process is faster
            other = Manifest(out, options)
            other.runs_in("torch bf16")
        model.engine = "torch fp16" if config.precision == "auto" else f"torch {config.precision}"
        return model

    begin = Manifest.__init__

    def beginning(self, folder, given, force=False):
        options.update(given)
        begin(self, folder, given, force)

    monkeypatch.setattr(Manifest, "__init__", beginning)
    monkeypatch.setattr("mono_depth_ros.models.loading.load_model", load)
    assert kit.bag(folder, "--out", out) == 0
    assert asked == [("auto", "auto"), ("torch", "bf16")]
    found = json.loads((out / "manifest.json").read_text())
    assert found["engine"] == "torch bf16" == found["bags"]["a.mcap"]["summary"]["engine"]
