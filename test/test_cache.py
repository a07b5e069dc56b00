# SPDX-License-Identifier: Apache-2.0
"""Digests by seal: a file that was written since is read again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mono_depth_ros import cache
from mono_depth_ros.errors import ModelError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_SETTLED_NS", -(10**18))
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    return path


def test_what_is_sealed_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = hashlib.sha256(b"one").hexdigest()
    assert cache.sha256(file) == cache.sealed_sha256(file) == expected
    with monkeypatch.context() as patch:
        patch.setattr(cache, "sha256", None)  # would raise
        assert cache.sealed_sha256(file) == expected
        (file.parent / "link").symlink_to(file)
        assert cache.sealed_sha256(file.parent / "link") == expected
    cache.forget_seal(file)
    monkeypatch.setattr(cache, "sha256", lambda _: "read")
    assert cache.sealed_sha256(file) == "read"


@pytest.mark.parametrize("how", ["written", "written, with its old date", "replaced, with its old date"])
def test_what_was_changed_is_read_again(file: Path, how: str) -> None:
    cache.sealed_sha256(file)
    before = file.stat()
    target = file.with_name("new") if how.startswith("replaced") else file
    target.write_bytes(b"two")
    if "date" in how:
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    target.replace(file)
    assert cache.sealed_sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_was_just_written_is_not_sealed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_SETTLED_NS", 10**12)
    cache.sealed_sha256(file)
    assert not list((file.parent / "cache" / "digests").iterdir())


def test_bad_seals_and_missing_files(file: Path) -> None:
    expected = cache.sealed_sha256(file)
    (seal,) = (file.parent / "cache" / "digests").iterdir()
    seal.write_text('{"seal": [')
    assert cache.sealed_sha256(file) == expected
    file.unlink()
    with pytest.raises(FileNotFoundError):
        cache.sealed_sha256(file)


def test_a_cache_folder_that_cannot_be_made(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(file))
    with pytest.raises(ModelError, match=r"the cache folder .* cannot be made .*MONO_DEPTH_CACHE"):
        cache.cache_folder("graphs")
    assert cache.sealed_sha256(file) == hashlib.sha256(b"one").hexdigest()
