# SPDX-License-Identifier: Apache-2.0
"""Which of the things received lately belongs to an image: the nearest in time."""

from __future__ import annotations

import bisect
import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_NS_PER_S = 1e9
_OTHER_CLOCK_NS = 60_000_000_000  # no sensor is a minute late: its stamps are of another clock


@dataclass(frozen=True)
class Match(Generic[T]):
    """What was found: `thing`, its stamp, and stamp minus the stamp asked for, in seconds."""

    thing: T
    stamp_ns: int
    offset_s: float


class Nearest(Generic[T]):
    """A bounded buffer of stamped things; safe to use from several threads.

    When it is full the oldest stamp goes. A stamp far before the newest one means that time jumped back (a bag that
    started again, a simulation that was reset): everything kept is then of another time and is dropped.
    """

    def __init__(self, size: int = 10, jump_s: float = 1.0) -> None:
        """Keep at most `size` things; a stamp more than `jump_s` seconds before the newest is a jump back in time."""
        self._size, self._jump_ns = max(size, 1), round(jump_s * _NS_PER_S)
        self._lock = threading.Lock()
        self._stamps: list[int] = []
        self._things: list[T] = []

    def add(self, stamp_ns: int, thing: T) -> bool:
        """Keep a thing, in order of stamps; one with the same stamp is replaced. True where time jumped back."""
        with self._lock:
            jumped = bool(self._stamps) and stamp_ns < self._stamps[-1] - self._jump_ns
            if jumped:
                self._stamps.clear()
                self._things.clear()
            at = bisect.bisect_left(self._stamps, stamp_ns)
            if at < len(self._stamps) and self._stamps[at] == stamp_ns:
                self._things[at] = thing
            else:
                self._stamps.insert(at, stamp_ns)
                self._things.insert(at, thing)
            del self._stamps[: -self._size], self._things[: -self._size]
            return jumped

    def nearest(self, stamp_ns: int, tolerance_s: float) -> Match[T] | None:
        """The thing nearest in time, at most `tolerance_s` away; of two as near, the older. None: there is none."""
        with self._lock:
            at = self._index(stamp_ns)
            if at is None or abs(self._stamps[at] - stamp_ns) > round(tolerance_s * _NS_PER_S):
                return None
            return Match(self._things[at], self._stamps[at], (self._stamps[at] - stamp_ns) / _NS_PER_S)

    def why_none(self, stamp_ns: int, tolerance_s: float) -> str:
        """One sentence on why `nearest` finds nothing for a stamp; empty where it finds something."""
        with self._lock:
            at = self._index(stamp_ns)
            if at is None:
                return "no reference has been received yet"
            offset_ns = self._stamps[at] - stamp_ns
        if abs(offset_ns) <= round(tolerance_s * _NS_PER_S):
            return ""
        offset_s = offset_ns / _NS_PER_S
        side = "after" if offset_s > 0 else "before"
        found = f"the reference nearest in time is {_duration(abs(offset_s))} {side} the image"
        if abs(offset_ns) > _OTHER_CLOCK_NS:
            hint = "is use_sim_time set on one side only, or does the driver stamp with the sensor's own time?"
            return f"{found}: its stamps are of another clock, expected that of the image: {hint}"
        return f"{found}, expected at most tolerance, {tolerance_s:g} s"

    def __len__(self) -> int:
        with self._lock:
            return len(self._stamps)

    def _index(self, stamp_ns: int) -> int | None:
        if not self._stamps:
            return None
        at = bisect.bisect_left(self._stamps, stamp_ns)
        if at == len(self._stamps) or (at > 0 and stamp_ns - self._stamps[at - 1] <= self._stamps[at] - stamp_ns):
            return at - 1
        return at


def _duration(seconds: float) -> str:
    for size, unit in ((86400.0 * 365.25, "years"), (86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s"
