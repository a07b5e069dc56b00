# SPDX-License-Identifier: Apache-2.0
"""nav2_depth.launch.py: depth.launch.py with obstacles, and tf2 is told where the camera is, unless it knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.rigid import rigid_from_pose, rigid_from_text


@pytest.fixture
def launched(recorded: Callable[[str], Any]) -> Any:
    return recorded("nav2_depth.launch.py")


def started(launched: Any, **given: str) -> tuple[list[Any], dict[str, str]]:
    """What is started besides depth.launch.py, and what that one is given."""
    *others, depth = launched.actions(**given)
    assert type(depth).__name__ == "IncludeLaunchDescription"
    return others, dict(depth.known["launch_arguments"])


def told(launched: Any, **given: str) -> tuple[str, str, np.ndarray, dict[str, str]]:
    """Parent, child and parent_from_child of what tf2 is told; what depth.launch.py is given."""
    (node,), own = started(launched, **given)
    assert (node.known["package"], node.known["executable"]) == ("tf2_ros", "static_transform_publisher")
    words = node.known["arguments"]
    options = {name: value for name, value in zip(words[::2], words[1::2], strict=True)}
    x, y, z, qx, qy, qz, qw = (float(options[f"--{name}"]) for name in ("x", "y", "z", "qx", "qy", "qz", "qw"))
    return options["--frame-id"], options["--child-frame-id"], rigid_from_pose((x, y, z), (qx, qy, qz, qw)), own


def test_obstacles_are_on_and_everything_else_is_that_of_depth_launch(launched: Any, recorded: Any) -> None:
    assert started(launched, image="/camera/image_raw") == ([], {})
    chosen = {name: value for name, value in launched.defaults.items() if value}
    assert chosen == {"obstacles": "true", "base_frame": "base_link"}
    # What is declared here and there means the same, and reaches the nodes through the launch configuration.
    assert set(launched.defaults) - set(recorded("depth.launch.py").defaults) == {"mount", "camera_frame"}


def test_the_mount_of_a_camera_without_frames_reaches_the_node_and_tf2(launched: Any) -> None:
    parent, child, pose, own = told(launched, camera="usb_cam", mount="0.2 0 0.3 0 90 0")
    assert (parent, child) == ("base_link", "camera")
    # It looks straight down: what is ahead in the image lies below, what is above in the image lies ahead.
    np.testing.assert_allclose(pose @ [0, 0, 0.3, 1], [0.2, 0, 0, 1], atol=1e-7)
    np.testing.assert_allclose(pose[:3, :3] @ [0, -1, 0], [1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(rigid_from_text(own["base_from_camera"]), pose, atol=1e-7)


def test_the_frames_of_a_driver_are_hung_up_at_their_root(launched: Any) -> None:
    parent, child, pose, own = told(launched, camera="realsense", mount="0.1 0 0.4 0 0 90", base_frame="base_footprint")
    assert (parent, child, own) == ("base_footprint", "camera_link", {})
    np.testing.assert_allclose(pose[:3, :3] @ [1, 0, 0], [0, 1, 0], atol=1e-7)
    assert told(launched, camera="realsense", camera_height="0.4", pitch_deg="10")[1::2] == ("camera_link", {})


def test_height_and_pitch_are_enough(launched: Any) -> None:
    given = {"camera_height": "0.5", "pitch_deg": "30", "camera_frame": "front_optical"}
    _, child, pose, own = told(launched, image="/image", **given)
    assert child == "front_optical"
    np.testing.assert_allclose(rigid_from_text(own["base_from_camera"]), pose, atol=1e-7)
    np.testing.assert_allclose(pose @ [0, 0, 1, 1], [np.cos(np.pi / 6), 0, 0, 1], atol=1e-7)
    upside_down = told(launched, image="/image", roll_deg="180", **given)[2]
    np.testing.assert_allclose(upside_down[:3, :3] @ [1, 0, 0], [0, 1, 0], atol=1e-7)


def test_a_pose_of_the_optical_frame_is_told_as_it_is(launched: Any) -> None:
    text = "0.1 0 0.4 -0.5 0.5 -0.5 0.5"
    assert np.allclose(told(launched, base_from_camera=text, camera_frame="c")[2], rigid_from_text(text))
    with pytest.raises(ConfigError, match="frames from 'camera_link' on, expected mount"):
        started(launched, base_from_camera=text, camera="realsense")


def test_what_is_not_known_is_not_invented_but_said(launched: Any) -> None:
    (sentence,), own = started(launched, image="/image", mount="0 0 1 0 0 0")
    assert "tf2 is not told where the camera is" in sentence.known["msg"] and own["base_from_camera"]
    with pytest.raises(ConfigError, match="camera_height is given without pitch_deg"):
        started(launched, image="/image", camera_height="1")


def test_two_places_are_one_too_many(launched: Any) -> None:
    with pytest.raises(ConfigError, match="mount and camera_height are given, expected one of them"):
        started(launched, mount="0 0 1 0 0 0", camera_height="1")


@pytest.mark.parametrize("mount", ["1 2 3", "0 0 1 0 x 0", "0 0 1 0 nan 0"])
def test_a_mount_that_is_none_is_refused(launched: Any, mount: str) -> None:
    with pytest.raises(ConfigError, match="expected 'x y z roll pitch yaw' in metres and degrees"):
        started(launched, mount=mount)
