# SPDX-License-Identifier: Apache-2.0
"""What a proof found: rows of each model, in a file that grows after every model and that another machine can read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mono_depth_ros.atomic import write_whole
from mono_depth_ros.errors import DataError

RIGHT, MEASURED, NOT_DONE, FAILED = "right", "measured", "not done", "FAILED"
PROVED, UNPROVED = "proved", "not proved"
VERSION = 1
"""Of the file; another one is refused."""


@dataclass(frozen=True)
class Row:
    """One thing that was looked at.

    Attributes:
        stage: files, parity, depth, engine or accuracy. what: of it.
        state: RIGHT, MEASURED (there is nothing to compare it with), NOT_DONE or FAILED.
        words: what was found, or why not. numbers: the same for programs.
        asked: it belongs to what was asked for: a model with such a row NOT_DONE is not proved.
    """

    stage: str
    what: str
    state: str
    words: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    asked: bool = False


@dataclass
class Proof:
    """What is known of one model.

    Attributes:
        settings: what it was proved with. depth: on the built-in pictures, by device and picture, see `depth.py`.
        files: SHA-256 by file name. seconds: that it took.
    """

    name: str
    family: str = ""
    licence: str = ""
    kind: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    depth: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """PROVED, FAILED, or UNPROVED where something that was asked for was not done."""
        if any(row.state == FAILED for row in self.rows):
            return FAILED
        undone = not self.rows or any(row.state == NOT_DONE and row.asked for row in self.rows)
        return UNPROVED if undone else PROVED

    @property
    def why(self) -> str:
        """The first thing that keeps it from being proved, "" where nothing does."""
        for row in sorted(self.rows, key=lambda row: row.state != FAILED):
            if row.state == FAILED or (row.state == NOT_DONE and row.asked):
                return f"{row.stage} {row.what}: {row.words}"
        return ""

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "state": self.state}

    @classmethod
    def of(cls, found: dict[str, Any]) -> Proof:
        """From `plain`."""
        values = {key: value for key, value in found.items() if key != "state"}
        return cls(**{**values, "rows": [Row(**row) for row in values["rows"]]})


@dataclass
class Proofs:
    """A whole run.

    Attributes:
        machine: versions and hardware, name to value. models: by name. compared: rows against another machine.
        against: that machine's facts.
    """

    machine: dict[str, str]
    models: dict[str, Proof] = field(default_factory=dict)
    compared: list[Row] = field(default_factory=list)
    against: dict[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "version": VERSION,
            "machine": self.machine,
            "models": {name: proof.plain() for name, proof in self.models.items()},
            "against": self.against,
            "compared": [asdict(row) for row in self.compared],
        }

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_whole(path, f"{json.dumps(self.plain(), indent=1)}\n".encode())

    @classmethod
    def read(cls, path: Path) -> Proofs:
        """From a file that `write` wrote, or from the page, which holds the same.

        Raises:
            DataError: it cannot be read or is something else.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read ({error}), expected prove.json or prove.html of a proof") from error
        inside = re.search(r'<script id="proofs" type="application/json">(.*?)</script>', text, re.DOTALL)
        try:
            found = json.loads(inside[1] if inside else text)
            if found["version"] != VERSION:
                raise DataError(f"{path} is a proof of version {found['version']}, expected {VERSION}")
            models = {name: Proof.of(proof) for name, proof in found["models"].items()}
            return cls(dict(found["machine"]), models)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} holds no proof of models, expected prove.json or prove.html") from error
