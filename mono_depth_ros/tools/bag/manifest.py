# SPDX-License-Identifier: Apache-2.0
"""A folder of bags: which there are, what the converted ones are called, and what is done of them.

What is done is a JSON file beside the results, written whole after each of them.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.bags.packed import unpacked_name
from mono_depth_ros.bags.storage import FORMS, NUMBERED, storage_files
from mono_depth_ros.errors import DataError
from mono_depth_ros.tools.bag.lock import LEASE_S, locked
from mono_depth_ros.tools.bag.target import PART, other_option

NAME = "manifest.json"
_FORMAT = 1
_PATIENCE_S = LEASE_S + 30  # it is held for moments, unless another machine died in one

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
    """What is done of a folder, for all processes that share the work: a change is made to what the file holds by then.

    `bags[name]` is a JSON object with `state`; `source` and `summary` where done; `problem` where failed. `engine` is
    that of all results, such as "torch fp16": what `auto` chose at first, and all others then take; "": not known yet.

    Args:
        folder: of the results. options: everything that decides them, as JSON values.

    Raises:
        DataError: the file there is none of ours, or was begun with other options and not `force`. Changes raise it
            too, where another process has begun anew with other options.
    """

    def __init__(self, folder: Path, options: dict[str, Any], force: bool = False) -> None:
        self.path, self.options = folder / NAME, options
        self.bags: dict[str, dict[str, Any]] = {}
        self.engine = ""
        if not force:
            self.refresh()
        self._before = dict(self.bags)
        self._mine: set[str] = set()

    def refresh(self) -> None:
        """Take in what other processes have done."""
        values = self._read()
        if values is None:
            return
        if other := other_option(values["options"], self.options):
            folder = self.path.parent
            raise DataError(f"{folder} was begun with {other}: the same is needed to go on, or --force to begin anew")
        self.bags = values["bags"]
        finished = (entry["summary"].get("engine", "") for entry in self.bags.values() if entry.get("summary"))
        self.engine = str(values.get("engine") or next(finished, ""))

    def begin_anew(self, names: list[str]) -> None:
        """What is there of these bags is to be replaced, in this run or a later one; with other options that of all."""
        with locked(self.path, patience_s=_PATIENCE_S):
            values = self._read() or {"options": {}, "bags": {}}
            self.bags = values["bags"]
            same = not other_option(values["options"], self.options)
            rest = self.bags.keys() - set(names)
            self.engine = str(values.get("engine", "")) if same and rest else ""
            self.bags |= {name: {"state": ANEW} for name in (names if same else {*names, *rest})}
            self._write()
        self._before = dict(self.bags)

    def runs_in(self, engine: str) -> str:
        """Keep the engine of all results; returns it, which another process may have chosen before."""
        with self._changing():
            self.engine = self.engine or engine
        return self.engine

    def state(self, name: str) -> str:
        """Of a bag; "" where nothing is known."""
        return str(self.bags.get(name, {}).get("state", ""))

    def done(self, name: str, source: dict[str, Any], out: Path, summary: dict[str, Any], attempts: int) -> None:
        """Keep that a bag is finished."""
        with self._changing():
            self.bags[name] = {
                "state": DONE,
                "out": out.relative_to(self.path.parent.resolve()).as_posix(),
                "source": source,
                "attempts": attempts,
                "summary": summary,
            }

    def failed(self, name: str, problem: str, attempts: int) -> None:
        """Keep why a bag is not finished; what was to be replaced still is."""
        self._mine.add(name)
        with self._changing():
            self.bags[name] = {
                "state": ANEW if self.state(name) == ANEW else FAILED,
                "attempts": attempts,
                "problem": problem,
                "host": socket.gethostname(),
                "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }

    def failed_elsewhere(self, name: str) -> str:
        """Why another process has given up a bag since this one began, or ""."""
        entry = self.bags.get(name, {})
        return "" if name in self._mine or entry == self._before.get(name) else str(entry.get("problem", ""))

    def is_done(self, name: str, source: dict[str, Any]) -> bool:
        """Whether the bag was finished from this very input, and is still there."""
        entry = self.bags.get(name, {})
        if entry.get("state") != DONE or entry.get("source") != source:
            return False
        return (self.path.parent / entry["out"]).exists()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with locked(self.path, patience_s=_PATIENCE_S):
            self.refresh()
            yield
            self._write()

    def _write(self) -> None:
        """All of it, or nothing."""
        bags = dict(sorted(self.bags.items()))
        values = {"format": _FORMAT, "options": self.options, "engine": self.engine, "bags": bags}
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, Any] | None:
        """None where there is no such file."""
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
            if values["format"] != _FORMAT:
                raise ValueError(f"format {values['format']!r}, expected {_FORMAT}")
            if not isinstance(values["options"], dict) or not isinstance(values["bags"], dict):
                raise ValueError("no objects `options` and `bags`")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
            raise DataError(f"{self.path} is no manifest of mono_depth bag: {error}") from error
        return dict(values)
