# SPDX-License-Identifier: Apache-2.0
"""Subscribing, for every input of every node, with the QoS that the publishers of the moment offer."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.qos import QoSProfile

from mono_depth_ros.nodes.ros.bulk_taking import BulkTaker
from mono_depth_ros.nodes.ros.burst import give_own_take
from mono_depth_ros.nodes.ros.distributions import (
    MESSAGE_INFO,
    SubscriptionEventCallbacks,
    UnsupportedEventTypeError,
    with_info,
)
from mono_depth_ros.nodes.ros.qos import fitting, is_open, requested
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.nodes.ros.topics import endpoints, other_than, publishers_of
from mono_depth_ros.streams.health import Feed
from mono_depth_ros.streams.loss import LossCounter

_LOOK_S = 0.25  # between two looks at the publishers, where the middleware does not say when they come and go
_OVERLAP_S = 2.0  # for which a subscription goes on beside the one that takes its place, if nothing comes there
_REMEMBERED = 32  # messages that may come twice while two subscriptions overlap, or are latched


class _Subscription:
    """One of those that an Input has; `first_s` is when its first message came (time.monotonic)."""

    def __init__(self, profile: QoSProfile, kind: type) -> None:
        self.profile, self._kind = profile, kind
        self.handle: Any = None
        self._bulk = BulkTaker(kind) if BulkTaker.supported(kind) else None
        self.began_s, self.first_s = time.monotonic(), math.inf

    def has_taken_over(self) -> bool:
        """Whether the one before it can go: this one has had messages for a while, or nothing comes to either."""
        now = time.monotonic()
        return now - self.first_s > _LOOK_S or now - self.began_s > _OVERLAP_S

    def take(self) -> tuple[Any, Mapping[str, Any]] | None:
        """The next message that waits, and what is known of it; None where none does."""
        handle = self.handle.handle
        if self._bulk is not None:
            return self._bulk.take(handle)
        with handle:
            found = handle.take_message(self._kind, False)
        return (found[0], found[1] if MESSAGE_INFO else {}) if found is not None else None


class Input:
    """One topic to listen to, silent until `open`.

    It is reliable where all publishers are, and latched where all are, else best effort and volatile, unless its
    `qos_overrides` say otherwise. When publishers come and go a subscription of other QoS takes its place; the two
    overlap, so that no message is missed.

    Args:
        kind: the message type. name: of the topic, before remapping. callback: gets the messages, in the executor.
        depth: messages that may wait for the executor.
        also: a name that takes the place of the first while it has publishers of the type and the first has none.
        others: types that take the place of `kind` while the topic has publishers of one and none of the present.
        loss: is told what the middleware knows of lost messages, before the callback is called; None: nobody counts.

    Attributes:
        topic: the resolved name of the moment. received_s: when the last message came (time.monotonic), -inf for none.
        conflict: a sentence where a publisher's QoS does not match, until a message comes; "" else.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        name: str,
        callback: Callable[[Any], None],
        depth: int = 1,
        loss: LossCounter | None = None,
        also: str = "",
        others: Sequence[type] = (),
    ) -> None:
        self.topic = node.resolve_topic_name(name)
        self.received_s, self.conflict = -math.inf, ""
        self._node, self._kind, self._name, self._callback, self._depth = node, kind, name, callback, depth
        self._also, self._others = also, tuple(others)
        self._loss, self._counts = loss if loss is not None else LossCounter(), loss is not None
        self._request: QoSProfile | None = None  # while it is open
        self._current: _Subscription | None = None
        self._previous: _Subscription | None = None
        self._timer: Any = None
        self._publishers: frozenset[bytes] = frozenset()
        self._recent: deque[Any] = deque(maxlen=max(_REMEMBERED, 2 * depth))
        self._opened_s = time.monotonic()

    @property
    def opened(self) -> bool:
        """Whether it is subscribed to."""
        return self._current is not None

    @property
    def feed(self) -> Feed:
        """How it is doing at this moment; silent since the last message, or since it was opened."""
        silent_s = time.monotonic() - max(self.received_s, self._opened_s)
        publishers = publishers_of(self._node, self.topic, self._kind)
        hint = "" if publishers else other_than(self._node, self.topic, self._kind)
        return Feed(self.topic, publishers, silent_s, self.conflict, self.received_s >= self._opened_s, hint)

    def open(self) -> None:
        """Subscribe, unless that is done already."""
        if self.opened:
            return
        self._opened_s = time.monotonic()
        self._request = requested(self._node, self.topic, self._depth)
        self._loss.forget()
        self._look()
        self._timer = every(self._node, _LOOK_S, self._look)

    def close(self) -> None:
        """Unsubscribe."""
        if not self.opened:
            return
        self._request = None
        self._node.destroy_timer(self._timer)
        self._unsubscribe()

    def _look(self, *_: Any) -> None:
        """Ask for what the publishers of this moment offer, if that is something else than before."""
        if self._request is None:
            return
        if self._also and not publishers_of(self._node, self.topic, self._kind):
            self._try_the_other_name()
        if self._others and not publishers_of(self._node, self.topic, self._kind):
            self._try_the_other_kinds()
        publishers = self._look_for_publishers()
        profile = fitting(self._request, [item.qos_profile for item in publishers])
        if self._current is None:
            self._current = self._subscribe(profile)
        elif publishers and self._current.profile != profile:
            if self._previous is None:
                self._current, self._previous = self._subscribe(profile), self._current
            elif self._previous.profile == profile:
                self._current, self._previous = self._previous, self._current
        elif self._previous is not None and self._current.has_taken_over():
            previous, self._previous = self._previous, None
            self._node.destroy_subscription(previous.handle)

    def _try_the_other_name(self) -> None:
        other = self._node.resolve_topic_name(self._also)
        if publishers_of(self._node, other, self._kind):
            self._unsubscribe()
            self._name, self._also, self.topic = self._also, self._name, other
            self._request = requested(self._node, self.topic, self._depth)

    def _try_the_other_kinds(self) -> None:
        for kind in self._others:
            if publishers_of(self._node, self.topic, kind):
                self._unsubscribe()  # first: a topic of DDS has one type in a process
                self._others = (*(item for item in self._others if item is not kind), self._kind)
                self._kind = kind
                return

    def _unsubscribe(self) -> None:
        for item in filter(None, (self._previous, self._current)):
            self._node.destroy_subscription(item.handle)
        self._previous = self._current = None
        self._publishers = frozenset()
        self._recent.clear()

    def _look_for_publishers(self) -> list[Any]:
        publishers = endpoints(self._node, self.topic, self._kind)
        found = frozenset(bytes(item.endpoint_gid) for item in publishers)
        if found != self._publishers:
            self._publishers = found
            self._loss.forget()
        return publishers

    def _subscribe(self, profile: QoSProfile) -> _Subscription:
        """A subscription, with those events that the middleware knows."""
        new = _Subscription(profile, self._kind)
        take: Any = partial(self._take, new)
        take = with_info(take) if self._counts else lambda message: self._take(new, message, {})
        optional: dict[str, Any] = {"message_lost": partial(self._on_lost, new), "matched": self._look}
        while new.handle is None:
            try:
                new.handle = self._node.create_subscription(
                    self._kind,
                    self._name,
                    take,
                    profile,
                    event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_conflict, **optional),
                )
            except (UnsupportedEventTypeError, TypeError):
                if not optional:
                    raise
                optional.popitem()
        if "message_lost" in optional:
            self._loss.will_report()
        give_own_take(new.handle, partial(self._take_own, new))
        return new

    def _take_own(self, subscription: _Subscription) -> None:
        """In place of rclpy's take and the callback, where a GuardedExecutor spins."""
        found = None
        with suppress(InvalidHandle):  # destroyed meanwhile
            found = subscription.take()
        if found is not None:
            self._take(subscription, *found)

    def _take(self, subscription: _Subscription, message: Any, info: Mapping[str, Any]) -> None:
        self._took(subscription, message, info)
        # The executor takes one message a turn, and where other threads want the interpreter a turn takes longer than
        # odometry comes apart: it would be as late as the queue is long.
        for _ in range(self._depth - 1):
            if subscription not in (self._current, self._previous):
                return
            waiting = subscription.take()
            if waiting is None:
                return
            self._took(subscription, *waiting)

    def _took(self, subscription: _Subscription, message: Any, info: Mapping[str, Any]) -> None:
        now = time.monotonic()
        subscription.first_s = min(subscription.first_s, now)
        info = info if self._counts else {}
        number = info.get("publication_sequence_number")
        key = (info["source_timestamp"], number) if info else message.header.stamp
        if self._previous is not None and key in self._recent:
            return
        self._recent.append(key)
        self._count(number, info.get("publisher_gid"))
        self.received_s, self.conflict = now, ""
        self._callback(message)

    def _count(self, number: int | None, publisher: Any) -> None:
        """Tell the number of a message, if it is known of which publisher: those of several have nothing in common."""
        if number is None:
            return
        if publisher is not None:
            self._loss.numbered(number, (self.topic, bytes(publisher["data"])))
            return
        self._look_for_publishers()
        if len(self._publishers) <= 1:
            self._loss.numbered(number, self.topic)

    def _on_lost(self, subscription: _Subscription, event: Any) -> None:
        # What one loses that is to go is lost until the other has had its first message.
        going = self._previous is not None and self._current is not None and math.isinf(self._current.first_s)
        if subscription is (self._previous if going else self._current):
            self._loss.reported(event.total_count_change)

    def _on_conflict(self, _: Any) -> None:
        if self._request is None or is_open(self._request):
            self._look()
            return
        self.conflict = (
            f"QoS mismatch: a publisher of {self.topic} offers less than the qos_overrides of this node ask for; "
            "remove them, the default matches every publisher"
        )
