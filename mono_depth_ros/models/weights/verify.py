# SPDX-License-Identifier: Apache-2.0
"""Whether the files of a checkpoint on the disk are what they should be: missing, cut off, changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.cache import sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.weights.cache import (
    CONFIG,
    INDEX,
    PICKLE,
    PROCESSORS,
    blob_digest,
    missing_weights,
)
from mono_depth_ros.models.weights.download import matches

SUMS = "SHA256SUMS"
"""The list of digests that a fetch into a directory leaves there; `sha256sum -c SHA256SUMS` reads it too."""

_GOOD = ("ok", "no digest")


@dataclass(frozen=True)
class FileCheck:
    """What became of one file.

    Attributes:
        path: of the file.
        state: "ok", "no digest" (whole as far as its format tells; nobody has noted its digest), "missing",
            "cut off" or "changed".
        sha256: found, "" where the file is missing.
        expected: digest that it should have, "" where none is known.
        source: who says so: the catalogue, the hub's cache or the list in the directory; "" for nobody.
    """

    path: Path
    state: str
    sha256: str = ""
    expected: str = ""
    source: str = ""

    @property
    def good(self) -> bool:
        return self.state in _GOOD

    def __str__(self) -> str:
        if self.good or self.state == "missing":
            return f"{self.path}: {self.state}"
        expected = f", expected {self.expected} by {self.source}" if self.expected else ""
        return f"{self.path}: {self.state}, SHA-256 {self.sha256}{expected}"


def check_directory(directory: Path, known: Mapping[str, str] | None = None) -> list[FileCheck]:
    """Check every file of a checkpoint directory, or of a snapshot in the hub's cache.

    Args:
        known: SHA-256 by file name, of files for which they are known.

    Raises:
        ModelError: the directory or its list of digests cannot be read.
    """
    known, listed = known or {}, read_sums(directory)
    names = {path.name for path in checkpoint_files(directory)}
    names |= {*_required(directory, names), *listed, *_links(directory)}
    return [_check(directory / name, known.get(name, ""), listed.get(name, "")) for name in sorted(names)]


def check_file(path: Path, known: str = "") -> FileCheck:
    """Check one file against the SHA-256 `known`, or as far as its format tells."""
    return _check(path, known, "")


def checkpoint_files(directory: Path) -> list[Path]:
    """The files of a checkpoint in a directory, as far as they are there.

    Raises:
        ModelError: there is no such directory.
    """
    try:
        there = sorted(directory.iterdir())
    except OSError as error:
        raise ModelError(f"{directory} cannot be read ({error.strerror}), expected a checkpoint's directory") from error
    names, suffixes = (CONFIG, *PROCESSORS, INDEX, PICKLE), (".safetensors", ".pth", ".pt")
    return [path for path in there if path.is_file() and (path.name in names or path.suffix in suffixes)]


def write_sums(directory: Path) -> None:
    """Leave the SHA-256 of the checkpoint's files in the directory."""
    lines = [f"{sha256(path)}  {path.name}\n" for path in checkpoint_files(directory)]
    with atomic_path(directory / SUMS) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def read_sums(directory: Path) -> dict[str, str]:
    """SHA-256 by file name, of the list in a directory; nothing where there is none.

    Raises:
        ModelError: the list is damaged.
    """
    path = directory / SUMS
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        value, _, name = line.partition("  ")
        if len(value) != 64 or not name or Path(name).name != name:
            raise ModelError(f"{path} has the line {line[:80]!r}, expected a SHA-256, two spaces and a file name")
        found[name] = value
    return found


def _required(directory: Path, there: set[str]) -> set[str]:
    """What a checkpoint cannot be without; an official .pth or .pt is one by itself."""
    official = any(name.endswith((".pth", ".pt")) for name in there) and CONFIG not in there
    return set() if official else {CONFIG, *missing_weights(directory)}


def _links(directory: Path) -> list[str]:
    """Names of links to nowhere."""
    return [path.name for path in directory.iterdir() if path.is_symlink() and not path.exists()]


def _check(path: Path, known: str, listed: str) -> FileCheck:
    blob = blob_digest(path)
    expected, source = next(
        ((value, source) for value, source in ((known, "the catalogue"), (listed, SUMS), (blob, "the cache")) if value),
        ("", ""),
    )
    if not path.is_file():
        return FileCheck(path, "missing", "", expected, source)
    found = sha256(path)
    for value, by in ((known, "the catalogue"), (listed, SUMS), (blob, "the cache")):
        if value and found != value and not (len(value) == 40 and matches(path, value)):
            return FileCheck(path, "cut off" if _cut_off(path) else "changed", found, value, by)
    if _cut_off(path):
        return FileCheck(path, "cut off", found, expected, source)
    return FileCheck(path, "ok" if expected else "no digest", found, expected, source)


def _cut_off(path: Path) -> bool:
    """Whether a file ends before its format says; only safetensors say it."""
    if not path.stat().st_size:
        return True
    if path.suffix != ".safetensors":
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return False
    except (SafetensorError, OSError):
        return True
