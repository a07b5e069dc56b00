# SPDX-License-Identifier: Apache-2.0
"""The pace of frames made in a thread."""

from __future__ import annotations

import threading
import time

import pytest
import rclpy
from rclpy.node import Node

from mono_depth_ros.errors import DataError
from mono_depth_ros.nodes.ros.guard import Fatal
from mono_depth_ros.nodes.sources import player as player_module
from mono_depth_ros.nodes.sources.player import Player


class Stage:
    """A node with a player, and what it does."""

    def __init__(self, frames, rate_hz=200.0, ready=lambda: True, **arguments):
        self.node = Node("stage")
        self.published, self.stamps_ns, self.finished = [], [], []
        self.player = Player(
            self.node, frames, self._publish, rate_hz, ready, lambda: self.finished.append(True), **arguments
        )

    def _publish(self, frame, stamp):
        self.published.append(frame)
        self.stamps_ns.append(stamp.nanoseconds)

    def spin_until(self, condition, timeout_s=10.0):
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "not in time"
            rclpy.spin_once(self.node, timeout_sec=0.05)


@pytest.fixture
def stage():
    rclpy.init()
    stages = []

    def make(*arguments, **named):
        stages.append(Stage(*arguments, **named))
        return stages[-1]

    yield make
    for each in stages:
        each.player.stop()
        each.node.destroy_node()
    rclpy.try_shutdown()


def test_every_frame_comes_in_order_at_the_rate_and_the_end_is_told_once(stage):
    s = stage(lambda _: iter(range(20)), rate_hz=100.0)
    start = time.monotonic()
    s.spin_until(lambda: s.finished)
    assert s.published == list(range(20)) and time.monotonic() - start > 0.19
    assert s.stamps_ns == sorted(s.stamps_ns) and abs(time.time_ns() - s.stamps_ns[-1]) < 5e9
    rclpy.spin_once(s.node, timeout_sec=0.05)
    assert s.finished == [True]


def test_nothing_comes_before_it_is_ready_nor_while_it_is_paused(stage):
    gate, pause = threading.Event(), threading.Event()
    s = stage(lambda _: iter(range(1000)), ready=gate.is_set, paused=pause.is_set)
    end = time.monotonic() + 0.2
    s.spin_until(lambda: time.monotonic() > end)
    assert not s.published and not s.player.started.is_set()
    gate.set()
    s.spin_until(lambda: len(s.published) >= 5)
    pause.set()
    count = len(s.published)
    end = time.monotonic() + 0.2
    s.spin_until(lambda: time.monotonic() > end)
    assert len(s.published) == count and s.published == list(range(count))


def test_what_the_thread_raises_ends_the_node(stage):
    def frames(_):
        yield 1
        raise DataError("the disk is gone")

    s = stage(frames, ready=lambda: False)
    with pytest.raises(Fatal) as ended:
        s.spin_until(lambda: s.finished)
    assert isinstance(ended.value.__cause__, DataError)


def test_a_live_source_is_stamped_when_it_comes_and_old_frames_are_dropped(stage):
    gate, made_ns = threading.Event(), []

    def frames(player):
        for k in range(10):
            made_ns.append(time.time_ns())
            yield k
        time.sleep(0.5)  # published much later than made
        gate.set()
        player.stopping.wait()

    s = stage(frames, rate_hz=None, ready=gate.is_set)
    s.spin_until(lambda: s.published)
    assert s.published == [9]
    assert 0 <= s.stamps_ns[0] - made_ns[-1] < 0.4e9


def test_a_rate_that_cannot_be_held_is_told(stage, monkeypatch):
    monkeypatch.setattr(player_module, "_JUDGED_S", 0.4)
    told = []

    def frames(player):
        while not player.stopping.is_set():
            time.sleep(0.05)
            yield 0

    s = stage(frames, rate_hz=200.0, slow=told.append)
    s.spin_until(lambda: told)
    assert 2.0 < told[0] < 25.0
