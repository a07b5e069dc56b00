# SPDX-License-Identifier: Apache-2.0
"""The view of rviz for the topics that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mono_depth_ros.nodes.rviz.view import SHOWN, view


@pytest.fixture
def shown(repository: Path) -> Any:
    template = yaml.safe_load((repository / "rviz" / "depth.rviz").read_text())

    def make(frame: str = "cam", **cameras: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
        topics = {name: {topic: f"/{name}/{topic}" for topic in there} for name, there in cameras.items()}
        found = view(template, frame, topics)["Visualization Manager"]
        return {item["Name"]: item["Topic"]["Value"] for item in found["Displays"] if "Topic" in item}, found

    return make


def test_every_camera_has_its_displays_and_the_frame_is_fixed(shown: Any) -> None:
    there = ["image", "depth/color", "depth/image", "depth/points"]
    topics, manager = shown("front_optical", front=there, left=there)
    assert manager["Global Options"]["Fixed Frame"] == "front_optical"
    assert set(topics.values()) == {f"/{camera}/{topic}" for camera in ("front", "left") for topic in there}
    assert topics["left: Points"] == "/left/depth/points"
    assert [item["Class"] for item in manager["Displays"]].count("rviz_default_plugins/TF") == 1


def test_what_is_aligned_takes_the_place_of_what_is_not(shown: Any) -> None:
    topics, _ = shown(a=list(SHOWN))
    assert "/a/aligned/points" in topics.values() and "/a/depth/points" not in topics.values()


def test_a_relative_model_has_inverse_depth_of_unknown_range_and_no_cloud(shown: Any) -> None:
    topics, manager = shown(a=["image", "depth/color", "depth/inverse"])
    assert topics["a: Inverse depth"] == "/a/depth/inverse" and len(topics) == 3
    (display,) = (item for item in manager["Displays"] if item["Name"] == "a: Inverse depth")
    assert display["Normalize Range"] is True
