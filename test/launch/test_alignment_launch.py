# SPDX-License-Identifier: Apache-2.0
"""depth.launch.py alignment:=...: the alignment node beside the depth node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mono_depth_ros.config import REFERENCES, AlignmentNodeConfig, DepthNodeConfig
from mono_depth_ros.errors import ConfigError


@pytest.fixture
def launched(recorded: Callable[[str], Any]) -> Any:
    return recorded("depth.launch.py")


def merged(node: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a node, files left out."""
    found: dict[str, Any] = {}
    for item in node["parameters"]:
        found |= item if isinstance(item, dict) else {}
    return {name: value.arguments[0] if hasattr(value, "arguments") else value for name, value in found.items()}


def test_every_reference_is_offered_and_none_is_the_default(launched: Any) -> None:
    (alignment,) = (action for action in launched.description if action.arguments[:1] == ("alignment",))
    assert all(name in alignment.known["description"] for name in (*REFERENCES, "calibration"))
    assert launched.defaults["alignment"] == "none" and len(launched.nodes()) == 1


@pytest.mark.parametrize("reference", [name for name in REFERENCES if name != "none"])
def test_the_alignment_node_runs_beside_the_depth_node(launched: Any, reference: str) -> None:
    depth, alignment = launched.nodes(alignment=reference, namespace="front", use_sim_time="true")
    assert (depth["executable"], alignment["executable"]) == ("depth_node", "alignment_node")
    assert alignment["name"] == "alignment" and depth["namespace"] == alignment["namespace"] == "front"
    assert merged(alignment) == {"reference": reference, "use_sim_time": True}
    assert merged(depth) == {"use_sim_time": True}
    assert alignment["additional_env"] == depth["additional_env"] and alignment["remappings"] == []


def test_a_scale_that_is_aligned_live_may_change_with_the_input_size(launched: Any) -> None:
    def given(**arguments: str) -> Any:
        return merged(launched.nodes(target_latency="0.1", **arguments)[0]).get("scale_aligned")

    assert given(alignment="lidar") is True
    assert given() is None and given(alignment="calibration", calibration="/c.yaml") is None
    assert given(alignment="lidar", scale_aligned="false") is False


def test_topics_go_to_the_node_under_its_own_names(launched: Any) -> None:
    given = {"points": "/lidar/points", "left": "/s/left", "left_info": "/s/info", "reference_depth": "/d", "imu": "/i"}
    depth, alignment = launched.nodes(alignment="lidar", image="/cam/image_raw", camera_info="/cam/info", **given)
    assert dict(alignment["remappings"]) == {
        "image": "/cam/image_raw",
        "points": "/lidar/points",
        "left": "/s/left",
        "left/camera_info": "/s/info",
        "reference/depth": "/d",
        "imu": "/i",
    }
    # Its camera_info is that of the depth, which the depth node publishes.
    assert depth["remappings"] == [("image", "/cam/image_raw"), ("camera_info", "/cam/info")]


def test_the_colours_are_those_of_the_image_that_the_depth_is_of(launched: Any) -> None:
    _, alignment = launched.nodes(alignment="lidar", image="/cam/image_raw", rectify="true")
    assert alignment["remappings"] == [("image", "rgb/image_rect")]
    compressed = {"image_transport": "compressed", "alignment": "lidar"}
    assert "image_transport" not in merged(launched.nodes(rectify="true", **compressed)[1])
    assert merged(launched.nodes(**compressed)[1])["image_transport"] == "compressed"


def test_options_go_to_the_node_that_has_them_and_shared_ones_to_both(launched: Any) -> None:
    own = {item.name for item in fields(AlignmentNodeConfig)} & {item.name for item in fields(DepthNodeConfig)}
    # Were there another one, would it mean the same to both?
    shared = {
        "autostart",
        "bond_timeout",
        "obstacles",
        "cloud_rate",
        "tf_timeout",
        "lazy",
        "input_timeout",
        "min_depth_fraction",
        "diagnostics_period",
        "rectified",
        "image_transport",
    }
    assert own == shared
    given = {"lazy": "false", "stride": "2", "model": "tiny", "cam_from_reference": "0 0 0 0 0 0 1", "local": "false"}
    depth, alignment = launched.nodes(alignment="scan", bandwidth="2", pitch_deg="-3", **given)
    assert merged(depth) == {"lazy": False, "stride": 2, "model": "tiny", "pitch_deg": "-3"}
    expected = {"lazy": False, "stride": 2, "local": False, "bandwidth": 2.0, "reference": "scan"}
    assert merged(alignment) == expected | {"cam_from_reference": "0 0 0 0 0 0 1", "pitch_deg": "-3"}


def test_metres_limit_what_is_in_metres(launched: Any) -> None:
    depth, alignment = launched.nodes(alignment="lidar", max_depth="10")
    assert merged(depth) == {} and merged(alignment) == {"max_depth": 10.0, "reference": "lidar"}
    assert merged(launched.nodes(max_depth="10")[0]) == {"max_depth": 10.0}


def test_a_calibration_serves_without_a_reference(launched: Any) -> None:
    _, alignment = launched.nodes(alignment="calibration", calibration="/c.yaml", calibration_scene="hall")
    expected = {"reference": "none", "frozen": True, "calibration": "/c.yaml", "calibration_scene": "hall"}
    assert merged(alignment) == expected


def test_several_cameras_are_refused(launched: Any) -> None:
    with pytest.raises(ConfigError, match="alignment is 'lidar' with several cameras, expected one"):
        launched.nodes(alignment="lidar", cameras="[front, left]")


def test_a_file_goes_to_the_nodes_it_has_sections_for(launched: Any, tmp_path: Path) -> None:
    def files(text: str, **given: str) -> list[list[str]]:
        file = tmp_path / "my.yaml"
        file.write_text(text)
        nodes = launched.nodes(alignment="lidar", params_file=str(file), **given)
        return [[Path(item).name for item in node["parameters"] if isinstance(item, str)] for node in nodes]

    section = "  ros__parameters: {lazy: false}\n"
    assert files(f"depth:\n{section}alignment:\n{section}") == [["my.yaml"], ["my.yaml"]]
    assert files(f"/**/alignment:\n{section}") == [["my.yaml"], ["my.yaml"]]
    assert files(f"/**:\n{section}") == [["my.yaml"], []]  # its model would be unknown to the alignment node
    other = tmp_path / "alignment.yaml"
    other.touch()
    assert files(f"/**:\n{section}", alignment_params_file=str(other)) == [["my.yaml"], ["alignment.yaml"]]
    with pytest.raises(ConfigError, match="alignment_params_file is '/none'"):
        files("", alignment_params_file="/none")
    for broken in ("- a\n", "a: [\n"):
        with pytest.raises(ConfigError, match=r"my\.yaml"):
            files(broken)


def test_rviz_waits_for_what_is_aligned(launched: Any) -> None:
    *_, rviz = launched.nodes(alignment="lidar", rviz="true", namespace="front")
    assert rviz["arguments"] == ["--aligned"]
