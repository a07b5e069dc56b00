# SPDX-License-Identifier: Apache-2.0
"""An input over real DDS: it asks for what the publishers offer, misses nothing when they change, and counts losses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo

from mono_depth_ros.nodes.ros import subscribing
from mono_depth_ros.nodes.ros.subscribing import Input
from mono_depth_ros.streams.loss import Loss
from mono_depth_ros.streams.monitor import Monitor

TOPIC = "/cam/camera_info"
RELIABLE = QoSProfile(depth=100)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Listener:
    """A node with one input, which counts as the depth node does."""

    def __init__(self, ros: Any, depth: int = 50, sim_time: bool = False, **overrides: str) -> None:
        names = {f"qos_overrides.{TOPIC}.subscription.{name}": value for name, value in overrides.items()}
        parameters = {"use_sim_time": sim_time, **names}
        self.node = Node("listener", parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()])
        self.monitor, self.heard = Monitor(), list[int]()
        self.input = Input(self.node, CameraInfo, TOPIC, self._take, depth, self.monitor.loss)
        self.input.open()
        self.slow_s = 0.0
        ros.add(self.node)

    def _take(self, message: CameraInfo) -> None:
        self.heard.append(message.height)
        self.monitor.received(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
        time.sleep(self.slow_s)

    def asks(self) -> tuple[list[str], list[str]]:
        """Reliability and durability of its subscriptions."""
        found = [item.qos_profile for item in self.node.get_subscriptions_info_by_topic(TOPIC)]
        return [item.reliability.name for item in found], [item.durability.name for item in found]

    def loss(self) -> Loss:
        return self.monitor.snapshot().loss


class Talker:
    """A publisher of an outsider; messages are numbered by their height."""

    def __init__(self, ros: Any, qos: QoSProfile) -> None:
        self._ros, self._count = ros, 0
        self.publisher = ros.outsider.create_publisher(CameraInfo, TOPIC, qos)

    def say(self, times: int = 1, every_s: float = 0.0) -> None:
        for _ in range(times):
            self._count += 1
            message = CameraInfo(height=self._count)
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
            self.publisher.publish(message)
            time.sleep(every_s)

    def matched(self) -> Talker:
        self._ros.wait(self.publisher.get_subscription_count)
        return self

    def gone(self) -> None:
        self._ros.outsider.destroy_publisher(self.publisher)


@pytest.fixture
def listen(ros: Any) -> Callable[..., Listener]:
    return lambda **options: Listener(ros, **options)


def test_reliable_where_all_publishers_are_and_best_effort_where_one_is_not(
    ros: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribing, "_OVERLAP_S", 0.3)
    listener = listen()
    reliable = Talker(ros, RELIABLE)
    ros.wait(lambda: listener.asks()[0] == ["RELIABLE"])
    other = Talker(ros, qos_profile_sensor_data)
    ros.wait(lambda: listener.asks()[0] == ["BEST_EFFORT"])
    other.matched().say()
    reliable.say()
    ros.wait(lambda: len(listener.heard) == 2)
    other.gone()
    ros.wait(lambda: listener.asks()[0] == ["RELIABLE"])
    assert listener.input.feed.conflict == ""


def test_it_follows_the_publishers_while_simulated_time_stands_still(
    ros: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribing, "_OVERLAP_S", 0.3)
    listener = listen(sim_time=True)
    Talker(ros, RELIABLE).matched()
    ros.wait(lambda: listener.asks()[0] == ["RELIABLE"], timeout_s=20.0)


def test_nothing_is_missed_or_heard_twice_while_the_subscription_changes(ros: Any, listen: Any) -> None:
    listener = listen()
    talker = Talker(ros, RELIABLE).matched()
    talker.say(60, every_s=0.01)
    ros.wait(lambda: listener.asks()[0] == ["RELIABLE"])
    quiet = Talker(ros, qos_profile_sensor_data)
    talker.say(60, every_s=0.01)
    ros.wait(lambda: listener.asks()[0] == ["BEST_EFFORT"])
    quiet.gone()
    talker.say(60, every_s=0.01)
    ros.wait(lambda: listener.asks()[0] == ["RELIABLE"])
    ros.wait(lambda: listener.heard and listener.heard[-1] == 180)
    assert listener.heard == sorted(set(listener.heard)) and len(listener.heard) == 181 - listener.heard[0]
    assert listener.heard[0] <= 2 and listener.loss().lost == 0


def test_what_was_latched_before_the_node_came_is_heard(ros: Any, listen: Any) -> None:
    talker = Talker(ros, LATCHED)
    talker.say()
    listener = listen()
    ros.wait(lambda: listener.heard == [1])
    assert listener.asks() == (["RELIABLE"], ["TRANSIENT_LOCAL"])
    talker.say()
    ros.wait(lambda: listener.heard == [1, 2])
    Talker(ros, RELIABLE)  # one that is not latched must be heard too
    ros.wait(lambda: listener.asks()[1] == ["VOLATILE"])
    talker.say()
    ros.wait(lambda: listener.heard == [1, 2, 3])


def test_overrides_win(ros: Any, listen: Any) -> None:
    Talker(ros, LATCHED)
    listener = listen(reliability="best_effort", durability="volatile")
    ros.wait(lambda: listener.input.feed.publishers)
    time.sleep(0.6)  # longer than between two looks at the publishers
    assert listener.asks() == (["BEST_EFFORT"], ["VOLATILE"])
    listener.input.close()
    listener.input.open()
    ros.wait(lambda: listener.asks() == (["BEST_EFFORT"], ["VOLATILE"]))


def test_an_override_of_the_durability_that_nobody_offers_is_told(ros: Any, listen: Any) -> None:
    listener = listen(durability="transient_local")
    Talker(ros, RELIABLE)
    ros.wait(lambda: "QoS mismatch" in listener.input.feed.conflict)


def test_what_a_busy_reader_does_not_take_is_counted_and_a_pause_is_not(ros: Any, listen: Any) -> None:
    listener = listen(depth=1)
    talker = Talker(ros, RELIABLE).matched()
    ros.wait(lambda: listener.asks()[0] == ["RELIABLE"])
    ros.wait(lambda: listener.heard, poll=talker.say)
    listener.slow_s = 0.1
    talker.say(60, every_s=0.01)
    listener.slow_s = 0.0
    ros.wait(lambda: listener.heard[-1] == talker._count)
    written = talker._count + 1 - listener.heard[0]
    assert listener.loss().lost == listener.loss().late == written - len(listener.heard) > 30
    before = listener.loss().lost
    time.sleep(1.0)
    talker.say(5, every_s=0.05)
    ros.wait(lambda: listener.heard[-1] == talker._count)
    assert listener.loss().lost == before


def test_what_is_lost_while_the_subscription_changes_counts_once(ros: Any, listen: Any) -> None:
    listener = listen()
    talker = Talker(ros, RELIABLE).matched()
    ros.wait(lambda: listener.input._previous is not None)
    old, new = listener.input._previous, listener.input._current
    lost = SimpleNamespace(total_count_change=2)
    for subscription in (old, new):
        listener.input._on_lost(subscription, lost)
    assert listener.loss().lost == 2
    ros.wait(lambda: new.first_s < math.inf, poll=talker.say)
    for subscription in (old, new):
        listener.input._on_lost(subscription, lost)
    assert listener.loss().lost == 4


def test_a_driver_that_starts_again_has_lost_nothing(ros: Any, listen: Any) -> None:
    listener = listen()
    for count in (3, 20, 5):
        talker = Talker(ros, RELIABLE)
        talker.say(10)  # before anybody listens
        talker.matched()
        ros.wait(lambda: listener.asks()[0] == ["RELIABLE"])
        talker.say(count, every_s=0.01)
        ros.wait(lambda talker=talker: listener.heard and listener.heard[-1] == talker._count)
        talker.gone()
        ros.wait(lambda: listener.input.feed.publishers == 0)
    assert listener.loss().lost == 0


def test_what_is_closed_stays_closed_and_a_gap_while_it_was_is_no_loss(ros: Any, listen: Any) -> None:
    listener = listen()
    talker = Talker(ros, RELIABLE).matched()
    talker.say(3, every_s=0.01)
    ros.wait(lambda: listener.heard)
    listener.input.close()
    ros.wait(lambda: talker.publisher.get_subscription_count() == 0)
    heard = len(listener.heard)
    talker.say(20, every_s=0.01)
    time.sleep(0.4)
    assert not listener.input.opened and len(listener.heard) == heard
    listener.input.open()
    talker.matched().say(3, every_s=0.01)
    ros.wait(lambda: listener.heard[-1] == talker._count)
    assert listener.loss().lost == 0


def test_messages_that_wait_are_taken_in_one_turn_of_the_executor(ros):
    """A turn takes long where threads want the interpreter: with one message a turn they would be ever later."""
    node, heard = Node("reader"), list[int]()
    reader = Input(node, CameraInfo, TOPIC, lambda message: heard.append(message.height), depth=50)
    reader.open()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    publisher = ros.outsider.create_publisher(CameraInfo, TOPIC, RELIABLE)
    first = CameraInfo(height=99)
    ros.wait(lambda: 99 in heard, poll=lambda: (publisher.publish(first), executor.spin_once(timeout_sec=0.05)))
    ros.wait(lambda: reader._previous is None, poll=lambda: executor.spin_once(timeout_sec=0.05))
    heard.clear()

    for number in range(20):
        publisher.publish(CameraInfo(height=number))
    time.sleep(0.2)
    turns = []

    def turn() -> None:
        before = len(heard)
        executor.spin_once(timeout_sec=0.05)
        turns.append(len(heard) - before)

    ros.wait(lambda: len(heard) == 20, poll=turn)
    assert max(turns) > 10 and heard == list(range(20))
    executor.shutdown()
    reader.close()
    node.destroy_node()
