# SPDX-License-Identifier: Apache-2.0
"""docs/json.md has every command with `--json`; what is printed is held against it where each command is tested."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from mono_depth_ros.tools.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGE = runpy.run_path(str(ROOT / "test" / "json_page.py"))
AS_LIST = {"models info"}


def commands(parser, name=""):
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for word, child in action.choices.items():
                yield from commands(child, f"{name} {word}".strip())
        elif "--json" in action.option_strings:
            yield name


def test_every_command_has_its_table_and_its_test():
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "test" / "tools").rglob("test_*.py"))
    tested = set(re.findall(r'documented\("([\w ]+)"', tests))
    documented = set(re.findall(r"^## `mono_depth ([\w ]+)`", (ROOT / "docs" / "json.md").read_text(), re.M))
    assert documented == set(commands(build_parser())) - AS_LIST == {name.partition(" of ")[0] for name in tested}


@pytest.mark.parametrize(
    "printed, words",
    [
        ({"good": True, "checks": [], "new": 1}, "not in docs/json.md: {'new'}"),
        ({"good": True}, "not printed: {'checks'}"),
        ({"good": True, "checks": [{"name": "a", "state": "b", "found": "c"}]}, "advice"),
    ],
)
def test_what_differs_is_noticed(printed, words):
    with pytest.raises(AssertionError, match=words):
        PAGE["check"]("doctor", printed)
