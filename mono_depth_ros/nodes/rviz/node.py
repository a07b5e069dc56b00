# SPDX-License-Identifier: Apache-2.0
"""Starts rviz2 when it is known what there is to see, in the frame of the images; ends with it, and takes it along.

`rviz_node [--cameras NAME,NAME] [--transport raw|compressed] [--aligned] [--frame FRAME] --ros-args -r image:=TOPIC`
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CameraInfo

from mono_depth_ros.messages.kinds import bare
from mono_depth_ros.nodes.ros.guard import GuardedNode
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.ros.subscribing import Input
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.nodes.ros.topics import input_topics
from mono_depth_ros.nodes.rviz.view import SHOWN, view
from mono_depth_ros.resources import share_file

_LOOK_S = 0.25
_SAID_S = 5.0  # until it is said what is waited for
_GRACE_S = 0.5  # for rviz to end politely


class RvizNode(GuardedNode):
    """Args: options: of the command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__("view")
        self._options, self._cameras = options, options.cameras.split(",")
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="mono_depth_rviz-")
        self._frames: dict[str, str] = {}
        self._images: dict[str, tuple[str, str]] = {}  # under both names that compressed images may have
        self._infos: list[Input] = []
        for name in self._cameras:
            image, info, other = input_topics(self, options.transport, name)
            self._images[name] = (image, other or image)
            self._infos.append(Input(self, CameraInfo, info, partial(self._on_info, name)))
        self._program = program()
        self._looks = 0
        if self._program:
            for item in self._infos:
                item.open()
        self._timer = every(self, _LOOK_S, self._look)

    def destroy_node(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._folder.cleanup()
        super().destroy_node()

    def _on_info(self, name: str, message: Any) -> None:
        self._frames[name] = bare(message.header.frame_id)

    def _look(self) -> None:
        if not self._program:
            self.get_logger().warning(
                "rviz2 is not installed, so that nothing is shown: sudo apt install ros-$ROS_DISTRO-rviz2; "
                "all the other nodes go on"
            )
            rclpy.try_shutdown()
        elif self._process is not None:
            if self._process.poll() is not None:
                rclpy.try_shutdown()
        elif missing := self._missing():
            self._looks += 1
            if self._looks == round(_SAID_S / _LOOK_S):
                self.get_logger().info(f"rviz opens when these are there: {', '.join(missing)}")
        else:
            self._open()

    def _missing(self) -> list[str]:
        """What is waited for: the nodes are configured, and the frame of the first camera is known."""
        wanted = [topics["depth/color"] for topics in map(self._topics, self._cameras)]
        missing = [topic for topic in wanted if not self.count_publishers(topic)]
        if self._options.aligned and not self.count_publishers(aligned := self.resolve_topic_name("aligned/points")):
            missing.append(aligned)
        known = self._options.frame or self._frames.get(self._cameras[0])
        return missing if known else [*missing, self._infos[0].topic]

    def _topics(self, camera: str) -> dict[str, str]:
        prefix = f"{camera}/" if camera else ""
        image, other = self._images[camera]
        own = {shown: self.resolve_topic_name(prefix + shown) for shown in SHOWN[1:]}
        return {"image": image if self.count_publishers(image) else other, **own}

    def _open(self) -> None:
        cameras = {}
        for name in self._cameras:
            there = {shown: topic for shown, topic in self._topics(name).items() if self.count_publishers(topic)}
            cameras[name] = there
        frame = self._options.frame or self._frames[self._cameras[0]]
        for item in self._infos:
            item.close()
        template = yaml.safe_load(share_file("rviz/depth.rviz").read_text(encoding="utf-8"))
        path = Path(self._folder.name) / "depth.rviz"
        path.write_text(yaml.safe_dump(view(template, frame, cameras), sort_keys=False), encoding="utf-8")
        time = str(self.get_parameter("use_sim_time").value).lower()
        self.get_logger().info(f"rviz opens in the frame {frame!r:.80}")
        command = [self._program, "-d", str(path), "--ros-args", "-p", f"use_sim_time:={time}"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)


def program() -> str:
    """rviz2 of the PATH, or where ROS installs it; "" where it is not installed."""
    try:
        prefix = get_package_prefix("rviz2")
    except (PackageNotFoundError, OSError):  # the latter without a sourced ROS
        prefix = ""
    return shutil.which("rviz2") or shutil.which(os.path.join(prefix, "lib", "rviz2", "rviz2")) or ""


def main() -> int:
    """Entry point of `rviz_node` and of `python -m mono_depth_ros.nodes.rviz_node`."""
    parser = argparse.ArgumentParser(prog="rviz_node", description="Opens rviz2 on what the nodes publish.")
    parser.add_argument("--cameras", default="", help="names of the cameras, with commas")
    parser.add_argument("--transport", default="raw", choices=["raw", "compressed"], help="of the images")
    parser.add_argument("--aligned", action="store_true", help="wait for the alignment node")
    parser.add_argument("--frame", default="", help="fixed frame (default: that of the first camera's camera_info)")
    options = parser.parse_args(remove_ros_args(sys.argv)[1:])
    return run(lambda: RvizNode(options))
