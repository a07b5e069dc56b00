# SPDX-License-Identifier: Apache-2.0
"""Many bags on two Ray workers of this machine, one of which is killed while it works."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from mono_depth_ros.config import FleetConfig, ModelConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.tools.bag.convert import Job, option_values
from mono_depth_ros.tools.bag.fleet import find, plan
from mono_depth_ros.tools.bag.lock import lock_path
from mono_depth_ros.tools.bag.manifest import Manifest
from mono_depth_ros.tools.bag.ray_workers import RayCrew, Share

NAMES = ["a.mcap", "b.mcap", "c.mcap", "d.mcap"]
COUNT = 150
WORDS = ("--model", "tiny", "--segment-frames", "10", "--device", "cpu")


@pytest.fixture
def folder(tmp_path, kit):
    """Four bags of 150 images, 2 to 5 seconds of work each, depending on the machine."""
    (tmp_path / "in").mkdir()
    for name in NAMES:
        kit.BagMaker().frames(COUNT, red=ord(name[0])).write(tmp_path / "in" / name)
        shutil.rmtree(tmp_path / "in" / f"{name}_folder")
    return tmp_path / "in"


def test_a_killed_worker_loses_nothing_and_nothing_is_done_twice(tmp_path, folder, kit):
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    out, victim = tmp_path / "out", tmp_path / "out" / NAMES[1]
    command = [sys.executable, "-m", "mono_depth_ros.tools.cli", "bag", folder, "--out", out, *WORDS, "--json"]
    fleet = subprocess.Popen(
        [*map(str, command), "--ray", "--workers", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        killed = kill_worker_on(victim, fleet)
        stdout, stderr = fleet.communicate(timeout=120)
    finally:
        fleet.kill()
    assert fleet.returncode == 0, stderr
    assert f"its worker died: killed, out of memory, or its machine is gone (process {killed})" in stderr
    done = json.loads(stdout)["done"]
    assert sorted(done) == NAMES
    assert {name: summary["attempt"] for name, summary in done.items()} == dict.fromkeys(NAMES, 1) | {NAMES[1]: 2}
    # What the killed worker had finished was not done again.
    assert {name for name, summary in done.items() if summary["resumed_after"]} == {NAMES[1]}
    assert 10 <= done[NAMES[1]]["resumed_after"] < COUNT and done[NAMES[1]]["written"] == COUNT
    assert sorted(item.name for item in out.iterdir()) == [*NAMES, "manifest.json"]
    assert kit.bag(folder / NAMES[1], "--out", tmp_path / "alone.mcap", *WORDS, "--threads", "1") == 0
    assert kit.read(victim) == kit.read(tmp_path / "alone.mcap")
    assert {name: len(kit.read(out / name)) for name in NAMES} == dict.fromkeys(NAMES, 2 * COUNT)
    bags = json.loads((out / "manifest.json").read_text())["bags"]
    assert {name: (entry["state"], entry["attempts"]) for name, entry in bags.items()} == {
        name: ("done", 2 if name == NAMES[1] else 1) for name in NAMES
    }
    # Another run finds nothing to do, and starts no worker.
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert kit.bag(folder, "--out", out, *WORDS, "--ray", "--workers", "2") == 0
    assert before == {path: path.stat().st_mtime_ns for path in out.iterdir()}


def kill_worker_on(bag, fleet):
    """SIGKILL for the process that converts `bag`, when a part is finished and another is not. Returns its pid."""
    end = time.monotonic() + 90
    while time.monotonic() < end and fleet.poll() is None:
        with suppress(FileNotFoundError, IndexError):
            if list(bag.with_name(f"{bag.name}.part").glob("*.mcap")):
                pid = int(lock_path(bag).read_text().split()[0])
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.01)
    raise AssertionError(f"{bag} was never half done: {fleet.communicate(timeout=10)}")


def test_without_ray_one_sentence_says_what_to_install(tmp_path, folder, kit, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert kit.bag(folder, "--out", tmp_path / "out", *WORDS, "--ray") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("mono_depth bag: --ray needs Ray, which is not installed: pip install 'ray")


def test_a_cluster_that_is_not_there_is_told(tmp_path, folder, kit, capsys):
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    assert kit.bag(folder, "--out", tmp_path / "out", *WORDS, "--ray", "127.0.0.1:1") == 1
    assert "there is no Ray at '127.0.0.1:1': " in capsys.readouterr().err


def test_a_gpu_of_one_machine_is_refused():
    with pytest.raises(ConfigError, match="device is 'cuda:1', and Ray gives each worker its GPU"):
        RayCrew("local", ModelConfig(device="cuda:1"), FleetConfig())


@pytest.mark.parametrize(
    ("cpus", "gpus", "wanted", "expected"),
    [
        (64, 8, 0, Share(8, 1, 1)),
        (64, 8, 16, Share(16, 1, 0.5)),
        (64, 8, 9, Share(9, 1, 0.5)),
        (64, 8, 3, Share(3, 1, 1)),
        (2, 4, 0, Share(4, 0.5, 1)),
        (64, 0, 0, Share(16, 4, 0)),
        (64, 0, 3, Share(3, 21, 0)),
        (2, 0, 0, Share(1, 2, 0)),
        (2, 0, 2, Share(2, 1, 0)),
        (2, 0, 4, Share(4, 0.5, 0)),
    ],
)
def test_shares_of_a_cluster(cpus, gpus, wanted, expected):
    assert Share.of(cpus, gpus, wanted) == expected
    assert expected.cpus * expected.workers <= cpus and expected.gpus * expected.workers <= gpus


def test_tasks_travel(tmp_path, folder):
    """What goes to a worker and comes back is plain values with absolute paths."""
    import pickle

    template = Job(folder, tmp_path / "out")
    tasks, _ = plan(
        find(template), Manifest(tmp_path / "out", option_values(*template.configs, ModelConfig())), template
    )
    assert pickle.loads(pickle.dumps(tasks)) == tasks
    assert all(task.job.source.is_absolute() and task.job.out.is_absolute() for task in tasks)
