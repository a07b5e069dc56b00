# SPDX-License-Identifier: Apache-2.0
"""demo.launch.py: the world node, and the depth node on its camera."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from mono_depth_ros.config import CameraTopicsConfig, WorldNodeConfig
from mono_depth_ros.errors import ConfigError

OPTIONS = {item.name for cls in (WorldNodeConfig, CameraTopicsConfig) for item in fields(cls)}


@pytest.fixture
def launched(recorded: Callable[[str], Any]) -> Any:
    return recorded("demo.launch.py")


def test_every_parameter_of_the_world_is_an_argument_without_a_default_of_its_own(launched: Any) -> None:
    assert set(launched.defaults) == OPTIONS | {"model", "namespace", "fastdds_profile"}
    assert {launched.defaults[name] for name in OPTIONS} == {""}
    (world,) = launched.nodes()
    assert (world["executable"], world["parameters"]) == ("world_node", [])


def test_no_argument_means_two_things(launched: Any, recorded: Callable[[str], Any]) -> None:
    # The arguments of the demo reach depth.launch.py too.
    shared = set(launched.defaults) & set(recorded("depth.launch.py").defaults)
    assert shared == {"model", "namespace", "fastdds_profile"}


def test_the_demo_needs_no_network(launched: Any) -> None:
    assert launched.defaults["model"] == "tiny"


def test_without_numba_the_launch_ends_with_what_to_install(launched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ConfigError, match="apt install python3-numba"):
        launched.nodes()


def test_arguments_reach_the_world(launched: Any) -> None:
    (world,) = launched.nodes(seed="3", rate="5")
    assert world["parameters"] == [{"seed": 3}, {"rate": 5.0}]


def test_the_depth_node_listens_to_the_camera_of_the_world(launched: Any) -> None:
    world, depth = launched.actions()
    remapped = dict(world.known["remappings"])
    inputs = {"image": remapped["image_raw"], "points": "lidar/points", "odom": "odom"}
    assert dict(depth.known["launch_arguments"]) == inputs
    # camera_info is looked for beside the image.
    assert remapped["image_raw"].rpartition("/")[0] == remapped["camera_info"].rpartition("/")[0]
