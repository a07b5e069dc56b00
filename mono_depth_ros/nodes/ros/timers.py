# SPDX-License-Identifier: Apache-2.0
"""Timers that go on while simulated time stands still, jumps or does not come at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node


def every(node: Node, period_s: float, callback: Callable[[], None]) -> Any:
    """A timer of a node, by the machine's clock: rclpy's go by the node's, which may follow /clock."""
    return node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
