# SPDX-License-Identifier: Apache-2.0
"""config/alignment.yaml lists every parameter of the alignment node: `python THIS_FILE` writes it anew."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from mono_depth_ros.config import (
    AlignConfig,
    AlignmentNodeConfig,
    DepthConfig,
    GroundConfig,
    ReferenceConfig,
    StereoConfig,
    TrackerConfig,
    allowed,
)

FILE = Path(__file__).resolve().parents[2] / "config" / "alignment.yaml"
CLASSES = (AlignmentNodeConfig, AlignConfig, TrackerConfig, ReferenceConfig, StereoConfig, GroundConfig, DepthConfig)
HEAD = """\
# Every parameter of the alignment node with its default. Copy, keep the lines you change, and give the copy as
#   ros2 run mono_depth_ros alignment_node --ros-args --params-file my.yaml
# A misspelt parameter is an error.
/**:
  ros__parameters:
"""


def scalar(value: Any) -> str:
    """A default as YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return ".inf" if math.isinf(value) else repr(value)
    return repr(value) if isinstance(value, int) else f'"{value}"'


def text() -> str:
    """The file as it has to be."""
    lines = []
    for cls in CLASSES:
        lines += [f"    # {cls.__doc__.splitlines()[0]}", ""]
        for item in fields(cls):
            changes = "; may change while the node runs" if item.metadata["dynamic"] else ""
            lines += [f"    # {item.metadata['doc']}", f"    # {allowed(item)}{changes}"]
            lines += [f"    {item.name}: {scalar(item.default)}", ""]
    return HEAD + "\n".join(lines[:-1]) + "\n"


def test_the_file_is_what_the_configuration_says() -> None:
    assert FILE.read_text() == text(), f"write it anew: python {__file__}"


def test_the_file_holds_every_default_and_nothing_else() -> None:
    given = yaml.safe_load(FILE.read_text())["/**"]["ros__parameters"]
    assert given == {item.name: item.default for cls in CLASSES for item in fields(cls)}
    for cls in CLASSES:
        assert cls(**{item.name: given[item.name] for item in fields(cls)}) == cls()


if __name__ == "__main__":
    FILE.write_text(text())
