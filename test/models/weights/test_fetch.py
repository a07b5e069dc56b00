# SPDX-License-Identifier: Apache-2.0
"""Fetching from a hub on this machine: what is fetched, where it goes on after every kind of interruption."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import find, hub_name
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.weights import fetch
from mono_depth_ros.models.weights.cache import PICKLE, find_snapshot
from mono_depth_ros.models.weights.fetch import snapshot
from mono_depth_ros.models.weights.verify import check_directory

WANTED = ["config.json", "model.safetensors", "preprocessor_config.json"]


def partials(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial"))


def test_only_the_checkpoint_is_fetched_and_huggingface_hub_finds_it(hub, cache, files) -> None:
    seen = []
    directory = fetch.fetch("org/depth", progress=lambda here, total: seen.append((here, total)))
    assert directory == cache / "models--org--depth" / "snapshots" / hub.commit
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == {name: files[name] for name in WANTED}
    total = sum(len(files[name]) for name in WANTED)
    assert seen[-1] == (total, total) and [here for here, _ in seen] == sorted(here for here, _ in seen)
    assert Path(snapshot_download("org/depth", cache_dir=cache, local_files_only=True)) == directory
    assert not any(name in request.path for request in hub.requests for name in (".bin", ".py", "README", "onnx"))
    assert not partials(cache)


def test_what_is_cached_needs_no_network(hub) -> None:
    directory = snapshot("org/depth")
    hub.requests.clear()
    assert snapshot("org/depth") == snapshot("org/depth", hub.commit) == directory
    assert not hub.requests


def test_a_pinned_commit_is_fetched_as_that_commit(hub, cache) -> None:
    directory = fetch.fetch("org/depth", hub.commit)
    assert directory.name == hub.commit and not (cache / "models--org--depth" / "refs").exists()
    with pytest.raises(ModelError, match="there is no such revision"):
        fetch.fetch("org/depth", "d" * 40)


def test_a_branch_and_a_pull_request(hub, cache) -> None:
    directory = fetch.fetch("org/depth", "refs/pr/7")
    assert hub.requests[0].path == "/api/models/org/depth/revision/refs/pr/7"
    assert find_snapshot("org/depth", "refs/pr/7") == directory and find_snapshot("org/depth") is None
    found = snapshot_download("org/depth", revision="refs/pr/7", cache_dir=cache, local_files_only=True)
    assert Path(found) == directory


def test_a_pickle_is_fetched_where_there_is_nothing_else(hub, files) -> None:
    """Of it only tensors are read."""
    del files["model.safetensors"]
    directory = fetch.fetch("org/depth")
    assert sorted(path.name for path in directory.iterdir()) == ["config.json", "preprocessor_config.json", PICKLE]
    assert find_snapshot("org/depth") == directory
    assert all(check.good for check in check_directory(directory))


def test_a_revision_behind_the_name(hub, files) -> None:
    """`organisation/repository@revision` is what --revision gives; a catalogue's model of another one is none of it."""
    with pytest.raises(ModelError):  # of these weights
        load_model(ModelConfig(model="org/depth@refs/pr/7"))
    assert hub.requests[0].path == "/api/models/org/depth/revision/refs/pr/7"
    entry = CATALOGUE["depth_anything_v2_small"]
    assert find(entry.hub) == find(f"{entry.hub}@{entry.revision}") == entry
    assert find(f"{entry.hub}@main") is None
    assert hub_name("org/depth") == ("org/depth", "") and hub_name("./org/depth@x") == ("", "")


