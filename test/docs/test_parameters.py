# SPDX-License-Identifier: Apache-2.0
"""The tables in docs/parameters.md are the configuration classes'; `python test/docs/test_parameters.py` writes them.

Every parameter that README and docs set on a node exists, and takes that value.
"""

from __future__ import annotations

import math
import re
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from mono_depth_ros import config

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "<!-- parameters: `python test/docs/test_parameters.py` writes these tables -->\n"
END = "<!-- end of the parameters -->\n"
NODES = {
    "depth_node": (
        "Depth node",
        (
            config.ModelConfig,
            config.DepthConfig,
            config.DepthNodeConfig,
            config.ImageConfig,
            config.GroundConfig,
            config.ObstacleConfig,
        ),
    ),
    "alignment_node": (
        "Alignment node",
        (
            config.AlignmentNodeConfig,
            config.AlignmentModelConfig,
            config.ImageConfig,
            config.AlignConfig,
            config.TrackerConfig,
            config.ReferenceConfig,
            config.StereoConfig,
            config.GroundConfig,
            config.MotionConfig,
            config.DepthConfig,
            config.ObstacleConfig,
        ),
    ),
    "camera_node": ("Camera node", (config.CameraNodeConfig, config.CameraTopicsConfig)),
    "world_node": ("World node", (config.WorldNodeConfig, config.CameraTopicsConfig)),
    "play_node": ("Play node", (config.PlayConfig,)),
}
"""Executables with the heading and the classes of their parameters."""


def row(item: Field[Any]) -> str:
    default = item.default
    shown = str(default).lower() if isinstance(default, bool) else ("inf" if default == math.inf else default)
    cells = (
        f"`{item.name}`",
        f"`{shown}`" if shown != "" else "empty",
        config.allowed(item),
        "yes" if item.metadata["dynamic"] else "",
        item.metadata["doc"].replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |"


def tables() -> str:
    lines = []
    for heading, classes in NODES.values():
        lines += [
            f"\n## {heading}\n",
            "| parameter | default | allowed | live | what it does |",
            "|---|---|---|---|---|",
        ]
        lines += [row(item) for cls in classes for item in fields(cls)]
    return "\n".join(lines) + "\n"


def parts(text: str) -> tuple[str, str, str]:
    """What is before the tables, the tables, and what is after them."""
    before, begin, rest = text.partition(BEGIN)
    table, end, after = rest.partition(END)
    assert begin and end, "docs/parameters.md has lost the marks around its tables"
    return before, table, after


def test_the_tables_are_those_of_the_configuration(repository: Path) -> None:
    _, table, _ = parts((repository / "docs" / "parameters.md").read_text(encoding="utf-8"))
    assert table == tables(), "run: python test/docs/test_parameters.py"
    assert len(table.splitlines()) > 100


def test_a_row_of_known_content() -> None:
    line = "| `stride` | `1` | 1 to 64 px | yes | Every n-th pixel and row goes into the cloud. |"
    assert tables().splitlines().count(line) == 2  # of the depth node and of the alignment node


def set_in_commands() -> list[tuple[str, str, str]]:
    """(executable, parameter, value) of each `ros2 run mono_depth_ros NODE --ros-args -p NAME:=VALUE`."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    commands = re.findall(r"ros2 run mono_depth_ros (\w+_node) (.*)", "\n".join(page.read_text() for page in pages))
    return [(node, *pair) for node, rest in commands for pair in re.findall(r"-p (\w+):=(\S+)", rest)]


@pytest.mark.parametrize(("node", "name", "value"), set_in_commands())
def test_parameters_in_commands_exist_and_take_the_value(node: str, name: str, value: str) -> None:
    known = {item.name: item for cls in NODES[node][1] for item in fields(cls)}
    config.check(known[name], yaml.safe_load(value))


def test_commands_set_parameters() -> None:
    assert len(set_in_commands()) >= 5


if __name__ == "__main__":
    page = ROOT / "docs" / "parameters.md"
    before, _, after = parts(page.read_text(encoding="utf-8"))
    page.write_text(f"{before}{BEGIN}{tables()}{END}{after}", encoding="utf-8")
