# SPDX-License-Identifier: Apache-2.0
"""Where the rclpy of one ROS distribution differs from that of another: Humble's from all later ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks, UnsupportedEventTypeError

__all__ = [
    "OPEN_DURABILITY",
    "OPEN_RELIABILITY",
    "PublisherEventCallbacks",
    "SubscriptionEventCallbacks",
    "UnsupportedEventTypeError",
    "with_info",
]

MESSAGE_INFO = hasattr(Subscription, "CallbackType")
"""Whether rclpy says when a message came, who sent it, and its number: not Humble's."""

# What a subscription's parameters say unless they are overridden: as the publishers offer. Humble has no word for it.
OPEN_RELIABILITY = getattr(ReliabilityPolicy, "BEST_AVAILABLE", ReliabilityPolicy.SYSTEM_DEFAULT)
OPEN_DURABILITY = getattr(DurabilityPolicy, "BEST_AVAILABLE", DurabilityPolicy.SYSTEM_DEFAULT)


def with_info(callback: Callable[..., None]) -> Any:
    """A subscription's callback that is called with (message, info); info is {} where rclpy knows nothing."""
    return callback if MESSAGE_INFO else partial(_without_info, callback)


def _without_info(callback: Callable[..., None], message: Any) -> None:
    callback(message, {})
