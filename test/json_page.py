# SPDX-License-Identifier: Apache-2.0
"""docs/json.md, held against what the commands print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "json.md"


def rows(command: str) -> dict[str, bool]:
    """The documented keys of a command, with whether each is always there."""
    text = PAGE.read_text(encoding="utf-8")
    words = (
        f"`mono_depth {command}`" if " of " not in command else "`mono_depth {}` of {}".format(*command.split(" of "))
    )
    (section,) = re.findall(rf"^## {re.escape(words)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    found = {}
    for line in re.findall(r"^\| `.*\|$", section, re.M):
        keys, when, _ = (cell.strip() for cell in line.strip("|").split("|", 2))
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", keys), not when)
    return found


def check(command: str, printed: Any) -> None:
    """Every key that was printed is documented, and every key that is said to be always there was printed."""
    known = rows(command)
    _check(known, printed, "")


def _check(known: dict[str, bool], value: Any, prefix: str) -> None:
    inner = [key for key in known if key.startswith(prefix) and key != prefix]
    if not inner:
        return  # documented as a whole
    if isinstance(value, list):
        for item in value:
            _check(known, item, f"{prefix}[]")
    elif isinstance(value, dict) and any(key.startswith(f"{prefix}{{}}") for key in inner):
        for item in value.values():
            _check(known, item, f"{prefix}{{}}")
    elif isinstance(value, dict):
        begin = f"{prefix}." if prefix else ""
        mine = {key: always for key, always in known.items() if re.fullmatch(rf"{re.escape(begin)}\w+", key)}
        names = {f"{begin}{name}" for name in value}
        assert names <= mine.keys(), f"not in docs/json.md: {names - mine.keys()}"
        assert {key for key, always in mine.items() if always} <= names, f"not printed: {mine.keys() - names}"
        for name, item in value.items():
            if any(key.startswith((f"{begin}{name}[]", f"{begin}{name}{{}}", f"{begin}{name}.")) for key in known):
                _check(known, item, f"{begin}{name}")
