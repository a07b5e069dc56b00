# SPDX-License-Identifier: Apache-2.0
"""Files of weights that are not whole, or not weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mono_depth_ros.cache import sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.weights.files import check_digest, check_finite, read_safetensors

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4), "c": torch.zeros(1)}


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    places = {"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}
    for file in sorted(set(places.values())):
        save_file({name: TENSORS[name] for name, place in places.items() if place == file}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return tmp_path


@pytest.mark.parametrize("layout", ["whole", "shards"])
def test_tensors_are_read(request, layout: str) -> None:
    found = read_safetensors(request.getfixturevalue(layout))
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


def test_a_missing_shard_is_named(shards: Path) -> None:
    (shards / "model-2.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks model-2\.safetensors of the 2 files that model\.safetensors\.index"):
        read_safetensors(shards)


def test_shards_that_do_not_hold_what_the_index_says_are_refused(shards: Path) -> None:
    save_file({"d": torch.zeros(1)}, shards / "model-2.safetensors")
    with pytest.raises(ModelError, match=r"differ in 2 tensors \(c, d\)"):
        read_safetensors(shards)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "is no index of shards"),
        ("[]", "is no index of shards"),
        ('{"weight_map": {}}', r"names \[\], expected files beside it"),
        ('{"weight_map": {"a": "../secret.safetensors"}}', "secret.*expected files beside it"),
    ],
)
def test_an_index_that_is_wrong_is_refused(shards: Path, index: str, message: str) -> None:
    (shards / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match=message):
        read_safetensors(shards)


@pytest.mark.parametrize("keep", [1, 7, 8, 20, -1, -4])
def test_truncated_files_are_refused(whole: Path, keep: int) -> None:
    path = whole / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"model\.safetensors has \d+ bytes, (fewer than|expected \d+ by) its header"):
        read_safetensors(whole)


def test_files_that_are_too_long_are_refused(whole: Path) -> None:
    path = whole / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"expected \d+ by its header"):
        read_safetensors(whole)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", r"Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><title>404</title>", "a web page saved under that name"),
        (b"PK\x03\x04" + bytes(100), "is a pickle, which can run code"),
        (b"\x80\x02}q\x00." + bytes(100), "is a pickle, which can run code"),
        ((40).to_bytes(8, "little") + b"{" * 40, "has a damaged header"),
        ((12).to_bytes(8, "little") + b'{"a": [1,2]}', "has a damaged header"),
    ],
)
def test_files_of_something_else_are_named(whole: Path, content: bytes, message: str) -> None:
    (whole / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_safetensors(whole)


def test_a_header_that_contradicts_itself_is_refused(whole: Path) -> None:
    path = whole / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b"[2,3]", b"[9,9]"))
    with pytest.raises(ModelError, match="cannot be read, expected whole safetensors"):
        read_safetensors(whole)


def test_pickles_are_never_read(whole: Path) -> None:
    (whole / "model.safetensors").rename(whole / "pytorch_model.bin")
    message = r"only pytorch_model\.bin, which can run code when loaded, expected model\.safetensors"
    with pytest.raises(ModelError, match=message):
        read_safetensors(whole)
    (whole / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match=r"holds no weights, expected model\.safetensors"):
        read_safetensors(whole)


def test_digests(whole: Path) -> None:
    path = whole / "model.safetensors"
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256(path) == expected
    check_digest(path, expected)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match=rf"SHA-256 [0-9a-f]{{64}}, expected {expected}: damaged or changed"):
        check_digest(path, expected)


def test_numbers_that_are_not_finite_are_counted() -> None:
    check_finite({"large": torch.full((10,), 3e38)}, Path("x"))  # their sum is not, they are
    with pytest.raises(ModelError, match="x: 2 of 3 numbers of weight are not finite"):
        check_finite({"weight": torch.tensor([float("inf"), 1.0, float("-inf")])}, Path("x"))
