# SPDX-License-Identifier: Apache-2.0
"""config/depth.yaml and config/alignment.yaml list every parameter with its default: `python THIS_FILE` writes them."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from mono_depth_ros import config

FOLDER = Path(__file__).resolve().parents[2] / "config"
CLASSES = {
    "depth.yaml": (
        config.ModelConfig,
        config.DepthConfig,
        config.DepthNodeConfig,
        config.ImageConfig,
        config.GroundConfig,
        config.ObstacleConfig,
    ),
    "alignment.yaml": (
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
}
HEADS = {
    "depth.yaml": """\
# Every parameter of the depth node with its default. Copy, keep the lines you change, and give the copy as
#   ros2 launch mono_depth_ros depth.launch.py params_file:=my.yaml
# An argument of the launch file beats this file; a misspelt parameter is an error.
""",
    "alignment.yaml": """\
# Every parameter of the alignment node with its default. Copy, keep the lines you change, and give the copy as
#   ros2 launch mono_depth_ros depth.launch.py alignment:=lidar alignment_params_file:=my.yaml
# An argument of the launch file beats this file; a misspelt parameter is an error.
""",
}


def scalar(value: Any) -> str:
    """A default as YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return ".inf" if math.isinf(value) else repr(value)
    return repr(value) if isinstance(value, int) else f'"{value}"'


def text(name: str) -> str:
    """The file as it has to be."""
    lines = []
    for cls in CLASSES[name]:
        lines += [f"    # {cls.__doc__.splitlines()[0]}", ""]
        for item in fields(cls):
            changes = "; may change while the node runs" if item.metadata["dynamic"] else ""
            lines += [f"    # {item.metadata['doc']}", f"    # {config.allowed(item)}{changes}"]
            lines += [f"    {item.name}: {scalar(item.default)}", ""]
    return HEADS[name] + "/**:\n  ros__parameters:\n" + "\n".join(lines[:-1]) + "\n"


@pytest.mark.parametrize("name", CLASSES)
def test_the_file_is_what_the_configuration_says(name: str) -> None:
    assert (FOLDER / name).read_text() == text(name), f"write it anew: python {__file__}"


@pytest.mark.parametrize("name", CLASSES)
def test_the_file_holds_every_default_and_nothing_else(name: str) -> None:
    given = yaml.safe_load((FOLDER / name).read_text())["/**"]["ros__parameters"]
    assert given == {item.name: item.default for cls in CLASSES[name] for item in fields(cls)}
    for cls in CLASSES[name]:
        assert cls(**{item.name: given[item.name] for item in fields(cls)}) == cls()


if __name__ == "__main__":
    for name in CLASSES:
        (FOLDER / name).write_text(text(name))
