# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mono_depth_ros.atomic import atomic_path, write_whole
from mono_depth_ros.errors import DataError


def test_a_file_is_written_whole(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as path:
        path.write_text("whole")
        assert not target.exists() and path.suffix == ".txt"
    assert target.read_text() == "whole" and [f.name for f in target.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as path:
        path.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def limited(size: int):
    """Within, no file may grow beyond `size` bytes, as on a disk with that much room."""

    @contextmanager
    def limit():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit()


def with_numpy(path):
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.ones(100_000))  # its error has no errno


def with_torch(path):
    with atomic_path(path) as temporary:
        torch.save(torch.ones(100_000), temporary)  # a RuntimeError


def with_safetensors(path):
    with atomic_path(path) as temporary:
        save_file({"a": torch.ones(100_000)}, temporary)


def with_text(path):
    with atomic_path(path) as temporary:
        temporary.write_text("x" * 400_000)


@pytest.mark.parametrize("write", [with_numpy, with_torch, with_safetensors, with_text])
def test_a_full_disk_is_named_whatever_library_writes(tmp_path, write):
    with limited(50_000), pytest.raises(OSError, match="File too large") as failed:
        write(tmp_path / "a.bin")
    assert failed.value.errno == errno.EFBIG and failed.value.filename == str(tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_how_much_was_written_is_said(tmp_path):
    with limited(50_000), pytest.raises(OSError, match=r"File too large \(50000 of 100003 bytes written\)"):
        write_whole(tmp_path / "a", b"abc", b"", bytearray(100_000))
    assert list(tmp_path.iterdir()) == []
    write_whole(tmp_path / "a", b"abc", np.arange(3, dtype=np.uint8).data, b"")
    assert (tmp_path / "a").read_bytes() == b"abc\0\1\2"


def test_an_error_that_is_none_of_the_disk_stays(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a"):
        raise ZeroDivisionError
    with pytest.raises(DataError), atomic_path(tmp_path / "a"):
        raise DataError("found this")


@pytest.mark.parametrize(
    "name, number", [("file/a", errno.ENOTDIR), ("folder", errno.EISDIR), ("n" * 300, errno.ENAMETOOLONG)]
)
def test_odd_places_are_named(tmp_path, name, number):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as failed, atomic_path(tmp_path / name) as path:
        path.write_text("x")
    assert failed.value.errno in (number, errno.EEXIST) and str(tmp_path) in failed.value.filename
    assert {item.name for item in tmp_path.iterdir()} == {"file", "folder"}


@pytest.mark.parametrize(
    "name", ["n" * 255, "n" * 251 + ".npy", "ä" * 125 + ".npy", os.fsdecode(b"\xff" * 251 + b".npy")]
)
def test_the_longest_names_are_written(tmp_path, name):
    with atomic_path(tmp_path / name) as path:
        path.write_text("x")
    assert [item.name for item in tmp_path.iterdir()] == [name]
