# SPDX-License-Identifier: Apache-2.0
"""Files on the disk that are missing, cut off or changed are found and named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.weights import fetch
from mono_depth_ros.models.weights.verify import check_directory, check_file

WEIGHTS = "model.safetensors"


def states(directory: Path, **known: str) -> dict[str, str]:
    return {check.path.name: check.state for check in check_directory(directory, known)}


@pytest.fixture
def snapshot(hub) -> Path:
    return fetch.fetch("org/depth")


@pytest.fixture
def directory(hub, tmp_path) -> Path:
    return fetch.fetch_to("org/depth", tmp_path / "depth")


def rewrite(path: Path, content: bytes) -> None:
    path.resolve().write_bytes(content)


@pytest.mark.parametrize("place", ["snapshot", "directory"])
def test_both_kinds_of_copies(place: str, request, files) -> None:
    directory = request.getfixturevalue(place)
    whole = {"config.json": "ok", WEIGHTS: "ok", "preprocessor_config.json": "ok"}
    assert states(directory) == whole
    content = files[WEIGHTS]
    rewrite(directory / WEIGHTS, content[:-1])
    assert states(directory) == {**whole, WEIGHTS: "cut off"}
    rewrite(directory / WEIGHTS, content[:-1] + b"\0")
    assert states(directory) == {**whole, WEIGHTS: "changed"}
    rewrite(directory / WEIGHTS, b"")
    assert states(directory) == {**whole, WEIGHTS: "cut off"}
    (directory / WEIGHTS).resolve().unlink()
    assert states(directory) == {**whole, WEIGHTS: "missing"}
    rewrite(directory / "config.json", files["config.json"].replace(b"depth", b"death"))
    assert states(directory)["config.json"] == "changed"


def test_what_is_said_of_a_changed_file(snapshot, files) -> None:
    expected = hashlib.sha256(files[WEIGHTS]).hexdigest()
    rewrite(snapshot / WEIGHTS, files[WEIGHTS][:-1] + b"\0")
    (found,) = [check for check in check_directory(snapshot) if not check.good]
    assert (found.expected, found.source) == (expected, "the cache")
    assert str(found) == f"{snapshot / WEIGHTS}: changed, SHA-256 {found.sha256}, expected {expected} by the cache"
    assert found.sha256 == hashlib.sha256(files[WEIGHTS][:-1] + b"\0").hexdigest()


def test_a_file_that_was_changed_together_with_its_name_is_found_by_the_catalogue(snapshot, files) -> None:
    """Someone who can write the cache can name a blob by its new digest; not so the catalogue."""
    content = files[WEIGHTS][:-1] + b"\0"
    blob = snapshot.parents[1] / "blobs" / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (snapshot / WEIGHTS).unlink()
    (snapshot / WEIGHTS).symlink_to(blob)
    assert states(snapshot)[WEIGHTS] == "ok"
    known = {WEIGHTS: hashlib.sha256(files[WEIGHTS]).hexdigest()}
    (found,) = [check for check in check_directory(snapshot, known) if not check.good]
    assert (found.state, found.source) == ("changed", "the catalogue")


def test_copies_of_which_nobody_knows_the_digests(tmp_path, files) -> None:
    for name in ("config.json", WEIGHTS):
        (tmp_path / name).write_bytes(files[name])
    assert states(tmp_path) == {"config.json": "no digest", WEIGHTS: "no digest"}
    (tmp_path / WEIGHTS).write_bytes(files[WEIGHTS][:1000])
    assert states(tmp_path)[WEIGHTS] == "cut off"
    (tmp_path / WEIGHTS).unlink()
    assert states(tmp_path) == {"config.json": "no digest", WEIGHTS: "missing"}


def test_missing_shards(tmp_path, files) -> None:
    (tmp_path / "config.json").write_bytes(files["config.json"])
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}'
    )
    (tmp_path / "1.safetensors").write_bytes(files[WEIGHTS])
    assert states(tmp_path)["2.safetensors"] == "missing" and states(tmp_path)["1.safetensors"] == "no digest"


def test_one_file(tmp_path, files) -> None:
    path = tmp_path / "depth_anything_v2_vits.pth"
    assert check_file(path).state == "missing"
    path.write_bytes(b"zip")
    assert check_file(path).state == "no digest"
    assert check_file(path, hashlib.sha256(b"zip").hexdigest()).state == "ok"
    assert check_file(path, "a" * 64).state == "changed"


def test_bad_directories_and_lists(tmp_path, directory) -> None:
    with pytest.raises(ModelError, match=r"gone cannot be read \(No such file or directory\)"):
        check_directory(tmp_path / "gone")
    (directory / "SHA256SUMS").write_text("../../etc/passwd\n")
    with pytest.raises(ModelError, match="expected a SHA-256, two spaces and a file name"):
        check_directory(directory)
