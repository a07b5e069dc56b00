# SPDX-License-Identifier: Apache-2.0
"""How many messages of a topic were written and not taken: measured where that is possible, else from their stamps.

Three witnesses, from the best to the last resort:
- the number that a publisher gives each of its messages: a gap is a loss, however slow the publisher is, however long
  it pauses, and whoever lost them: the transport, or this process, which was busy and found a newer one in its queue;
- the middleware's count of lost messages, which also goes on while not one arrives, but knows nothing of the queue;
- stamps several of the camera's ticks apart, where the middleware has neither (see `ticks.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from mono_depth_ros.streams.ticks import Ticks

WINDOW_S = 10.0
"""What is said of the losses is said of this long."""


@dataclass(frozen=True)
class Loss:
    """What became of the messages of a topic.

    Attributes:
        taken: they reached the node. lost: they were written and did not. late: those of the lost that had come to this
            process, but were replaced by a newer one before the node took them.
    """

    taken: int = 0
    lost: int = 0
    late: int = 0

    @property
    def fraction(self) -> float:
        """Lost of all that were written, 0 to 1; 0 where there were none."""
        return self.lost / max(self.lost + self.taken, 1)

    def __sub__(self, before: Loss) -> Loss:
        # What was taken for lost may turn out to be late: no part may become negative for that.
        lost = max(self.lost - before.lost, 0)
        return Loss(self.taken - before.taken, lost, min(max(self.late - before.late, 0), lost))


class LossCounter:
    """Counts for one subscription; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._past = Loss()  # of publishers that are gone
        self._history: deque[tuple[float, Loss]] = deque([(time.monotonic(), Loss())])
        self._reports = False
        self._begin()

    def _begin(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._next: tuple[int, Hashable] | None = None
        self._ticks = Ticks()
        self._taken = 0
        self._ahead = 0  # reported by the middleware before the first was taken
        self._gaps = self._reported = 0  # between the messages that were taken: by number or stamp, and as reported
        self._tail = 0  # reported since the last one was taken
        self._unexplained = 0  # of the last gap, whose report may come later than the message after it

    def numbered(self, number: int, publisher: Hashable) -> None:
        """The number that its publisher has given to the message that arrives next."""
        with self._lock:
            self._next = number, publisher

    def arrived(self, stamp_ns: int) -> None:
        """Count a message that the node has taken."""
        with self._lock:
            gap = self._gap(stamp_ns)
            if self._taken:
                self._gaps += gap
                self._reported += self._tail
            else:
                self._ahead += self._tail
            self._unexplained = max(gap - self._tail, 0)
            self._tail = 0
            self._taken += 1

    def will_report(self) -> None:
        """The middleware reports losses: stamps have nothing to add."""
        self._reports = True

    def reported(self, count: int) -> None:
        """Count messages that the middleware has reported as lost."""
        with self._lock:
            explained = min(count, self._unexplained)
            self._unexplained -= explained
            self._reported += explained
            self._tail += count - explained

    def forget(self) -> None:
        """Other publishers than before: numbers and stamps begin anew, what was counted stays."""
        with self._lock:
            self._past = self._sum()
            self._begin()

    def total(self) -> Loss:
        """Since the beginning."""
        with self._lock:
            return self._sum()

    def recent(self) -> Loss:
        """In the last WINDOW_S seconds; call it at least every few seconds."""
        with self._lock:
            now, total = time.monotonic(), self._sum()
            while len(self._history) > 1 and self._history[1][0] <= now - WINDOW_S:
                self._history.popleft()
            if now - self._history[-1][0] >= 0.05 * WINDOW_S:
                self._history.append((now, total))
            return total - self._history[0][1]

    def since_last(self) -> int:
        """Reported since the last message was taken."""
        with self._lock:
            return self._tail

    def _gap(self, stamp_ns: int) -> int:
        """Messages that are missing before this one."""
        if self._next is None:
            return 0 if self._reports else self._ticks.gap(stamp_ns)
        (number, publisher), self._next = self._next, None
        last, self._numbers[publisher] = self._numbers.get(publisher, number), number
        return max(number - last - 1, 0)

    def _sum(self) -> Loss:
        between = max(self._gaps, self._reported)
        return Loss(
            self._past.taken + self._taken,
            self._past.lost + self._ahead + between + self._tail,
            self._past.late + (between - self._reported if self._reports else 0),
        )
