# SPDX-License-Identifier: Apache-2.0
"""What is done of a folder of bags: a JSON file beside the results, written whole after each of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import DataError

NAME = "manifest.json"
_FORMAT = 1

DONE, FAILED, ANEW = "done", "failed", "anew"
"""States of a bag. Those not listed were not tried yet, or not to their end; ANEW: what is there is to be replaced."""


class Manifest:
    """`bags[name]` is a JSON object with `state`; `source` and `summary` where done; `problem` where failed.

    Args:
        folder: of the results. options: everything that decides them, as JSON values.

    Raises:
        DataError: the file there is none of ours, or was begun with other options and not `force`.
    """

    def __init__(self, folder: Path, options: dict[str, Any], force: bool = False) -> None:
        self.path, self.options = folder / NAME, options
        self.bags: dict[str, dict[str, Any]] = {}
        if not self.path.exists():
            return
        values = self._read()
        self.bags = values["bags"]
        before = values["options"]
        other = [name for name in sorted({*before, *options}) if before.get(name) != options.get(name)]
        if other and not force:
            name = other[0]
            raise DataError(
                f"{folder} was begun with {name} {before.get(name)!r}, found {options.get(name)!r}: the same is needed "
                "to go on, or --force to begin anew"
            )

    def begin_anew(self, names: list[str]) -> None:
        """What is there of these bags is to be replaced, in this run or a later one."""
        for name in names:
            self.bags[name] = {"state": ANEW}
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
        values = {"format": _FORMAT, "options": self.options, "bags": dict(sorted(self.bags.items()))}
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
