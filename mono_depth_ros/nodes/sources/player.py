# SPDX-License-Identifier: Apache-2.0
"""Frames made in a thread, given out at their rate: what a camera driver does, whatever its frames come from."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from rclpy.node import Node
from rclpy.time import Time

from mono_depth_ros.nodes.ros.guard import Fatal
from mono_depth_ros.nodes.ros.timers import every

Frame = TypeVar("Frame")

_AHEAD = 4  # frames decoded before their time
_LOOK_S = 0.1  # between two looks at a live source that gives nothing, and at the stop flag
_JUDGED_S = 5.0  # the rate is compared with the wanted one over this long
_TOLERATED = 0.9


class Player(Generic[Frame]):
    """Calls `publish(frame, stamp)` in the executor for each frame that `frames(player)` yields in a thread of its own.

    The stamp is the node's time now: at this moment a recorded or rendered frame is acquired. A live frame is stamped
    when it comes, and of those that wait only the newest is kept. What the thread raises ends the node.

    Args:
        node: owns the timer.
        frames: iterated over in the thread; it may wait for the player's `started`, and should end when `stopping` is
            set.
        publish: called once a frame.
        rate_hz: of the frames; None for a live source, which sets the pace itself.
        ready: looked at until it is true; the first frame comes then.
        paused: while it is true no frame is taken.
        finished: called once after the last frame.
        slow: called with the rate reached when it stays behind the wanted one.
    """

    def __init__(
        self,
        node: Node,
        frames: Callable[[Player[Frame]], Iterator[Frame]],
        publish: Callable[[Frame, Time], None],
        rate_hz: float | None,
        ready: Callable[[], bool],
        finished: Callable[[], None],
        paused: Callable[[], bool] = lambda: False,
        slow: Callable[[float], None] = lambda rate_hz: None,
    ) -> None:
        self.started, self.stopping = threading.Event(), threading.Event()
        self._clock, self._frames, self._publish, self._rate_hz = node.get_clock(), frames, publish, rate_hz
        self._ready, self._paused, self._finished, self._slow = ready, paused, finished, slow
        self._queue: queue.Queue[tuple[Frame, Time | None] | None] = queue.Queue(_AHEAD if rate_hz else 1)
        self._error: Exception | None = None
        self._ended = False
        self._judge_from_s, self._published = 0.0, 0
        self._guard = node.create_guard_condition(self._tick)
        period_s = 1 / rate_hz if rate_hz else _LOOK_S
        # The pace is that of the machine's clock, also when the stamps follow /clock.
        self._timer = every(node, period_s, self._tick)
        self._thread = threading.Thread(target=self._work, name="frames", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End the thread after the frame it is working on."""
        self.stopping.set()
        self.started.set()
        self._thread.join(timeout_s)

    def _tick(self) -> None:
        if self._error is not None:
            raise Fatal from self._error
        if not self.started.is_set():
            if not self._ready():
                return
            self.started.set()
        if self._ended or self._paused():
            self._judge_from_s = 0.0
            return
        try:
            item = self._queue.get_nowait()
        except queue.Empty:
            self._judge(0)
            return
        if item is None:
            self._ended = True
            self._finished()
            return
        frame, stamp = item
        self._publish(frame, stamp or self._clock.now())
        self._judge(1)

    def _judge(self, published: int) -> None:
        now_s = time.monotonic()
        if not self._rate_hz or (not self._judge_from_s and not published):
            return
        if not self._judge_from_s:
            self._judge_from_s, self._published = now_s, 0
            return
        self._published += published
        elapsed_s = now_s - self._judge_from_s
        if elapsed_s >= _JUDGED_S:
            reached_hz = self._published / elapsed_s
            if reached_hz < _TOLERATED * self._rate_hz:
                self._slow(reached_hz)
            self._judge_from_s, self._published = now_s, 0

    def _work(self) -> None:
        try:
            for frame in self._frames(self):
                self._put((frame, None if self._rate_hz else self._clock.now()))
                if self.stopping.is_set():
                    return
            self._put(None)
        except Exception as error:
            self._error = error
            self._trigger()

    def _put(self, item: tuple[Frame, Time | None] | None) -> None:
        live = self._rate_hz is None
        while not self.stopping.is_set():
            try:
                self._queue.put(item, block=not live, timeout=_LOOK_S)
                break
            except queue.Full:
                if live:
                    with contextlib.suppress(queue.Empty):
                        self._queue.get_nowait()
        if live:
            self._trigger()

    def _trigger(self) -> None:
        if not self.stopping.is_set():
            self._guard.trigger()
