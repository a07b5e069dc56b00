# SPDX-License-Identifier: Apache-2.0
"""Nodes bring the Fast DDS profile themselves: processes that are started without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mono_depth_ros import transport
from mono_depth_ros.nodes.ros import middleware

# What shows that Fast DDS has read the profile is the segment of shared memory that it has made.
OURS = """
import threading, rclpy
from mono_depth_ros.nodes.ros import runtime
from mono_depth_ros.nodes.ros.guard import GuardedNode
threading.Timer(0.5, rclpy.try_shutdown).start()
runtime.run(lambda: GuardedNode("ours"))
"""
COMPONENT = """
import rclpy
rclpy.init()
from mono_depth_ros.config import DepthNodeConfig
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
node = ManagedNode("depth", DepthNodeConfig)
"""
LATE = """
import rclpy
rclpy.init()
other = rclpy.create_node("other")
from mono_depth_ros.config import DepthNodeConfig
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
node = ManagedNode("depth", DepthNodeConfig)
"""


def start(code: str, folder: Path, **environment: str) -> str:
    """The log of a process without the profile."""
    clean = {name: value for name, value in os.environ.items() if name not in transport.VARIABLES}
    clean["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        # Alone: the memory of nodes that others left running would be mapped too.
        env=clean | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("code", [OURS, COMPONENT], ids=["a node of its own", "a node in a program of others"])
def test_a_node_brings_the_profile_and_says_so_once(code: str, tmp_path: Path) -> None:
    log = start(code, tmp_path)
    assert log.count("this package's profile") == 1 and str(transport.profile()) in log
    if Path("/proc/self/maps").exists():
        assert "MB of shared memory for large messages" in log


def test_where_ros_was_up_before_it_says_that_it_is_too_late(tmp_path: Path) -> None:
    if Path("/proc/self/maps").exists():
        assert "ROS was up in this process before its depth node" in start(LATE, tmp_path)


def test_what_the_user_has_decided_is_left_alone_and_said(tmp_path: Path) -> None:
    log = start(OURS, tmp_path, **{transport.OWN_VARIABLE: "none"})
    assert f"Fast DDS goes by {transport.OWN_VARIABLE}, not by this package's profile" in log
    (tmp_path / "DEFAULT_FASTRTPS_PROFILES.xml").write_text('<dds xmlns="http://www.eprosima.com"/>')
    assert "DEFAULT_FASTRTPS_PROFILES.xml, not by" in start(OURS, tmp_path)


def test_other_middleware_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in transport.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    middleware.bring_profile()
    assert not any(name in os.environ for name in transport.VARIABLES)
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    middleware.bring_profile()
    assert os.environ[transport.VARIABLES[0]] == str(transport.profile())
