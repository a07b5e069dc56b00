# SPDX-License-Identifier: Apache-2.0
"""Messages that follow each other closely: few turns of the executor for many, and everything else has its turn."""

from __future__ import annotations

import threading

import pytest
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from mono_depth_ros.nodes.ros.guard import GuardedExecutor
from mono_depth_ros.nodes.ros.subscribing import Input


class Flooded:
    """A node whose Input hears messages at about a kilohertz, and the executor that spins it."""

    def __init__(self, ros) -> None:
        self.node, self.heard, self.errors = Node("flooded"), list[int](), list[Exception]()
        self.input = Input(self.node, CameraInfo, "/flood", self.take)
        self.input.open()
        self.executor = GuardedExecutor(self.errors.append)
        self.executor.add_node(self.node)
        self.publisher = ros.outsider.create_publisher(CameraInfo, "/flood", 1)
        self.turns, self.over = 0, threading.Event()
        ros.wait(lambda: self.heard, poll=lambda: (self.publisher.publish(CameraInfo()), self.turn()))
        ros.wait(lambda: self.input._previous is None, poll=self.turn)
        self.heard.clear()
        self.turns = 0
        self.thread = threading.Thread(target=self.flood)
        self.thread.start()

    def take(self, message: CameraInfo) -> None:
        self.heard.append(message.height)

    def flood(self) -> None:
        while not self.over.wait(0.001):
            self.publisher.publish(CameraInfo(height=len(self.heard)))

    def turn(self) -> None:
        self.turns += 1
        self.executor.spin_once(timeout_sec=0.05)

    def end(self) -> None:
        self.over.set()
        self.thread.join()
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def flooded(ros):
    made = Flooded(ros)
    yield made
    made.end()


def test_many_messages_need_few_turns_and_a_timer_has_its_own(ros, flooded):
    ticks = []
    flooded.node.create_timer(0.02, lambda: ticks.append(1))

    ros.wait(lambda: len(ticks) > 15, poll=flooded.turn)
    assert len(flooded.heard) > 2 * flooded.turns and not flooded.errors


def test_an_error_and_a_task_end_a_burst(ros, flooded):
    def fail(_):
        flooded.executor.create_task(done.append, 1)
        raise ValueError("this message")

    done = []
    flooded.input._callback = fail
    ros.wait(lambda: len(flooded.errors) > 3 and len(done) > 3, poll=flooded.turn)
    assert {str(error) for error in flooded.errors} == {"this message"}


def test_an_input_that_closes_in_a_burst_hears_nothing_more(ros, flooded):
    def close(_):
        flooded.heard.append(0)
        flooded.input.close()

    flooded.input._callback = close
    ros.wait(lambda: flooded.heard[-1:] == [0], poll=flooded.turn)
    count = len(flooded.heard)
    for _ in range(5):
        flooded.turn()
    assert len(flooded.heard) == count and not flooded.errors
