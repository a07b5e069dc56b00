# SPDX-License-Identifier: Apache-2.0
"""What a node counts: frames in and out, drops and their reasons, lost messages, latency, stages. No ROS here."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from mono_depth_ros.streams.loss import Loss, LossCounter

_WINDOW = 300  # results that the percentiles look back on
_RATE_WINDOW_S = 5.0
CLOUD = "cloud_"
"""Before the reason why clouds and pictures were not made of a result whose depth was published."""

_NOBODYS_FAULT = ("superseded", "ended", "inactive")
EXPECTED = frozenset({*_NOBODYS_FAULT, *(CLOUD + reason for reason in _NOBODYS_FAULT), "max_rate"})
"""Reasons for a drop that are nobody's fault: a newer message came, the node was cleaned up or deactivated, or no more
images are wanted."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a Monitor at one moment; times in milliseconds, rates in Hz, NaN where nothing was measured.

    Attributes:
        loss: what was lost on the way here since the beginning. recent_loss: in the last seconds, `loss.WINDOW_S`.
        lost_since_last: of the recently lost, those after the last message that was taken.
    """

    received: int
    published: int
    loss: Loss
    recent_loss: Loss
    lost_since_last: int
    drops: dict[str, int]
    rate_in_hz: float
    rate_out_hz: float
    latency_p50_ms: float
    latency_p99_ms: float
    age_p50_ms: float
    stages_ms: dict[str, float]
    last_drop: str

    @property
    def dropped(self) -> int:
        """How many images gave no result."""
        return sum(count for reason, count in self.drops.items() if not reason.startswith(CLOUD))


class Monitor:
    """Counts frames of one image stream; safe to use from several threads.

    Attributes:
        loss: gets what the middleware knows of lost messages.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.loss = LossCounter()
        self._received = self._published = 0
        self._drops: Counter[str] = Counter()
        self._last_drop = ""
        self._arrivals: deque[float] = deque(maxlen=_WINDOW)
        self._results: deque[float] = deque(maxlen=_WINDOW)
        self._latency: deque[float] = deque(maxlen=_WINDOW)
        self._age: deque[float] = deque(maxlen=_WINDOW)
        self._stages: dict[str, deque[float]] = {}
        self._stamp_ns: int | None = None

    def received(self, stamp_ns: int) -> int:
        """Count an arrival. Returns by how many ns the stamp lies before the last one, 0 when time goes forward."""
        with self._lock:
            self._received += 1
            self._arrivals.append(time.monotonic())
            last, self._stamp_ns = self._stamp_ns, stamp_ns
            self.loss.arrived(stamp_ns)
            return max(last - stamp_ns, 0) if last is not None else 0

    def dropped(self, reason: str, sentence: str = "") -> None:
        with self._lock:
            self._drops[reason] += 1
            if reason not in EXPECTED:
                self._last_drop = sentence or reason

    def published(self, latency_s: float, age_s: float) -> None:
        """Count a result: `latency_s` from its callback, `age_s` from its stamp, both until it was published."""
        with self._lock:
            self._published += 1
            self._results.append(time.monotonic())
            self._latency.append(latency_s)
            self._age.append(age_s)

    @contextmanager
    def stage(self, name: str, ready_s: Callable[[], float] = lambda: math.nan) -> Iterator[None]:
        """Time one stage of the work.

        Args:
            ready_s: since when (time.perf_counter) what the stage needs was there, asked when it has ended: time it
                spent waiting for that is another stage's. NaN: it has not waited.
        """
        start_s = time.perf_counter()
        yield
        end_s, known_s = time.perf_counter(), ready_s()
        self.took(name, end_s - (min(known_s, end_s) if known_s > start_s else start_s))

    def took(self, name: str, seconds: float) -> None:
        """Count the time of one stage of the work."""
        with self._lock:
            self._stages.setdefault(name, deque(maxlen=_WINDOW)).append(seconds)

    @property
    def rate_in_hz(self) -> float:
        """Of arrivals, over the last seconds; 0 where that is not known."""
        with self._lock:
            return _rate(self._arrivals, time.monotonic())

    def snapshot(self) -> Snapshot:
        with self._lock:
            now, recent_loss = time.monotonic(), self.loss.recent()
            return Snapshot(
                received=self._received,
                published=self._published,
                loss=self.loss.total(),
                recent_loss=recent_loss,
                lost_since_last=min(self.loss.since_last(), recent_loss.lost),
                drops=dict(self._drops),
                rate_in_hz=_rate(self._arrivals, now),
                rate_out_hz=_rate(self._results, now),
                latency_p50_ms=_percentile_ms(self._latency, 50),
                latency_p99_ms=_percentile_ms(self._latency, 99),
                age_p50_ms=_percentile_ms(self._age, 50),
                stages_ms={name: _percentile_ms(times, 50) for name, times in self._stages.items()},
                last_drop=self._last_drop,
            )


def _rate(times: deque[float], now: float) -> float:
    recent = [t for t in times if now - t <= _RATE_WINDOW_S]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) / (recent[-1] - recent[0]) if recent[-1] > recent[0] else 0.0


def _percentile_ms(times: deque[float], percent: float) -> float:
    return float(np.percentile(times, percent)) * 1e3 if times else float("nan")
