# SPDX-License-Identifier: Apache-2.0
"""The package's Fast DDS profile for its nodes, however they are started, and what runs in place of Fast DDS."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import rclpy
from rclpy.node import Node

from mono_depth_ros import transport

_MIB = 1 << 20
_said = False


def rmw() -> str:
    """The RMW implementation of this process, such as rmw_fastrtps_cpp; "" where it cannot be loaded."""
    return os.environ.get("RMW_IMPLEMENTATION") or _default_rmw()


@lru_cache(maxsize=1)
def _default_rmw() -> str:
    try:
        return str(rclpy.get_rmw_implementation_identifier())
    except Exception:  # rclpy.init says why
        return ""


def bring_profile() -> None:
    """Have this process use the profile, unless the user has decided or other middleware runs.

    To be called before the first node of the process: Fast DDS reads it when it makes its participant.
    """
    if transport.is_fast_dds(rmw()):
        os.environ.update(transport.environment())


def say_profile(node: Node) -> None:
    """Log, for the first node of the process, which profile Fast DDS goes by, and whether it has shared memory."""
    global _said
    if _said or not transport.is_fast_dds(rmw()):
        return
    _said = True
    by = transport.decision()
    chosen, own = Path(os.environ.get(by, "")), transport.profile()
    if by not in transport.VARIABLES or chosen.parent != own.parent:
        node.get_logger().info(f"Fast DDS goes by {by or 'its defaults'}, not by this package's profile")
        return
    segment, free = transport.segment_bytes(), transport.free()
    found = f"Fast DDS goes by {chosen}, this package's profile ({by} chooses another)"
    if segment is None or segment >= transport.MIN_SEGMENT_BYTES:
        size = f": {segment // _MIB} MB of shared memory for large messages" if segment else ""
        node.get_logger().info(found + size)
    elif segment:
        node.get_logger().warning(
            f"ROS was up in this process before its {node.get_name()} node, so that Fast DDS does not go by {chosen}: "
            f"set {by} to it before the process starts, or large messages will be late or lost"
        )
    else:
        node.get_logger().warning(
            f"Fast DDS has no shared memory: {transport.SHARED_MEMORY} has {free // _MIB} MB free, expected at least "
            f"{transport.MIN_SEGMENT_BYTES // _MIB + 1}; large messages will be late or lost. `fastdds shm clean` "
            "removes what killed processes left there; docker run --shm-size=1g has more"
        )
