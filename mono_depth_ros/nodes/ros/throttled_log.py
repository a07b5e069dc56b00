# SPDX-License-Identifier: Apache-2.0
"""Sentences of which a node has one for every message, said now and then."""

from __future__ import annotations

import math
import time

from rclpy.node import Node

from mono_depth_ros.errors import SENTENCE, shown


class ThrottledLog:
    """Logs a sentence of each kind once, or again when `period_s` seconds have passed since the last one of its kind.

    rclpy's own `once` and `throttle_duration_sec` go by the line of code, whatever is said there.
    """

    def __init__(self, node: Node, period_s: float = math.inf) -> None:
        self._logger, self._period_s = node.get_logger(), period_s
        self._said_s: dict[str, float] = {}

    def info(self, kind: str, sentence: str) -> None:
        if self._due(kind):
            self._logger.info(shown(sentence, SENTENCE))

    def warning(self, kind: str, sentence: str) -> None:
        if self._due(kind):
            self._logger.warning(shown(sentence, SENTENCE))

    def _due(self, kind: str) -> bool:
        now_s = time.monotonic()
        due = now_s - self._said_s.get(kind, -math.inf) >= self._period_s
        if due:
            self._said_s[kind] = now_s
        return due
