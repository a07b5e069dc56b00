# SPDX-License-Identifier: Apache-2.0
"""The README's parameter table is the configuration classes' and nothing else."""

from __future__ import annotations

import math
from dataclasses import fields

from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ModelConfig, allowed


def row(item) -> str:
    default = item.default
    shown = str(default).lower() if isinstance(default, bool) else ("inf" if default == math.inf else default)
    live = "yes" if item.metadata["dynamic"] else ""
    return f"| `{item.name}` | `{shown}` | {allowed(item)} | {live} | {item.metadata['doc']} |"


def test_the_parameter_table_is_that_of_the_code(repository):
    expected = [row(item) for cls in (ModelConfig, DepthConfig, DepthNodeConfig) for item in fields(cls)]
    lines = (repository / "README.md").read_text().splitlines()
    start = lines.index("| parameter | default | allowed | live | what it does |") + 2
    assert lines[start : start + len(expected)] == expected
    assert not lines[start + len(expected)].startswith("|")
