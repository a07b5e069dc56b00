# SPDX-License-Identifier: Apache-2.0
"""Launch files as modules: with the real launch API where it is installed, else with a recorder in its place."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch"


class Recorded:
    """Stands for an action or a substitution: keeps what it was made with."""

    def __init__(self, *arguments: Any, **known: Any) -> None:
        self.arguments, self.known = arguments, known


class Configuration(Recorded):
    """Stands for LaunchConfiguration: the context is a plain dict of arguments."""

    def perform(self, context: dict[str, str]) -> str:
        return context[self.arguments[0]]


def load(name: str) -> types.ModuleType:
    """A launch file as a module."""
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), LAUNCH / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], types.ModuleType]:
    """Loads a launch file against recorders, so that its wiring can be read without ROS's launch."""
    names = {
        "launch": ["LaunchDescription"],
        "launch.actions": ["DeclareLaunchArgument", "IncludeLaunchDescription", "OpaqueFunction"],
        "launch.conditions": ["IfCondition"],
        "launch.launch_description_sources": ["PythonLaunchDescriptionSource"],
        "launch.substitutions": ["LaunchConfiguration"],
        "launch_ros": [],
        "launch_ros.actions": ["Node"],
        "launch_ros.parameter_descriptions": ["ParameterValue"],
    }
    for name, members in names.items():
        module = types.ModuleType(name)
        for member in members:
            kind = Configuration if member == "LaunchConfiguration" else type(member, (Recorded,), {})
            setattr(module, member, kind)
        monkeypatch.setitem(sys.modules, name, module)
    return load
