# SPDX-License-Identifier: Apache-2.0
"""Launch files with recorders in place of ROS's launch, so that their wiring is tested everywhere."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
HELPERS = "mono_depth_ros.nodes.ros.launching"


class Recorded:
    """Stands for an action or a substitution: keeps what it was made with."""

    def __init__(self, *arguments: Any, **known: Any) -> None:
        self.arguments, self.known = arguments, known


class Configuration(Recorded):
    """Stands for LaunchConfiguration: the context is a plain dict of arguments."""

    def perform(self, context: dict[str, str]) -> str:
        return context[self.arguments[0]]


class Launched:
    """A launch file with recorders in place of launch."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.description = module.generate_launch_description().arguments[0]
        declared = [action for action in self.description if type(action).__name__ == "DeclareLaunchArgument"]
        self.defaults = {action.arguments[0]: action.known["default_value"] for action in declared}
        self.described = {action.arguments[0]: action.known["description"] for action in declared}

    def actions(self, **given: str) -> list[Any]:
        """What is started when these arguments are given."""
        return self.module.start(self.defaults | given)

    def nodes(self, **given: str) -> list[dict[str, Any]]:
        """What the nodes are made with when these arguments are given."""
        return [action.known for action in self.actions(**given) if type(action).__name__ == "Node"]

    def parameters(self, **given: str) -> dict[str, Any]:
        """The parameters that reach the depth node, files left out."""
        merged: dict[str, Any] = {}
        for item in self.nodes(**given)[0]["parameters"]:
            merged |= item if isinstance(item, dict) else {}
        return {name: value.arguments[0] if hasattr(value, "arguments") else value for name, value in merged.items()}


def load(name: str) -> types.ModuleType:
    """A launch file as a module."""
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), LAUNCH / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Launched]]:
    """Loads a launch file against recorders, so that its wiring can be read without ROS's launch."""
    names = {
        "launch": ["LaunchDescription"],
        "launch.actions": ["DeclareLaunchArgument", "IncludeLaunchDescription", "LogInfo", "OpaqueFunction"],
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
    # It binds launch when it is imported: neither the real one may serve here nor this one elsewhere.
    before = sys.modules.pop(HELPERS, None)
    yield lambda name: Launched(load(name))
    sys.modules.pop(HELPERS, None)
    if before is not None:
        sys.modules[HELPERS] = before
