# SPDX-License-Identifier: Apache-2.0
"""rviz/depth.rviz and config/foxglove_layout.json show topics that the nodes publish; rviz matches their QoS."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from mono_depth_ros.streams.outputs import OUTPUTS


def test_the_view_shows_image_depth_cloud_and_frames(repository: Path) -> None:
    view = yaml.safe_load((repository / "rviz" / "depth.rviz").read_text())["Visualization Manager"]
    displays = {item["Name"]: item for item in view["Displays"]}
    topics = {item["Topic"]["Value"] for item in view["Displays"] if "Topic" in item}
    own = {"/depth/image", "/depth/color", "/depth/points", "/depth/obstacles", "/depth/scan"}
    assert topics == {"/image", *own} and own <= {f"/{output.topic}" for output in OUTPUTS}
    assert displays["Points"]["Color Transformer"] == "RGB8" and "TF" in displays
    # Best effort matches reliable publishers as well as best-effort cameras.
    assert {item["Topic"]["Reliability Policy"] for item in view["Displays"] if "Topic" in item} == {"Best Effort"}


def test_the_layout_of_foxglove_shows_topics_that_there_are(repository: Path) -> None:
    layout = json.loads((repository / "config" / "foxglove_layout.json").read_text(encoding="utf-8"))
    panels = layout["configById"]
    assert set(re.findall(r"[\w]+![\w]+", json.dumps(layout["layout"]))) == set(panels)
    kinds = {f"/{output.topic}": output.kind for output in OUTPUTS}
    space = set(panels["3D!obstacles"]["topics"]) - {"/local_costmap/costmap"}
    assert {kinds[topic].rpartition("/")[2] for topic in space} == {"PointCloud2", "LaserScan"}
    images = [panel["imageMode"]["imageTopic"] for name, panel in panels.items() if name.startswith("Image!")]
    assert images and {kinds[topic].rpartition("/")[2] for topic in images} <= {"Image", "CompressedImage"}


def test_what_the_layout_plots_is_on_diagnostics(repository: Path) -> None:
    layout = json.loads((repository / "config" / "foxglove_layout.json").read_text(encoding="utf-8"))
    paths = [path["value"] for path in layout["configById"]["Plot!time"]["paths"]]
    path = re.compile(r'/diagnostics\.status\[:\]\{name=="depth"\}\.values\[:\]\{key=="(.+)"\}\.value')
    keys = [match[1] for match in map(path.fullmatch, paths) if match]
    code = (repository / "mono_depth_ros" / "nodes" / "ros" / "diagnostics.py").read_text(encoding="utf-8")
    assert len(keys) == len(paths) and all(f'"{key}": ' in code for key in keys)
