# SPDX-License-Identifier: Apache-2.0
"""A folder of bags: which there are, what the converted ones are called, and what is done of them.

What is done is a JSON file beside the results, written whole after each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.bags.storage import FORMS, NUMBERED, storage_files, unpacked_name
from mono_depth_ros.errors import DataError
from mono_depth_ros.tools.bag.target import PART, other_option

NAME = "manifest.json"
_FORMAT = 1

DONE, FAILED, ANEW = "done", "failed", "anew"
"""States of a bag. Those not listed were not tried yet, or not to their end; ANEW: what is there is to be replaced."""

_FILES = (".mcap", ".db3", ".bag")


def is_one_bag(path: Path) -> bool:
    """Whether `path` is to be read as one recording, not as a folder of many.

    A file is; a folder is if it has the metadata.yaml of a bag, or, for a recording that was cut off before that was
    written, if all its storage files are parts of one: NAME_0, NAME_1 and so on, as `ros2 bag record` calls them.
    """
    if not path.is_dir() or (path / "metadata.yaml").is_file():
        return True
    parts = [NUMBERED.fullmatch(item.name) for item in storage_files(path)]
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
    """What becomes of a recording of this name: the same, but not packed, and a ROS 1 bag becomes an MCAP."""
    name = unpacked_name(name)
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
        elif unpacked_name(item.name).endswith(_FILES):
            yield item


class Manifest:
    """`bags[name]` is a JSON object with `state`; `source` and `summary` where done; `problem` where failed.

    `engine` is that of all results, such as "torch fp16": what `auto` chose at first, and other GPUs then take too; it
    is "" while it is not known.

    Args:
        folder: of the results. options: everything that decides them, as JSON values.

    Raises:
        DataError: the file there is none of ours, or was begun with other options and not `force`.
    """

    def __init__(self, folder: Path, options: dict[str, Any], force: bool = False) -> None:
        self.path, self.options = folder / NAME, options
        self.bags: dict[str, dict[str, Any]] = {}
        self.engine = ""
        if not self.path.exists():
            return
        values = self._read()
        self.bags = values["bags"]
        if not force:
            finished = (entry["summary"].get("engine", "") for entry in self.bags.values() if entry.get("summary"))
            self.engine = str(values.get("engine") or next(finished, ""))
        other = other_option(values["options"], options)
        if other and not force:
            raise DataError(f"{folder} was begun with {other}: the same is needed to go on, or --force to begin anew")

    def begin_anew(self, names: list[str]) -> None:
        """What is there of these bags is to be replaced, in this run or a later one."""
        for name in names:
            self.bags[name] = {"state": ANEW}
        self.write()

    def runs_in(self, engine: str) -> None:
        """Keep the engine of all results."""
        if engine != self.engine:
            self.engine = engine
            self.write()

    def state(self, name: str) -> str:
        """Of a bag; "" where nothing is known."""
        return str(self.bags.get(name, {}).get("state", ""))

    def done(self, name: str, source: dict[str, Any], out: Path, summary: dict[str, Any], attempts: int) -> None:
        """Keep that a bag is finished."""
        self.bags[name] = {
            "state": DONE,
            "out": out.relative_to(self.path.parent.resolve()).as_posix(),
            "source": source,
            "attempts": attempts,
            "summary": summary,
        }
        self.write()

    def failed(self, name: str, problem: str, attempts: int) -> None:
        """Keep why a bag is not finished; what was to be replaced still is."""
        state = ANEW if self.state(name) == ANEW else FAILED
        self.bags[name] = {"state": state, "attempts": attempts, "problem": problem}
        self.write()

    def is_done(self, name: str, source: dict[str, Any]) -> bool:
        """Whether the bag was finished from this very input, and is still there."""
        entry = self.bags.get(name, {})
        if entry.get("state") != DONE or entry.get("source") != source:
            return False
        return (self.path.parent / entry["out"]).exists()

    def write(self) -> None:
        """All of it, or nothing."""
        bags = dict(sorted(self.bags.items()))
        values = {"format": _FORMAT, "options": self.options, "engine": self.engine, "bags": bags}
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, Any]:
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
            if values["format"] != _FORMAT:
                raise ValueError(f"format {values['format']!r}, expected {_FORMAT}")
            if not isinstance(values["options"], dict) or not isinstance(values["bags"], dict):
                raise ValueError("no objects `options` and `bags`")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self.path} is no manifest of mono_depth bag: {error}") from error
        return dict(values)
