# SPDX-License-Identifier: Apache-2.0
"""The launch files under the real launch API, starting real processes: where launch_ros and a colcon install are."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch_ros", reason="launch_ros is not installed (it comes with ROS 2, not with the wheels)")
index = pytest.importorskip("ament_index_python.packages")


def _installed() -> bool:
    try:
        return Path(index.get_package_prefix("mono_depth_ros"), "lib/mono_depth_ros/depth_node").exists()
    except index.PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not _installed(), reason="mono_depth_ros is not built with colcon and sourced")


def launched(file: str, until: str, ends: int = 1, **given: str) -> tuple[dict[str, Any], str]:
    """Launch a file until its output has the text `until`, or processes have ended `ends` times.

    Returns:
        Process name to its last exit code, and the output.
    """
    from launch import LaunchDescription, LaunchService
    from launch.actions import EmitEvent, IncludeLaunchDescription, RegisterEventHandler, TimerAction
    from launch.event_handlers import OnProcessExit, OnProcessIO
    from launch.events import Shutdown
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    share = Path(index.get_package_share_directory("mono_depth_ros"))
    codes: dict[str, Any] = {}
    said: list[str] = []
    ended_names: list[str] = []

    def heard(event: Any) -> Any:
        said.append(event.text.decode())
        return [EmitEvent(event=Shutdown())] if until in "".join(said) else None

    def ended(event: Any, _: Any) -> Any:
        codes[event.process_name.rpartition("-")[0]] = event.returncode
        ended_names.append(event.process_name)
        return [EmitEvent(event=Shutdown())] if len(ended_names) >= ends else None

    service = LaunchService(argv=[])
    service.include_launch_description(
        LaunchDescription(
            [
                RegisterEventHandler(OnProcessIO(on_stdout=heard, on_stderr=heard)),
                RegisterEventHandler(OnProcessExit(on_exit=ended)),
                TimerAction(period=40.0, actions=[EmitEvent(event=Shutdown(reason="nothing came in 40 s"))]),
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(str(share / "launch" / file)), launch_arguments=given.items()
                ),
            ]
        )
    )
    service.run()
    return codes, "".join(said)


def test_the_depth_node_comes_up_and_ends_cleanly() -> None:
    codes, output = launched("depth.launch.py", "tiny on cpu, ", model="tiny", device="cpu", image="/cam/image_raw")
    assert "/cam/image_raw with /cam/camera_info" in output
    assert codes == {"depth_node": 0}


def test_an_argument_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("depth:\n  ros__parameters:\n    model: no_such_model\n")
    codes, output = launched("depth.launch.py", "tiny on cpu, ", model="tiny", device="cpu", params_file=str(file))
    assert "tiny on cpu" in output and codes == {"depth_node": 0}
    codes, output = launched("depth.launch.py", "never said", params_file=str(file))
    assert "no_such_model" in output and codes["depth_node"] != 0


def test_a_misspelt_parameter_in_a_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("/**:\n  ros__parameters:\n    modle: tiny\n")
    codes, output = launched("depth.launch.py", "never said", params_file=str(file))
    assert "did you mean model?" in output and codes == {"depth_node": 1}


def test_a_wrong_argument_is_refused_with_the_allowed_values() -> None:
    codes, output = launched("depth.launch.py", "never said", model="tiny", stride="0")
    assert "stride is 0, expected 1 to 64 px" in output and codes == {"depth_node": 1}


def test_the_alignment_node_comes_up_beside_the_depth_node() -> None:
    codes, output = launched(
        "depth.launch.py",
        "aligning /depth/image",
        model="tiny",
        device="cpu",
        alignment="lidar",
        points="/lidar/points",
        cam_from_reference="0 0 0 0.5 -0.5 0.5 0.5",
    )
    assert "by /lidar/points" in output and set(codes) == {"depth_node", "alignment_node"}


def test_obstacles_come_up_on_a_camera_whose_place_is_given() -> None:
    given = {"image": "/cam/image_raw", "mount": "0 0 0.3 0 10 0", "model": "tiny", "device": "cpu"}
    codes, output = launched("nav2_depth.launch.py", "tiny on cpu, ", **given)
    assert "/cam/image_raw with /cam/camera_info" in output and codes == {"depth_node": 0}
    codes, output = launched("nav2_depth.launch.py", "tiny on cpu, ", **given, camera_frame="cam")
    assert set(codes) == {"depth_node", "static_transform_publisher"} and codes["depth_node"] == 0


def test_a_driver_is_known_by_its_name() -> None:
    codes, output = launched("depth.launch.py", "tiny on cpu, ", camera="realsense", model="tiny", device="cpu")
    assert "/camera/camera/color/image_raw with /camera/camera/color/camera_info" in output
    assert codes == {"depth_node": 0}


def test_the_demo_comes_up() -> None:
    codes, output = launched("demo.launch.py", "tiny on cpu, ", rviz="false")
    assert "tiny on cpu, " in output and set(codes) == {"depth_node", "world_node"}


def test_a_node_that_ends_is_started_again() -> None:
    given = {"respawn": "true", "model": "tiny", "stride": "0"}  # which ends it at once
    codes, output = launched("depth.launch.py", "never said", ends=2, **given)
    assert output.count("stride is 0") == 2 and codes == {"depth_node": 1}


def test_without_rviz2_there_is_a_sentence_and_the_others_go_on() -> None:
    with suppress(index.PackageNotFoundError):
        index.get_package_prefix("rviz2")
        pytest.skip("rviz2 is installed")
    codes, output = launched("depth.launch.py", "rviz2 is not installed", rviz="true", model="tiny", device="cpu")
    assert "Traceback" not in output and codes["rviz_node"] == 0
