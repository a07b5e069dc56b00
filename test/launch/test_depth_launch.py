# SPDX-License-Identifier: Apache-2.0
"""depth.launch.py is wiring: what is given is passed on, what is not given stays the node's own default."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mono_depth_ros import transport
from mono_depth_ros.config import (
    AlignConfig,
    AlignmentModelConfig,
    AlignmentNodeConfig,
    DepthConfig,
    DepthNodeConfig,
    GroundConfig,
    ImageConfig,
    ModelConfig,
    MotionConfig,
    ObstacleConfig,
    ReferenceConfig,
    StereoConfig,
    TrackerConfig,
)
from mono_depth_ros.errors import ConfigError

ALIGNMENT_CLASSES = (
    AlignmentNodeConfig,
    AlignmentModelConfig,
    AlignConfig,
    TrackerConfig,
    ReferenceConfig,
    StereoConfig,
    GroundConfig,
    MotionConfig,
)
DEPTH_CLASSES = (ModelConfig, DepthConfig, DepthNodeConfig, ImageConfig, GroundConfig, ObstacleConfig)
OPTIONS = {item.name for cls in DEPTH_CLASSES for item in fields(cls)}
ALIGNMENT = {item.name for cls in (*ALIGNMENT_CLASSES, ImageConfig) for item in fields(cls)} - {"reference", "seed"}
WIRING = {"params_file", "namespace", "node_name", "use_sim_time", "log_level", "alignment", "fastdds_profile"} | {
    "alignment_params_file"
}


@pytest.fixture
def launched(recorded: Callable[[str], Any]) -> Any:
    return recorded("depth.launch.py")


def test_every_parameter_of_the_node_and_the_wiring_is_an_argument(launched: Any) -> None:
    own = OPTIONS | WIRING | {"image", "camera_info", "rviz", "rviz_frame", "respawn", "camera"}
    assert set(launched.defaults) == own | set(launched.module.REFERENCES) | ALIGNMENT
    assert all(launched.described.values())


def test_no_parameter_has_a_second_home(launched: Any) -> None:
    assert {launched.defaults[name] for name in OPTIONS} == {""}
    (node,) = launched.nodes()
    assert node["parameters"] == [] and node["remappings"] == []
    assert (node["package"], node["executable"]) == ("mono_depth_ros", "depth_node")


def test_arguments_reach_the_node_with_the_type_of_the_parameter(launched: Any) -> None:
    given = {"rectify": "True", "max_depth": "12", "stride": "2", "model": "tiny", "use_sim_time": "true"}
    expected = {"rectify": True, "max_depth": 12.0, "stride": 2, "model": "tiny", "use_sim_time": True}
    found = launched.parameters(**given)
    assert found == expected
    assert isinstance(found["max_depth"], float) and isinstance(found["stride"], int) and found["rectify"] is True


def test_what_does_not_fit_is_left_for_the_node_to_refuse(launched: Any) -> None:
    assert launched.parameters(stride="two", rectify="perhaps") == {"stride": "two", "rectify": "perhaps"}


def test_text_stays_text_whatever_it_looks_like(launched: Any) -> None:
    (item,) = launched.nodes(model="1")[0]["parameters"]
    assert item["model"].arguments == ("1",) and item["model"].known == {"value_type": str}


def test_the_file_comes_before_the_arguments(launched: Any, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.touch()
    first, second = launched.nodes(params_file=str(file), stride="4")[0]["parameters"]
    assert first == str(file) and second == {"stride": 4}


def test_a_missing_file_is_an_error(launched: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"params_file .*none\.yaml"):
        launched.nodes(params_file=str(tmp_path / "none.yaml"))


def test_topics_are_remapped_only_when_given(launched: Any) -> None:
    assert launched.nodes(image="/cam/image_raw")[0]["remappings"] == [("image", "/cam/image_raw")]
    both = launched.nodes(image="/a", camera_info="/b")[0]["remappings"]
    assert both == [("image", "/a"), ("camera_info", "/b")]


def test_one_argument_names_the_topics_of_all_cameras(launched: Any) -> None:
    cameras = "[front, roof/left]"
    (node,) = launched.nodes(cameras=cameras)
    assert node["remappings"] == [] and launched.parameters(cameras=cameras) == {"cameras": cameras}
    assert launched.nodes(cameras=cameras, image="rgb/image_rect")[0]["remappings"] == [
        ("front/image_raw", "front/rgb/image_rect"),
        ("roof/left/image_raw", "roof/left/rgb/image_rect"),
    ]
    both = launched.nodes(cameras="front", image="image", camera_info="info")[0]["remappings"]
    assert both == [("front/image_raw", "front/image"), ("front/camera_info", "front/info")]
    with pytest.raises(ConfigError, match="image is '/cam/image', expected with cameras a name below"):
        launched.nodes(cameras=cameras, image="/cam/image")
    with pytest.raises(ConfigError, match="cameras holds 'a-b'"):
        launched.nodes(cameras="a-b")


def test_the_node_watches_the_launch_process(launched: Any) -> None:
    assert launched.nodes()[0]["additional_env"]["MONO_DEPTH_ROS_EXIT_WITH_PARENT"] == str(os.getpid())


def test_the_transport_profile_is_on_unless_chosen_or_turned_off(launched: Any, monkeypatch, tmp_path) -> None:
    def given(choice: str) -> dict[str, str]:
        found = launched.nodes(fastdds_profile=choice)[0]["additional_env"]
        return {name: value for name, value in found.items() if name in transport.VARIABLES}

    for name in (*transport.VARIABLES, "ROS_DISTRO"):
        monkeypatch.delenv(name, raising=False)
    assert given("auto") == dict.fromkeys(transport.VARIABLES, str(transport.profile()))
    assert given("none") == {}
    own = tmp_path / "own.xml"
    own.touch()
    assert given(str(own)) == dict.fromkeys(transport.VARIABLES, str(own))
    with pytest.raises(ConfigError, match="expected auto, none or an existing file"):
        given("of")
    monkeypatch.setenv(transport.VARIABLES[0], "/users.xml")
    assert given("auto") == {}


def test_rviz_is_opened_by_a_node_that_knows_the_inputs_of_the_depth_node(launched: Any) -> None:
    depth, rviz = launched.nodes(rviz="true", namespace="front", image="image_raw", rviz_frame="cam")
    assert (rviz["package"], rviz["executable"]) == ("mono_depth_ros", "rviz_node")
    assert rviz["remappings"] == depth["remappings"] and rviz["namespace"] == "front"
    assert rviz["arguments"] == ["--frame", "cam"] and "respawn" not in rviz
    given = {"cameras": "[a, b/c]", "image_transport": "compressed", "use_sim_time": "true"}
    depth, rviz = launched.nodes(rviz="true", image="image_rect", **given)
    assert rviz["arguments"] == ["--cameras", "a,b/c", "--transport", "compressed"]
    assert rviz["remappings"] == depth["remappings"] and rviz["parameters"] == [{"use_sim_time": True}]


def test_nodes_are_started_again_where_that_is_asked_for(launched: Any) -> None:
    assert "respawn" not in launched.nodes()[0]
    *nodes, rviz = launched.nodes(respawn="true", alignment="lidar", rviz="true")
    assert [(node["respawn"], node["respawn_delay"]) for node in nodes] == [(True, launched.module.RESPAWN_S)] * 2
    assert "respawn" not in rviz, "whoever closes it wants it closed"
