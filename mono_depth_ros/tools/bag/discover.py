# SPDX-License-Identifier: Apache-2.0
"""Which recordings a folder holds, and what the converted ones are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mono_depth_ros.bags.reader import FORMS, storage_files
from mono_depth_ros.errors import DataError
from mono_depth_ros.tools.bag.target import PART

_FILES = (".mcap", ".db3", ".bag")
_NUMBERED = re.compile(r"(.+)_(\d+)\.(?:mcap|db3)(?:\.\w+)?")


def is_one_bag(path: Path) -> bool:
    """Whether `path` is to be read as one recording, not as a folder of many.

    A file is; a folder is if it has the metadata.yaml of a bag, or, for a recording that was cut off before that was
    written, if all its storage files are parts of one: NAME_0, NAME_1 and so on, as `ros2 bag record` calls them.
    """
    if not path.is_dir() or (path / "metadata.yaml").is_file():
        return True
    parts = [_NUMBERED.fullmatch(item.name) for item in storage_files(path)]
    stems = {part[1] if part else None for part in parts}
    if len(stems) != 1 or None in stems:
        return False
    numbers = {int(part[2]) for part in parts if part}
    return len(numbers) == len(parts) == max(numbers) - min(numbers) + 1


def find_bags(folder: Path) -> dict[str, Path]:
    """The recordings in a folder and in its folders, by their name: the path inside `folder`, with slashes; sorted.

    What is hidden and what `mono_depth bag` has left unfinished is no recording.

    Raises:
        DataError: there is none, or two would be converted to the same name.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder, expected one with bags in it")
    found = {path.relative_to(folder).as_posix(): path for path in _walk(folder, set())}
    if not found:
        raise DataError(f"{folder} holds no bag: expected {FORMS}, in it or in folders in it")
    names: dict[str, str] = {}
    for name in found:
        other = names.setdefault(converted_name(name), name)
        if other != name:
            raise DataError(f"{other} and {name} in {folder} would both become {converted_name(name)}: rename one")
    return dict(sorted(found.items()))


def converted_name(name: str) -> str:
    """What becomes of a recording of this name: the same, but a ROS 1 bag becomes an MCAP."""
    return f"{name.removesuffix('.bag')}.mcap" if name.endswith(".bag") else name


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    if folder.resolve() in seen:  # links may lead in circles
        return
    seen.add(folder.resolve())
    for item in sorted(folder.iterdir()):
        if item.name.startswith(".") or item.name.endswith(PART):
            continue
        if item.is_dir():
            if is_one_bag(item):
                yield item
            else:
                yield from _walk(item, seen)
        elif item.suffix in _FILES:
            yield item