def test_a_dropped_connection_goes_on_where_it_ended(hub, files) -> None:
    hub.faults.cut = [100_000, 0, 50_000]
    directory = fetch.fetch("org/depth")
    assert [request.range for request in hub.asked("model.safetensors")] == [
        "",
        "bytes=100000-",
        "bytes=100000-",
        "bytes=150000-",
    ]
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_an_interrupted_fetch_goes_on_at_the_next_one(hub, cache, files) -> None:
    hub.faults.cut = [100_000] + [0] * 5
    with pytest.raises(ModelError, match="org/depth cannot be fetched: the connection ended early"):
        fetch.fetch("org/depth")
    assert find_snapshot("org/depth") is None
    assert [path.stat().st_size for path in partials(cache)] == [100_000]
    hub.faults.cut, hub.requests = [], []
    directory = fetch.fetch("org/depth")
    assert [request.range for request in hub.asked("model.safetensors")] == ["bytes=100000-"]
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert not partials(cache) and not hub.asked("config.json")[1:]


def test_after_a_kill_the_cache_is_sane_and_the_next_fetch_goes_on(hub, cache, files) -> None:
    hub.faults.stall_at = 200_000
    code = "from mono_depth_ros.models.weights.fetch import fetch; fetch('org/depth')"
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        deadline = time.monotonic() + 20
        while not any(path.stat().st_size == 200_000 for path in partials(cache)):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert find_snapshot("org/depth") is None
    with pytest.raises(Exception, match="Cannot find an appropriate cached snapshot"):
        snapshot_download("org/depth", cache_dir=cache, local_files_only=True)
    hub.faults.stall_at, hub.requests = None, []
    directory = fetch.fetch("org/depth")
    assert [request.range for request in hub.asked("model.safetensors")] == ["bytes=200000-"]
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert not partials(cache)


def test_a_server_without_ranges_sends_it_again(hub, files) -> None:
    hub.faults.cut, hub.faults.ranges = [100_000], False
    seen = []
    directory = fetch.fetch("org/depth", progress=lambda here, _: seen.append(here))
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert seen[-1] == sum(len(files[name]) for name in WANTED)


