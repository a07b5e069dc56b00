# SPDX-License-Identifier: Apache-2.0
"""The bond by which Nav2's lifecycle manager sees that an active node is alive: one side of bond_core's protocol."""

from __future__ import annotations

import time
import uuid
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node

from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.nodes.ros.topics import message_class

_TOPIC, _TYPE = "bond", "bond/msg/Status"
_PERIOD_S = 0.25  # of the heartbeat; Nav2's nodes have the same
_LAST_WORD_S = 0.1  # for the last message to be received, as bondcpp


class Bond:
    """Beats until `close`; says once when the other side's heartbeat stays away.

    Args:
        node: its name is the id of the bond. timeout_s: for which the other side may be silent.
    """

    def __init__(self, node: Node, timeout_s: float, status: Any) -> None:
        self._node, self._timeout_s, self._status = node, timeout_s, status
        self._instance = str(uuid.uuid4())
        self._heard_s = 0.0  # of time.monotonic; 0 before the first, and after the end, of the other side
        self._over = False
        self._publisher = node.create_publisher(status, _TOPIC, 5)
        self._subscription = node.create_subscription(status, _TOPIC, self._on_status, 100)
        self._timer = every(node, _PERIOD_S, self._beat)
        self._send(True)

    def close(self) -> None:
        """Break the bond in due form."""
        self._send(False)
        self._publisher.wait_for_all_acked(Duration(seconds=_LAST_WORD_S))
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _beat(self) -> None:
        if self._over:
            return  # the other side has broken the bond, and sees a heartbeat as one of another bond
        self._send(True)
        silent_s = time.monotonic() - self._heard_s
        if self._heard_s and silent_s > self._timeout_s:
            self._heard_s = 0.0
            self._node.get_logger().warning(
                f"the lifecycle manager's heartbeat has stayed away for {silent_s:.1f} s: the node stays active"
            )

    def _on_status(self, message: Any) -> None:
        if message.id != self._node.get_name() or message.instance_id == self._instance:
            return
        self._heard_s = time.monotonic() if message.active else 0.0
        if not message.active and not self._over:
            self._over = True
            self._send(False)

    def _send(self, active: bool) -> None:
        message = self._status()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.id, message.instance_id, message.active = self._node.get_name(), self._instance, active
        message.heartbeat_timeout, message.heartbeat_period = self._timeout_s, _PERIOD_S
        self._publisher.publish(message)


def bond_of(node: Node, timeout_s: float) -> Bond | None:
    """A bond of an active node; None, and a sentence in the log, where the package `bond` is not installed."""
    status = message_class(_TYPE)
    if status is None:
        node.get_logger().info(
            "Nav2's lifecycle manager gets no bond: the package bond is not installed; install ros-DISTRO-bond, or set "
            "bond_timeout to 0.0 in the manager"
        )
        return None
    return Bond(node, timeout_s, status)
