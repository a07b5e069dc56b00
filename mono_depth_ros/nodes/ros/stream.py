# SPDX-License-Identifier: Apache-2.0
"""What becomes of the messages of one stream: received, published or dropped for a reason, counted and said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from mono_depth_ros.errors import CameraError, FrameError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.ros.throttled_log import ThrottledLog
from mono_depth_ros.streams.monitor import CLOUD, EXPECTED, Monitor
from mono_depth_ros.streams.usable import Usable

_LOG_PERIOD_S = 5.0  # between two log lines about the same reason


class MessageStream:
    """Counts the messages of a stream, and drops one for what goes wrong with it.

    Args:
        what: what a message is called in the log, such as "frame of front".

    Attributes:
        log: for what is said of many messages. camera_problem: of the last message's calibration, or "".
        usable: what is wrong with the results although they come.
    """

    def __init__(self, node: Node, monitor: Monitor, what: str) -> None:
        self.monitor, self.log = monitor, ThrottledLog(node, _LOG_PERIOD_S)
        self.camera_problem, self.usable = "", Usable()
        self._clock, self._what = node.get_clock(), what

    def arrived(self, message: Any) -> bool:
        """Count a message. False: its time jumped back, or is before 1970, for which it has been dropped."""
        ns = stamp_ns(message.header.stamp)
        back_ns = self.monitor.received(ns)
        if ns < 0:
            self.drop("stamp_negative", f"its stamp is {ns / 1e9:.3f} s, before 1970: is the camera's clock set?")
        elif back_ns:
            self.drop("time_backwards", f"time jumped back by {back_ns / 1e9:.3f} s: a bag that loops?")
        return not back_ns and ns >= 0

    def published(self, header: Any, received_s: float, known: float) -> None:
        """Count a result.

        Args:
            header: of its message, which was received at `received_s` (time.monotonic). known: see `Frame.known`.
        """
        self.camera_problem = ""
        age_s = (self._clock.now().nanoseconds - stamp_ns(header.stamp)) / 1e9
        latency_s = time.monotonic() - received_s
        self.usable.depth(known)
        self.usable.published(stamp_ns(header.stamp), age_s, latency_s)
        self.monitor.published(latency_s, age_s)

    @contextmanager
    def handling(self, noticed: Callable[[Exception], None] = lambda _: None) -> Iterator[None]:
        """What goes wrong within costs one message, and the others nothing; `noticed` gets it too."""
        try:
            yield
        except Exception as error:
            noticed(error)
            self.refuse(error)

    def refuse(self, error: Exception) -> None:
        """Drop a message for an error: its own, a FrameError, or one of ours."""
        if isinstance(error, FrameError):
            if error.reason not in EXPECTED:
                self.camera_problem = str(error) if isinstance(error, CameraError) else ""
            self.drop(error.reason, str(error))
        else:
            self.drop("internal_error", f"{type(error).__name__}: {error}")

    def left_out(self, error: Exception) -> None:
        """Count a result whose depth is published, and for this error nothing of what is made of the depth."""
        reason = error.reason if isinstance(error, FrameError) else "internal_error"
        sentence = str(error) if isinstance(error, FrameError) else f"{type(error).__name__}: {error}"
        self.drop(CLOUD + reason, sentence)

    def drop(self, reason: str, sentence: str) -> None:
        """Count a dropped message; the same reason is said in the log every few seconds only, an expected one never."""
        self.monitor.dropped(reason, sentence)
        if reason not in EXPECTED:
            self.log.warning(reason, f"{self._what} dropped ({reason}): {sentence}")


@dataclass(frozen=True)
class Job:
    """A message that is to be worked on, and when its callback ran (time.monotonic)."""

    stream: MessageStream
    message: Any
    received_s: float
