# SPDX-License-Identifier: Apache-2.0
"""Messages that follow each other closely are taken without a turn of rclpy's executor for each.

Before each message rclpy asks all that a node has, twice: some fifty entities, in Python. A camera of 300 images a
second, and its camera_info, have that cost the network a third of its rate, as its thread needs the interpreter too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation

if TYPE_CHECKING:
    from rclpy.executors import Executor

_QUIET_NS = 4_000_000  # without a message, after which all others have their turn
_LONGEST_S = 0.02  # for which they wait for it


def give_own_take(subscription: Any, take: Callable[[], None]) -> None:
    """Have executors that know of this call `take`, in place of taking a message and calling the callback."""
    subscription.own_take = take


def own_take_of(subscription: Any) -> Callable[[], None] | None:
    """What `give_own_take` has given, None where it has not."""
    return getattr(subscription, "own_take", None)


class Burst:
    """Serves, of an executor's nodes, the subscriptions that have a take of their own, and nothing else."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def follow(self, goes_on: Callable[[], bool]) -> None:
        """Take what is there and what comes, until there is a pause, `_LONGEST_S` have passed or `goes_on` says no."""
        end_s = time.monotonic() + _LONGEST_S
        nodes = self._executor.get_nodes()
        takes = {item: take for node in nodes for item in node.subscriptions if (take := own_take_of(item))}
        with ExitStack() as held:
            try:
                for handle in (*(item.handle for item in takes), self._executor.context.handle):
                    held.enter_context(handle)
            except InvalidHandle:  # destroyed in the turn before
                return
            by_pointer = {item.handle.pointer: take for item, take in takes.items()}
            wait_set = rclpy_implementation.WaitSet(len(takes), 0, 0, 0, 0, 0, self._executor.context.handle)
            while takes:
                wait_set.clear_entities()
                for item in takes:
                    wait_set.add_subscription(item.handle)
                wait_set.wait(_QUIET_NS)
                ready = wait_set.get_ready_entities("subscription")
                if not ready:
                    return
                for pointer in ready:
                    by_pointer[pointer]()
                if time.monotonic() > end_s or not goes_on():
                    return
