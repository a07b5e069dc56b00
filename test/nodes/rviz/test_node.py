# SPDX-License-Identifier: Apache-2.0
"""rviz_node over real DDS, with a program in place of rviz2."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.nodes.rviz import node as rviz

MODULE = "mono_depth_ros.nodes.rviz_node"


@pytest.fixture
def rviz2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, which copies its configuration into the file that this gives, and stays."""
    copy = tmp_path / "shown.yaml"
    program = tmp_path / "bin" / "rviz2"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport os, shutil, sys, time\nshutil.copy(sys.argv[2], {str(copy)!r} + '.new')\n"
        f"os.rename({str(copy)!r} + '.new', {str(copy)!r})\n"
        "print(f'pid {os.getpid()}', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return copy


def test_it_opens_in_the_frame_of_the_images_and_ends_with_its_node(rviz2: Path, node_process: Any, ros: Any) -> None:
    for topic in ("/cam/image_raw", "/depth/color", "/depth/inverse"):
        ros.outsider.create_publisher(Image, topic, 1)
    infos = ros.outsider.create_publisher(CameraInfo, "/cam/camera_info", 1)
    message = CameraInfo()
    message.header.frame_id = "cam_optical"
    node = node_process(MODULE, "-r", "image:=/cam/image_raw")
    ros.wait(lambda: "pid " in node.log or not node.running(), poll=lambda: infos.publish(message))
    manager = yaml.safe_load(rviz2.read_text())["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "cam_optical"
    topics = {item["Topic"]["Value"] for item in manager["Displays"] if "Topic" in item}
    assert topics == {"/cam/image_raw", "/depth/color", "/depth/inverse"}
    pid = int(node.log.rpartition("pid ")[2].split()[0])
    os.kill(node._process.pid, signal.SIGTERM)
    assert node.code() == 0 and "Traceback" not in node.log
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_without_rviz_there_is_a_sentence_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rviz, "program", lambda: "")
    monkeypatch.setattr(sys, "argv", ["rviz_node", "--cameras", "a,b", "--ros-args", "-r", "__ns:=/x"])
    assert rviz.main() == 0
    log = "".join(capfd.readouterr())
    assert "rviz2 is not installed" in log and "Traceback" not in log
