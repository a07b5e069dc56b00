# SPDX-License-Identifier: Apache-2.0
"""config/nav2_costmap.yaml: keys of Nav2 and STVL, topics that the nodes publish, ranges that fit their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.streams.outputs import OUTPUTS

# What onInitialize declares in nav2_costmap_2d, Humble to main (plugins/obstacle_layer.cpp, voxel_layer.cpp), and in
# spatio_temporal_voxel_layer, branch ros2 (src/spatio_temporal_voxel_layer.cpp), with the type of each default.
COSTMAP = {
    **dict.fromkeys(("global_frame", "robot_base_frame"), str),
    **dict.fromkeys(("rolling_window", "track_unknown_space"), bool),
    **dict.fromkeys(("width", "height"), int),
    **dict.fromkeys(("resolution", "transform_tolerance"), float),
    "plugins": list,
}
LAYER = {
    "plugin": str,
    "enabled": bool,
    "footprint_clearing_enabled": bool,
    "min_obstacle_height": float,
    "max_obstacle_height": float,
    "combination_method": int,
    "observation_sources": str,
}
VOXEL = LAYER | {
    **dict.fromkeys(("z_voxels", "unknown_threshold", "mark_threshold"), int),
    **dict.fromkeys(("origin_z", "z_resolution"), float),
    "publish_voxel_map": bool,
}
SOURCE = {
    **dict.fromkeys(("topic", "sensor_frame", "data_type"), str),
    **dict.fromkeys(("observation_persistence", "expected_update_rate"), float),
    **dict.fromkeys(("min_obstacle_height", "max_obstacle_height"), float),
    **dict.fromkeys(("inf_is_valid", "marking", "clearing"), bool),
    **dict.fromkeys(("obstacle_max_range", "obstacle_min_range", "raytrace_max_range", "raytrace_min_range"), float),
}
STVL = {
    **dict.fromkeys(("plugin", "observation_sources"), str),
    **dict.fromkeys(("transform_tolerance", "voxel_size", "voxel_decay", "map_save_duration"), float),
    **dict.fromkeys(("enabled", "publish_voxel_map", "update_footprint_enabled", "track_unknown_space"), bool),
    "mapping_mode": bool,
    **dict.fromkeys(("combination_method", "mark_threshold", "decay_model"), int),
}
STVL_SOURCE = {
    **dict.fromkeys(("topic", "sensor_frame", "data_type", "filter"), str),
    **dict.fromkeys(("observation_persistence", "expected_update_rate", "obstacle_range"), float),
    **dict.fromkeys(("min_obstacle_height", "max_obstacle_height", "min_z", "max_z"), float),
    **dict.fromkeys(("vertical_fov_angle", "vertical_fov_padding", "horizontal_fov_angle"), float),
    "decay_acceleration": float,
    **dict.fromkeys(("inf_is_valid", "marking", "clearing", "clear_after_reading", "enabled"), bool),
    **dict.fromkeys(("voxel_min_points", "model_type"), int),
}
LAYERS = {
    "depth_voxel": ("nav2_costmap_2d::VoxelLayer", VOXEL, SOURCE),
    "depth_obstacle": ("nav2_costmap_2d::ObstacleLayer", LAYER, SOURCE),
    "depth_stvl": ("spatio_temporal_voxel_layer/SpatioTemporalVoxelLayer", STVL, STVL_SOURCE),
}
CONFIG = ObstacleConfig()


@pytest.fixture(scope="module")
def costmap(repository: Path) -> dict[str, Any]:
    content = yaml.safe_load((repository / "config" / "nav2_costmap.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = content["local_costmap"]["local_costmap"]["ros__parameters"]
    return found


def sources(layer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: layer[name] for name in layer["observation_sources"].split()}


def test_the_costmap_has_keys_of_nav2_and_one_of_our_layers(costmap: dict[str, Any]) -> None:
    own = {name: value for name, value in costmap.items() if not isinstance(value, dict)}
    assert {name: type(value) for name, value in own.items()} == COSTMAP
    assert {name for name, value in costmap.items() if isinstance(value, dict)} == {*LAYERS, "inflation"}
    assert len(set(costmap["plugins"]) & set(LAYERS)) == 1 and set(costmap["plugins"]) <= costmap.keys()


@pytest.mark.parametrize("name", LAYERS)
def test_every_key_is_one_that_the_layer_declares_and_has_its_type(costmap: dict[str, Any], name: str) -> None:
    layer, (plugin, known, known_source) = costmap[name], LAYERS[name]
    assert layer["plugin"] == plugin
    read = sources(layer)
    own = {key: value for key, value in layer.items() if key not in read}
    assert {key for key, value in own.items() if type(value) is not known.get(key)} == set()
    for source in read.values():
        # rclcpp refuses an integer for a parameter that was declared as a double.
        assert {key for key, value in source.items() if type(value) is not known_source.get(key)} == set()


@pytest.mark.parametrize("name", LAYERS)
def test_topics_are_those_of_the_node_and_have_its_types(costmap: dict[str, Any], name: str) -> None:
    kinds = {f"/{output.topic}": output.kind.rpartition("/")[2] for output in OUTPUTS}
    for source in sources(costmap[name]).values():
        assert kinds.get(source["topic"]) == source["data_type"]
        assert f"/aligned{source['topic'].removeprefix('/depth')}" in kinds


@pytest.mark.parametrize("name", LAYERS)
def test_what_marks_does_not_clear_and_reaches_as_far_as_the_node_sees(costmap: dict[str, Any], name: str) -> None:
    marking, clearing = sources(costmap[name]).values()
    assert (marking["marking"], marking["clearing"]) == (True, False)
    assert (clearing["marking"], clearing["clearing"]) == (False, True)
    assert marking.get("obstacle_max_range", marking.get("obstacle_range")) >= CONFIG.max_range
    assert clearing.get("raytrace_max_range", clearing.get("max_z")) >= CONFIG.max_range
    for source in (marking, costmap[name] if name != "depth_stvl" else marking):
        assert source["min_obstacle_height"] < -CONFIG.max_drop
        assert source["max_obstacle_height"] >= CONFIG.max_height


def test_the_voxels_hold_every_height_that_the_node_gives(costmap: dict[str, Any]) -> None:
    layer = costmap["depth_voxel"]
    assert layer["z_voxels"] <= 16 and layer["z_voxels"] * layer["z_resolution"] >= CONFIG.max_height
    assert layer["free"]["max_obstacle_height"] > 10 and layer["free"]["min_obstacle_height"] < -1


def test_infinite_ranges_of_the_scan_clear(costmap: dict[str, Any]) -> None:
    assert costmap["depth_obstacle"]["scan"]["inf_is_valid"] is True


def test_the_frustum_goes_on_only_with_new_images(costmap: dict[str, Any]) -> None:
    free = costmap["depth_stvl"]["free"]
    assert free["clear_after_reading"] is True and free["observation_persistence"] == 0.0
