# SPDX-License-Identifier: Apache-2.0
"""What callbacks raise: logged once a kind, counted on /diagnostics, and the node goes on."""

from __future__ import annotations

import threading
import time

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Empty, String
from std_srvs.srv import SetBool, Trigger

from mono_depth_ros.errors import DataError
from mono_depth_ros.nodes.ros.guard import Fatal, GuardedExecutor, GuardedNode
from mono_depth_ros.nodes.ros.timers import every


@pytest.fixture
def guarded(ros):
    """A guarded node, and an executor of its own that spins in a thread."""
    node = GuardedNode("guarded")
    node.executor_of_ours = executor = GuardedExecutor(node.errors.caught)
    executor.add_node(node)
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            executor.spin_once(0.05)

    thread = threading.Thread(target=spin)
    thread.start()
    yield node
    stop.set()
    thread.join()
    node.destroy_node()


def raises(*_):
    raise ValueError("no\nsuch value")


def test_every_kind_of_callback_may_raise(ros, guarded, capfd):
    status, heard = ros.listen(DiagnosticArray, "/diagnostics"), []
    guarded.create_subscription(Empty, "/bad", raises, 1)
    guarded.create_subscription(Empty, "/good", heard.append, 1)
    guarded.create_timer(0.05, raises)
    guarded.create_guard_condition(raises).trigger()
    bad, good = (ros.outsider.create_publisher(Empty, topic, 1) for topic in ("/bad", "/good"))
    ros.wait(lambda: guarded.errors.total > 10, poll=lambda: bad.publish(Empty()))
    ros.wait(lambda: heard, poll=lambda: good.publish(Empty()))

    def told():
        return [item for message in status for item in message.status if item.name == "guarded: callbacks"]

    ros.wait(told)
    (pair,) = told()[-1].values
    assert pair.key.startswith("ValueError in test_guard.py:") and int(pair.value) > 10
    assert told()[-1].level == b"\1" and "the node goes on" in told()[-1].message
    assert capfd.readouterr().err.count("Traceback") == 1


def test_a_service_that_raises_answers_no(ros, guarded, caller):
    guarded.create_service(Trigger, "~/do", raises)
    guarded.create_service(SetBool, "~/set", raises)
    for kind, name in ((Trigger, "do"), (SetBool, "set")):
        answer = caller("/guarded").call(kind, name)
        assert not answer.success and "ValueError" in answer.message
    assert guarded.errors.total == 2


def test_what_rclpy_itself_raises_ends_nothing(ros, guarded, monkeypatch):
    """Such as for a message that it cannot convert, before any callback of ours."""
    heard = []
    guarded.create_subscription(String, "/text", lambda message: heard.append(message.data), 10)
    text = ros.outsider.create_publisher(String, "/text", 10)
    with monkeypatch.context() as patched:
        patched.setattr(guarded.executor_of_ours, "wait_for_ready_callbacks", raises)
        ros.wait(lambda: guarded.errors.total)
    ros.wait(lambda: heard, poll=lambda: text.publish(String(data="good")))


def test_kinds_are_told_apart_up_to_a_number(ros, guarded):
    for number in range(50):
        guarded.errors.caught(type(f"Error{number}", (Exception,), {})())
    assert guarded.errors.total == 50 and len(guarded.errors._counts) == 21


@pytest.mark.parametrize(
    ("raised", "ends_with"), [(KeyboardInterrupt(), KeyboardInterrupt), (SystemExit(3), SystemExit), (None, DataError)]
)
def test_what_is_meant_to_end_the_process_does(ros, raised, ends_with):
    node = ros.add(GuardedNode("ending"))
    ros.executor.remove_node(node)
    executor = GuardedExecutor(node.errors.caught)
    executor.add_node(node)

    def end():
        if raised is not None:
            raise raised
        raise Fatal from DataError("the disk is gone")

    node.create_timer(0.01, end)
    with pytest.raises(ends_with):
        executor.spin()
    assert node.errors.total == 0


def test_the_end_of_ros_ends_the_spinning():
    rclpy.init()
    node = GuardedNode("ending")
    executor = GuardedExecutor(node.errors.caught)
    executor.add_node(node)

    def end():
        rclpy.shutdown()
        raise RuntimeError("what was being published")

    node.create_timer(0.01, end)
    with pytest.raises(ExternalShutdownException):
        executor.spin()
    assert node.errors.total == 0


def test_an_error_that_comes_again_and_again_leaves_time_for_others(ros, guarded):
    guarded.create_guard_condition(raises)
    guard = next(iter(guarded.guards))
    begun, before = time.monotonic(), time.process_time()
    ros.wait(lambda: time.monotonic() - begun > 0.5, poll=guard.trigger)
    assert guarded.errors.total < 80 and time.process_time() - before < 2.0


def test_two_nodes_of_one_name_are_said_once(ros, guarded, capfd):
    guarded._look_at_names()
    assert "another node" not in capfd.readouterr().err
    twin = ros.add(Node("guarded"))
    ros.wait(lambda: guarded._names_timer.is_canceled(), 20.0)
    said = capfd.readouterr().err
    assert said.count("another node is called /guarded too") == 1 and "__node:=NAME" in said
    assert twin.get_name() == "guarded"


def test_timers_go_on_where_simulated_time_does_not_come(ros):
    node = ros.add(GuardedNode("simulated", parameter_overrides=[Parameter("use_sim_time", value=True)]))
    ticks = []
    every(node, 0.02, lambda: ticks.append(1))
    ros.wait(lambda: len(ticks) > 3, 5.0)
    assert node.get_clock().now().nanoseconds == 0
