# SPDX-License-Identifier: Apache-2.0
"""Every argument that README and docs give to a launch file exists there and has that value among its choices."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
COMMANDS = sorted({line.strip() for line in re.findall(r"ros2 launch mono_depth_ros [^`\n]*", TEXT)})

RTABMAP = ("approx_sync", "frame_id", "rgb_topic", "depth_topic", "camera_info_topic")
"""Arguments of rtabmap_launch/launch/rtabmap.launch.py, by its source."""


def accepted(recorded: Callable[[str], Any], name: str) -> dict[str, list[str] | None]:
    """The arguments of a launch file with their choices; demo.launch.py hands the others on to depth.launch.py."""
    files = [recorded(each) for each in dict.fromkeys(("depth.launch.py", name))]
    actions = [action for file in files for action in file.description if "default_value" in action.known]
    return {action.arguments[0]: action.known.get("choices") for action in actions}


@pytest.mark.parametrize("command", COMMANDS)
def test_arguments_exist(recorded: Callable[[str], Any], command: str) -> None:
    name, *words = shlex.split(command, comments=True)[3:]
    known = accepted(recorded, name)
    for word in words:
        argument, _, value = word.partition(":=")
        assert word == "--show-args" or (value and argument in known), word
        assert known.get(argument) is None or value in known[argument], word


def test_arguments_in_the_text_exist(recorded: Callable[[str], Any]) -> None:
    files = ("demo.launch.py", "nav2_depth.launch.py")
    known = {"__ns", "__node", *RTABMAP}.union(*(accepted(recorded, name) for name in files))
    for line in TEXT.splitlines():
        if "ros2 run" not in line:
            named = set(re.findall(r"(?<![\w/])(\w+):=", line))
            assert named <= known, f"{sorted(named - known)}: {line}"


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) >= 8
