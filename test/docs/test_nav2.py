# SPDX-License-Identifier: Apache-2.0
"""docs/nav2.md: its layer is that of config/nav2_costmap.yaml, its defaults those of the options."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from mono_depth_ros.config import DepthConfig, ObstacleConfig


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "nav2.md").read_text(encoding="utf-8")


def test_the_layer_on_the_page_is_that_of_the_file(page: str, repository: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = yaml.safe_load((repository / "config" / "nav2_costmap.yaml").read_text(encoding="utf-8"))
    there = file["local_costmap"]["local_costmap"]["ros__parameters"]["depth_voxel"]
    shown = yaml.safe_load(block)["depth_voxel"]
    assert shown.items() <= there.items()


def test_defaults_on_the_page_are_those_of_the_options(page: str) -> None:
    defaults = {item.name: item.default for cls in (ObstacleConfig, DepthConfig) for item in fields(cls)}
    named = re.findall(r"`(\w+)` \((\.?[\d.]+)(?: m| degrees)?\)", page)
    assert len(named) >= 6
    assert [(name, float(value)) for name, value in named if defaults[name] != float(value)] == []


def test_the_geometry_on_the_page(page: str) -> None:
    text = " ".join(page.split())
    assert f"the floor by {400 * math.tan(math.radians(1)):.0f} cm at 4 m" in text
    assert f"sees the floor from {0.3 / math.tan(math.radians(10 + 25)):.2f} m on" in text
