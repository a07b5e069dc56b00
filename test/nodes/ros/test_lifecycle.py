# SPDX-License-Identifier: Apache-2.0
"""What a session leaves behind, which is nothing; with a network that is busy for as long as a test wants."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.nodes.ros.session import Session


@pytest.fixture
def busy_model(plane_model):
    """A network that is at its first image until `go` is set."""

    class BusyModel(plane_model):
        def __init__(self):
            super().__init__()
            self.at_it, self.go, self.done = threading.Event(), threading.Event(), threading.Event()

        def predict(self, rgb, cameras):
            self.at_it.set()
            self.go.wait(60)
            self.done.set()
            return super().predict(rgb, cameras)

    model = BusyModel()
    yield model
    model.go.set()


def stamp(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def change(node, *transitions):
    for name in transitions:
        assert getattr(node, f"trigger_{name}")().name == "SUCCESS"


def test_what_was_begun_before_a_cleanup_is_dropped_and_counted(ros, rig, busy_model, plane_model, monkeypatch):
    monkeypatch.setattr(Session, "patience_s", 0.05)
    r = rig(busy_model, lazy=False, diagnostics_period=0.1)
    depth, status = ros.listen(Image, "/depth/image"), ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(busy_model.at_it.is_set, poll=lambda: r.send(r.image(200)))
    old_ns = r.stamp_ns
    r.send(r.image(200))  # waits for the worker
    ros.wait(lambda: r.node.monitors[""].snapshot().received >= 2)
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: plane_model())
    old = r.node.session
    change(r.node, "deactivate", "cleanup")
    late = r.node.monitors[""].snapshot()
    busy_model.go.set()
    change(r.node, "configure", "activate")
    assert r.node.session is not old
    r.matched()
    ros.wait(lambda: depth, poll=lambda: r.send(r.image(30)))
    ros.wait(lambda: r.node.monitors[""].snapshot().drops.get("ended", 0) > late.drops.get("ended", 0))
    count = len(depth)
    ros.wait(lambda: len(depth) > count + 1, poll=lambda: r.send(r.image(30)))
    stamps = [stamp(message) for message in depth]
    assert stamps == sorted(set(stamps)) and stamps[0] > old_ns
    assert {float(np.frombuffer(message.data, np.float32)[0]) for message in depth} == {3.0}
    dropped = r.node.monitors[""].snapshot().drops["ended"]
    ros.wait(lambda: status[-1].status[0].level == b"\0" and "publishing" in status[-1].status[0].message)
    values = {pair.key: pair.value for pair in status[-1].status[0].values}
    assert values["dropped: ended"] == str(dropped)


def test_two_models_are_never_there_at_once(ros, rig, busy_model, plane_model, monkeypatch):
    monkeypatch.setattr(Session, "patience_s", 0.05)
    status, seen = ros.listen(DiagnosticArray, "/diagnostics"), []

    def load(*_):
        seen.append(busy_model.done.is_set())
        return plane_model()

    r = rig(busy_model, lazy=False, diagnostics_period=0.1)
    ros.wait(busy_model.at_it.is_set, poll=r.send)
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", load)
    change(r.node, "deactivate", "cleanup")
    configuring = threading.Thread(target=change, args=(r.node, "configure"))
    configuring.start()
    ros.wait(lambda: status and "waiting for the last result of the model before" in status[-1].status[0].message)
    assert not seen
    busy_model.go.set()
    configuring.join(10)
    assert seen == [True] and r.node.session.pipeline is not None


def test_what_waited_for_the_worker_when_the_node_was_cleaned_up_is_counted(ros, rig, busy_model, monkeypatch):
    monkeypatch.setattr(Session, "patience_s", 0.05)
    r = rig(busy_model, lazy=False)
    ros.wait(busy_model.at_it.is_set, poll=r.send)
    r.send()
    received = r.node.monitors[""].snapshot().received
    ros.wait(lambda: r.node.monitors[""].snapshot().received > received - 1 and r.node.session._worker._items)
    before = r.node.monitors[""].snapshot().drops.get("ended", 0)
    change(r.node, "deactivate", "cleanup")
    assert r.node.monitors[""].snapshot().drops.get("ended", 0) == before + 1


def test_a_result_that_comes_while_the_node_is_inactive_is_dropped_and_counted(ros, rig, busy_model):
    r = rig(busy_model, lazy=False)
    depth = ros.listen(Image, "/depth/image")
    ros.wait(busy_model.at_it.is_set, poll=r.send)
    change(r.node, "deactivate")
    busy_model.go.set()
    ros.wait(lambda: r.drops().get("inactive"))
    assert not depth and r.node.monitors[""].snapshot().published == 0
    change(r.node, "activate")
    ros.wait(lambda: depth, poll=r.send)


def test_a_configuration_that_fails_leaves_nothing_and_the_next_one_works(ros, rig, plane_model, monkeypatch):
    r = rig()
    change(r.node, "deactivate", "cleanup")

    def broken(*_):
        raise MonoDepthError("no such model")

    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", broken)
    assert r.node.trigger_configure().name == "FAILURE" and r.node.session is None
    ros.wait(lambda: r.images.get_subscription_count() == 0)
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: plane_model())
    change(r.node, "configure", "activate")
    depth = ros.listen(Image, "/depth/image")
    r.matched()
    ros.wait(lambda: depth, poll=r.send)


def test_an_unconfigured_node_says_that_it_is_not_active(ros, rig):
    r = rig(diagnostics_period=0.1)
    change(r.node, "deactivate", "cleanup")
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: status and status[-1].status[0].message.startswith("not active"))
    values = {pair.key: pair.value for pair in status[-1].status[0].values}
    assert status[-1].status[0].level == b"\1" and values["device"] == "not loaded"


def test_an_activation_that_fails_ends_the_session_and_the_node_can_be_configured_again(ros, rig, monkeypatch):
    r = rig()
    change(r.node, "deactivate")
    session = r.node.session

    def broken(*_):
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(LifecycleNode, "on_activate", broken)
        assert r.node.trigger_activate().name != "SUCCESS"
    assert r.node.session is None and not session.active and not session.streams[0].outputs.wanted("depth/image")
    change(r.node, "configure", "activate")
    depth = ros.listen(Image, "/depth/image")
    r.matched()
    ros.wait(lambda: depth, poll=r.send)


def test_a_shutdown_of_an_active_node_ends_its_session(ros, rig):
    r = rig()
    session = r.node.session
    change(r.node, "shutdown")
    assert r.node.session is None and not session.active
    ros.wait(lambda: r.images.get_subscription_count() == 0)


def test_a_session_that_has_ended_is_freed_with_its_model(ros, rig, monkeypatch):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: depth, poll=r.send)
    model = weakref.ref(r.node.session.pipeline.model)
    session = weakref.ref(r.node.session)
    r.model = None
    monkeypatch.undo()
    change(r.node, "deactivate", "cleanup")
    assert model() is None, "the next model may need the memory at once"
    ros.wait(lambda: gc.collect() >= 0 and session() is None)  # the executor may hold its last callback a moment longer
