# SPDX-License-Identifier: Apache-2.0
"""What is kept between two starts and can be made again: its folder, and the digests of files that were read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import ModelError
from mono_depth_ros.paths import expanded, require_file

VARIABLE = "MONO_DEPTH_CACHE"
_BLOCK = 1 << 22
_SETTLED_NS = 100_000_000
"""A file that was written less than this before it was read could change again within one tick of its clock."""


def cache_folder(kind: str) -> Path:
    """The folder of one kind of file: $MONO_DEPTH_CACHE, else $XDG_CACHE_HOME/mono_depth_ros, else under ~/.cache.

    Raises:
        ModelError: it cannot be made.
    """
    root = os.environ.get(VARIABLE)
    home = expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    folder = (expanded(root) if root else home / "mono_depth_ros") / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = f"the cache folder {folder} cannot be made ({error.strerror})"
        raise ModelError(f"{found}: set {VARIABLE} to a folder that can be written") from error
    return folder


def sha256(path: Path) -> str:
    """The SHA-256 of a file of any size, in hexadecimal."""
    digest = hashlib.sha256()
    require_file(path)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sealed_sha256(path: Path) -> str:
    """The SHA-256 of a file, by its seal where that holds: then the file is not read.

    A seal is what the file system said of the file when it was hashed: size, both times of its last change, and its
    number on the disk. A file that was written, replaced, copied or touched since is hashed anew; a disk that alters
    bytes by itself is not noticed, which is what `sha256` and `mono_depth models check` are for.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    seal = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    with contextlib.suppress(OSError, ValueError, RecursionError, KeyError, TypeError, ModelError):
        known = json.loads(_seal_of(path).read_text(encoding="utf-8"))
        if known["seal"] == seal:
            return str(known["sha256"])
    begun = time.time_ns()
    digest = sha256(path)
    if begun - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
        with contextlib.suppress(ModelError):
            write_json(_seal_of(path), {"path": str(path), "seal": seal, "sha256": digest})
    return digest


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Keep plain values in a file of the cache. One that cannot be written costs time at the next start, no more."""
    with contextlib.suppress(OSError), atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")


def forget_seal(path: Path) -> None:
    """Let the next `sealed_sha256` read the file."""
    with contextlib.suppress(OSError, ModelError):
        _seal_of(path).unlink(missing_ok=True)


def _seal_of(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode(errors="surrogateescape")).hexdigest()[:32]
    return cache_folder("digests") / f"{name}.json"
