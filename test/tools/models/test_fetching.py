# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models fetch` and `verify` as processes, against a hub on this machine."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mono_depth_ros.models.catalogue import CATALOGUE

ENTRY = CATALOGUE["dpt_large"]
CODE = "import sys; from mono_depth_ros.tools.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def hub() -> Iterator:
    """A hub with the repository of `dpt_large`, whose digests the catalogue does not know."""
    assert not ENTRY.files and not ENTRY.revision
    path = Path(__file__).parents[2] / "models" / "weights" / "hub_server.py"
    spec = importlib.util.spec_from_file_location("hub_server", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.HubServer()
    weights = save({"weight": np.arange(500_000, dtype=np.float32)})
    server.repositories[ENTRY.hub] = {"config.json": b"{}", "model.safetensors": weights, "model.py": b"evil"}
    yield server
    server.close()


@pytest.fixture
def mono_depth(hub, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`mono_depth("fetch", ...)` in an empty home; the hub is a mirror named by HF_ENDPOINT."""
    unset = {"HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "TRANSFORMERS_OFFLINE"}
    home = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    environment = {**{key: value for key, value in os.environ.items() if key not in unset}, **home}

    def call(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", CODE, "models", *words]
        return subprocess.run(
            command, env={**environment, **changes}, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    return call


def test_into_the_cache_of_hf_home_and_back(hub, mono_depth, tmp_path) -> None:
    done = mono_depth("fetch", "dpt_large")
    folder = tmp_path / "home" / "hub" / "models--Intel--dpt-large" / "snapshots" / hub.commit
    assert (done.returncode, done.stdout) == (0, f"{folder}\n"), done.stderr
    assert done.stderr == "licence of the weights: Apache-2.0\n", "no bar where nobody watches"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]

    known = json.loads(mono_depth("info", "dpt_large", "--json").stdout)
    assert known["cached"] is True and known["path"] == str(folder)
    again = mono_depth("fetch", "Intel/dpt-large", "--json", HF_HUB_OFFLINE="1")
    assert again.returncode == 0 and json.loads(again.stdout)["path"] == str(folder)

    done = mono_depth("verify")
    assert done.returncode == 0
    assert [line.split("/")[-1] for line in done.stdout.splitlines() if line.startswith("ok by the cache")] == [
        "config.json",
        "model.safetensors",
    ]
    (folder / "model.safetensors").resolve().write_bytes(b"x" * 2_000_088)
    done = mono_depth("verify", "dpt_large")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("mono_depth models: 1 of 2 files are not what they should be (")
    assert "model.safetensors: " in done.stderr and "by the cache): delete" in done.stderr


def test_another_revision_than_the_catalogues(hub, mono_depth, tmp_path) -> None:
    hub.repositories[CATALOGUE["depth_anything_v2_small"].hub] = hub.repositories[ENTRY.hub]
    done = mono_depth("fetch", "depth_anything_v2_small", "--to", "weights")
    assert done.returncode == 1 and "says 404: there is no such revision" in done.stderr
    done = mono_depth("fetch", "depth_anything_v2_small", "--revision", "refs/pr/7", "--to", "weights")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "weights" / "model.safetensors").is_file()


def test_to_a_directory_for_a_robot(hub, mono_depth, tmp_path) -> None:
    done = mono_depth("fetch", "dpt_large", "--to", "weights")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'weights'}\n"), done.stderr
    assert done.stderr.endswith("on the robot: model:=/path/to/weights\n")
    rows = json.loads(mono_depth("verify", "weights", "--json").stdout)
    assert {Path(row["path"]).name: (row["state"], row["source"]) for row in rows} == {
        "config.json": ("ok", "SHA256SUMS"),
        "model.safetensors": ("ok", "SHA256SUMS"),
    }
    assert not (tmp_path / "home").exists()
    (tmp_path / "weights" / "model.safetensors").unlink()
    done = mono_depth("verify", "weights")
    assert done.returncode == 1 and "model.safetensors: missing): fetch or copy it again" in done.stderr


def test_a_model_that_is_one_file_of_its_repository(hub, mono_depth, tmp_path) -> None:
    entries = [entry for entry in CATALOGUE.values() if entry.hub_file and entry.hub_file not in entry.files]
    if not entries:
        pytest.skip("the digests of all of them are known")
    entry = entries[0]
    hub.commit = entry.revision or hub.commit
    hub.repositories[entry.hub] = {entry.hub_file: b"zip" * 1000, "others.pth": b"zip" * 1000}
    done = mono_depth("fetch", entry.name)
    assert done.returncode == 0 and done.stdout.endswith(f"/{hub.commit}/{entry.hub_file}\n"), done.stderr
    assert json.loads(mono_depth("info", entry.name, "--json").stdout)["path"] == done.stdout.strip()
    assert mono_depth("verify").stdout.count("ok by the cache") == 1
    done = mono_depth("fetch", entry.name, "--to", "weights", HF_HUB_OFFLINE="1")
    assert done.stdout == f"{tmp_path / 'weights' / entry.hub_file}\n"
    assert done.stderr.endswith(f"on the robot: model:=/path/to/weights/{entry.hub_file}\n")
    assert mono_depth("verify", "weights").returncode == 0
    Path(tmp_path, "weights", entry.hub_file).write_bytes(b"zap" * 1000)
    assert mono_depth("verify", "weights").returncode == 1


def test_a_bar_on_a_terminal(hub, mono_depth, tmp_path) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", CODE, "models", "fetch", "dpt_large"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=follower, timeout=60)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    os.close(follower)
    assert done.returncode == 0 and "100%" in shown and "2.00M/2.00M" in shown


def test_ctrl_c_keeps_what_has_come(hub, mono_depth, tmp_path) -> None:
    hub.faults.stall_at = 1_000_000
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {CODE}"
    command = [sys.executable, "-c", code, "models", "fetch", "dpt_large"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size == 1_000_000 for path in tmp_path.rglob("*.partial")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130 and "Traceback" not in said
    assert "What has come so far is kept: the same command goes on from there." in said
    hub.faults.stall_at = None
    assert mono_depth("fetch", "dpt_large").returncode == 0
    assert [request.range for request in hub.asked("model.safetensors")] == ["", "bytes=1000000-"]


def test_what_there_is_comes_at_once() -> None:
    """Without torch, whose import takes seconds on a robot."""
    code = (
        "import sys; sys.argv[1:] = ['models', 'list']; from mono_depth_ros.tools.cli import main; main(sys.argv[1:])"
    )
    for module in ("fetching", "verifying", "listing"):
        code += f"; import mono_depth_ros.tools.models.{module}"
    done = subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fetch", "."), "'.' is a path, expected a catalogue name or a hub name organisation/repository"),
        (("fetch", "tiny", "--to", "there"), "'tiny' ships with the package: there is nothing to fetch"),
        (("fetch", "glpn_nyu"), "says 404: there is no such repository. Where there is network run `mono_depth models"),
        (("verify", "glpn_nyu"), "glpn_nyu is not in the cache"),
        (("verify", "somebody/depth"), "somebody/depth is not in the cache"),
        (("verify", "/no/such/file"), "model '/no/such/file': there is no such file"),
        (("fetch", "dpt_large", "--to", "/proc/none/weights"), "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(mono_depth, words: tuple[str, ...], said: str) -> None:
    done = mono_depth(*words)
    assert done.returncode == 1 and not done.stdout
    assert said in done.stderr and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_the_file_that_ships_with_the_package(mono_depth, documented) -> None:
    done = mono_depth("fetch", "tiny", "--json")
    found = json.loads(done.stdout)
    documented("models fetch", found)
    documented("models verify", json.loads(mono_depth("verify", "tiny", "--json").stdout))
    assert done.returncode == 0 and found["path"].endswith("tiny.safetensors") and Path(found["path"]).is_file()
    done = mono_depth("verify", "tiny")
    assert done.returncode == 0 and done.stdout.startswith("no digest") and "tiny.safetensors" in done.stdout


def test_an_official_file_by_its_name(mono_depth, tmp_path) -> None:
    path = tmp_path / "depth_anything_v2_vits.pth"
    path.write_bytes(b"not the authors'")
    done = mono_depth("verify", str(path))
    assert done.returncode == 1
    assert "expected 715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378 by the catalogue" in done.stderr