def test_a_spoiled_rest_of_an_earlier_attempt_is_fetched_again(hub, cache, files, hub_module) -> None:
    blobs = cache / "models--org--depth" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hub_module.etag_of(files['model.safetensors'])}.partial").write_bytes(b"x" * 1000)
    directory = fetch.fetch("org/depth")
    assert [request.range for request in hub.asked("model.safetensors")] == ["bytes=1000-", ""]
    assert (directory / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_content_that_is_not_what_the_hub_announces_is_refused(hub, cache) -> None:
    hub.faults.spoil = 1
    with pytest.raises(ModelError, match=r"model.safetensors came with another content than its digest [0-9a-f]{64}"):
        fetch.fetch("org/depth")
    assert find_snapshot("org/depth") is None
    assert find_snapshot("org/depth") != fetch.fetch("org/depth")


def test_files_that_the_catalogue_knows_otherwise_are_refused(hub, cache, files) -> None:
    with pytest.raises(ModelError, match=r"offers model.safetensors with the SHA-256 \w{64}, expected a{64}"):
        fetch.fetch("org/depth", known={"model.safetensors": "a" * 64})
    assert not cache.exists(), "found before a byte of it was fetched"
    with pytest.raises(ModelError, match=r"config.json came with another content than its digest b{64} says"):
        fetch.fetch("org/depth", known={"config.json": "b" * 64})
    known = {name: hashlib.sha256(files[name]).hexdigest() for name in WANTED}
    assert fetch.fetch("org/depth", known={**known, "official.pth": "c" * 64}) == find_snapshot("org/depth")


def test_two_at_a_time_fetch_it_once(hub, cache) -> None:
    hub.faults.stall_at = 200_000
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch.fetch("org/depth"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not any(path.stat().st_size == 200_000 for path in partials(cache)):
        time.sleep(0.02)
    hub.faults.stall_at = None
    hub.faults.go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(results) == 2 and results[0] == results[1]
    assert [request.range for request in hub.asked("model.safetensors")] == ["", "bytes=200000-"]


def test_shards(hub, files) -> None:
    weights = files.pop("model.safetensors")
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    files["model.safetensors.index.json"] = b'{"weight_map": {"a": "%s", "b": "%s"}}' % tuple(n.encode() for n in names)
    files.update(dict.fromkeys(names, weights))
    directory = fetch.fetch("org/depth")
    assert sorted(path.name for path in directory.glob("model*")) == [*names, "model.safetensors.index.json"]
    (directory / names[1]).unlink()
    assert find_snapshot("org/depth") is None
    assert fetch.fetch("org/depth") == directory == find_snapshot("org/depth")


def test_a_token_goes_to_the_hub_and_not_to_its_store(hub, monkeypatch) -> None:
    hub.faults.token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch.fetch("org/depth")
    tokens = {request.path.startswith("/store/"): request.token for request in hub.requests}
    assert tokens == {False: "Bearer hf_secret", True: ""}


def test_into_a_directory_whole_or_not_at_all(hub, cache, files, tmp_path) -> None:
    target = tmp_path / "robot" / "depth"
    hub.faults.cut = [100_000] + [0] * 5
    with pytest.raises(ModelError, match="the connection ended early"):
        fetch.fetch_to("org/depth", target)
    assert not target.exists()
    hub.faults.cut, hub.requests = [], []
    assert fetch.fetch_to("org/depth", target) == target
    assert [request.range for request in hub.asked("model.safetensors")] == ["bytes=100000-"]
    assert sorted(path.name for path in target.iterdir()) == ["SHA256SUMS", *WANTED]
    assert {name: (target / name).read_bytes() for name in WANTED} == {name: files[name] for name in WANTED}
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=target, capture_output=True).returncode == 0
    assert [path.name for path in target.parent.iterdir()] == ["depth"] and not cache.exists()
    assert fetch.fetch_to("org/depth", target) == target, "the same again is no error"


def test_into_a_directory_from_the_cache_without_network(hub, files, tmp_path, monkeypatch) -> None:
    fetch.fetch("org/depth")
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    target = fetch.fetch_to("org/depth", tmp_path / "depth")
    assert (target / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert not (target / "model.safetensors").is_symlink() and not hub.requests
    assert fetch.fetch_to("org/depth", target) == target


def test_one_file_that_is_the_checkpoint(hub, files, tmp_path) -> None:
    files["authors_small.pth"], files["authors_large.pth"] = b"small" * 1000, b"large" * 1000
    directory = fetch.fetch("org/depth", file="authors_small.pth")
    assert [path.name for path in directory.iterdir()] == ["authors_small.pth"]
    assert find_snapshot("org/depth", file="authors_small.pth") == directory
    assert find_snapshot("org/depth") is find_snapshot("org/depth", file="authors_large.pth") is None
    assert fetch.fetch("org/depth", file="authors_large.pth") == directory
    target = fetch.fetch_to("org/depth", tmp_path / "one", file="authors_small.pth")
    assert sorted(path.name for path in target.iterdir()) == ["SHA256SUMS", "authors_small.pth"]
    other = fetch.fetch_to("org/depth", tmp_path / "other", "refs/pr/7", file="authors_large.pth")
    assert {check.state for path in (target, other, directory) for check in check_directory(path)} == {"ok"}
    with pytest.raises(
        ModelError, match=r"has no authors_huge.pth, expected it there.*hf download org/depth authors_huge"
    ):
        fetch.fetch("org/depth", file="authors_huge.pth")


def test_nothing_is_put_among_other_things(hub, tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ModelError, match=r"holds .*thesis.tex, expected a new or an empty directory"):
        fetch.fetch_to("org/depth", tmp_path)
    with pytest.raises(ModelError, match=r"thesis.tex is a file, expected a new or an empty directory"):
        fetch.fetch_to("org/depth", tmp_path / "thesis.tex")


def test_progress_as_log_lines(caplog) -> None:
    told = fetch.log_progress("org/depth")
    with caplog.at_level("INFO"):
        for here in range(0, 101, 5):
            told(here * 10**6, 10**8)
    assert len(caplog.messages) == 10 and caplog.messages[4] == "fetching org/depth: 50 of 100 MB"
