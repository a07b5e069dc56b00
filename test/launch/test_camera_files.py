# SPDX-License-Identifier: Apache-2.0
"""config/cameras: each file is read, and its topics reach the nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.nodes.ros.camera_files import ARGUMENTS, CAMERAS, TOPICS, camera_file


@pytest.fixture
def launched(recorded: Callable[[str], Any]) -> Any:
    return recorded("depth.launch.py")


def test_every_file_has_a_name(repository: Path) -> None:
    assert {path.name for path in (repository / "config" / "cameras").iterdir()} == {f"{name}.yaml" for name in CAMERAS}


def test_what_a_file_may_give_are_arguments_without_a_default(launched: Any) -> None:
    assert {launched.defaults[name] for name in ARGUMENTS} == {""}
    assert {name for name in launched.module.REFERENCES} < set(TOPICS)


@pytest.mark.parametrize("name", CAMERAS)
def test_the_topics_reach_the_nodes(launched: Any, name: str) -> None:
    file = camera_file(name)
    topics = {key: value for key, value in file.arguments.items() if key in TOPICS}
    assert all(topic.startswith("/") for topic in topics.values())
    depth, alignment = launched.nodes(camera=name, alignment="depth")
    assert dict(depth["remappings"]) == {key: topics[key] for key in ("image", "camera_info")}
    assert {topic for _, topic in alignment["remappings"]} == set(topics.values()) - {topics["camera_info"]}
    simulated = {"use_sim_time": True} in depth["parameters"]
    assert simulated == (file.arguments.get("use_sim_time") == "true") == (name == "gazebo")


def test_what_is_given_counts_more_than_the_file(launched: Any) -> None:
    (depth,) = launched.nodes(camera="realsense", image="/robot/color/image_raw")
    assert dict(depth["remappings"])["image"] == "/robot/color/image_raw"
    (depth,) = launched.nodes(camera="gazebo", use_sim_time="false")
    assert {"use_sim_time": True} not in depth["parameters"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image: /a", "is no file of a camera, expected the keys arguments and driver"),
        ("arguments: {imag: /a}\ndriver: {}", "the argument imag is not known, did you mean image"),
        ("arguments: {image: [1]}\ndriver: {}", r"image holds \[1\], expected a text"),
        ("arguments: [a]\ndriver: {}", "arguments holds .*expected names with values"),
        ("arguments: {}\ndriver: {}", "driver lacks 'rectified'"),
        ("arguments: {}\narguments: {}", "'arguments' is given twice"),
        ("]", "is not YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        camera_file(str(path))


def test_a_file_of_ones_own_is_taken(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((repository / "config/cameras/oak.yaml").read_text().replace("/oak/", "/front/"))
    assert camera_file(str(path)).arguments["image"] == "/front/rgb/image_raw"
    with pytest.raises(ConfigError, match="camera is 'kinect', expected one of gazebo, oak, "):
        camera_file("kinect")
