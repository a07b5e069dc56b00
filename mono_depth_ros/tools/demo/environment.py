# SPDX-License-Identifier: Apache-2.0
"""Where a run took place: for the report, and for the processes of the demo."""

from __future__ import annotations

import os
import platform
import random
import re
import socket
from importlib import metadata
from pathlib import Path

from mono_depth_ros import transport
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.startup import EXIT_WITH_PARENT

_DOMAINS = range(1, 101)  # of ROS; larger ones meet the ephemeral ports of Linux
_PACKAGES = {"torch": "torch", "NumPy": "numpy", "OpenCV": "opencv-python", "rosbags": "rosbags"}


def node_environment(log_folder: Path, domain_id: int | None) -> dict[str, str]:
    """Environment of the nodes: a ROS domain of their own on this machine only, and large messages in shared memory.

    Args:
        log_folder: for the log files of ROS. domain_id: None takes a free one.
    """
    found = {
        **os.environ,
        "ROS_DOMAIN_ID": str(free_domain() if domain_id is None else domain_id),
        "ROS_LOG_DIR": str(log_folder),
        "RCUTILS_LOGGING_USE_STDOUT": "0",  # stdout is for results
        "RCUTILS_COLORIZED_OUTPUT": "0",
        **transport.environment(),
        EXIT_WITH_PARENT: str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
    }
    if os.environ.get("ROS_DISTRO") in ("humble", "iron"):
        found["ROS_LOCALHOST_ONLY"] = "1"
    else:
        found["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return found


def free_domain() -> int:
    """A ROS domain in which no participant of this machine is, as far as its ports tell.

    The first participant of a domain takes port 7410 + 250 * domain (OMG DDSI-RTPS 2.5, 9.6.2.3).

    Raises:
        MonoDepthError: all are taken.
    """
    for domain in random.SystemRandom().sample(list(_DOMAINS), len(_DOMAINS)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain))
            except OSError:
                continue
            return domain
    raise MonoDepthError("no free ROS domain found: give one with --domain-id")


def facts() -> dict[str, str]:
    """Versions and hardware, name to value."""
    found = {"mono_depth_ros": _version("mono_depth_ros"), "Python": platform.python_version(), "ROS 2": _ros()}
    found |= {name: _version(package) for name, package in _PACKAGES.items()}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {**found, "CPU": f"{_cpu()}, {cores} cores", "System": f"{platform.system()} {platform.release()}"}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed as a package"


def _ros() -> str:
    """The distribution: of the wheels where rclpy comes from the Python package index, else of the sourced shell."""
    wheels = {d.metadata["Name"] for d in metadata.distributions() if d.metadata["Name"]}
    names = sorted(found[1] for name in wheels if (found := re.fullmatch(r"ros-(\w+)-rclpy", name)))
    distribution = names[0] if names else os.environ.get("ROS_DISTRO", "unknown distribution")
    return f"{distribution}, {os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.processor() or platform.machine()
