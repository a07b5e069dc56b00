# SPDX-License-Identifier: Apache-2.0
"""rviz/depth.rviz shows the topics that the depth node publishes, in a way that always matches their QoS."""

from __future__ import annotations

from pathlib import Path

import yaml


def test_the_view_shows_image_depth_cloud_and_frames(repository: Path) -> None:
    view = yaml.safe_load((repository / "rviz" / "depth.rviz").read_text())["Visualization Manager"]
    displays = {item["Class"].rpartition("/")[2]: item for item in view["Displays"]}
    topics = {item["Topic"]["Value"] for item in view["Displays"] if "Topic" in item}
    assert topics == {"/image", "/depth/image", "/depth/color", "/depth/points"}
    assert displays["PointCloud2"]["Color Transformer"] == "RGB8" and "TF" in displays
    # Best effort matches reliable publishers as well as best-effort cameras.
    assert {item["Topic"]["Reliability Policy"] for item in view["Displays"] if "Topic" in item} == {"Best Effort"}
