# SPDX-License-Identifier: Apache-2.0
"""A lifecycle manager as Nav2's drives the nodes: its requests in its order, and its bond.

The manager is written after nav2_lifecycle_manager (lifecycle_manager.cpp) and bondcpp (bond.cpp), neither of which is
on the package index, nor is bond/msg/Status: the stand-in for it has the same fields, and travels in a std_msgs/String.
"""

from __future__ import annotations

import json
import time
import uuid
from types import SimpleNamespace

import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mono_depth_ros.nodes.alignment.node import AlignmentNode
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.nodes.ros import bond

FIELDS = ("id", "instance_id", "active", "heartbeat_timeout", "heartbeat_period")


@pytest.fixture
def status(monkeypatch):
    """The stand-in for the class bond/msg/Status, installed."""

    def content(message):
        return json.loads(message.data) if message.data else {}

    def field(name):
        return property(
            lambda message: content(message)[name],
            lambda message, value: setattr(message, "data", json.dumps({**content(message), name: value})),
        )

    for name in FIELDS:
        monkeypatch.setattr(String, name, field(name), raising=False)
    monkeypatch.setattr(String, "header", property(lambda _: SimpleNamespace(stamp=None)), raising=False)
    monkeypatch.setattr(bond, "message_class", {"bond/msg/Status": String}.get)
    return String


class Manager:
    """nav2_lifecycle_manager: `startup`, `pause`, `resume`, `reset` and `shutdown` of one node, with a bond."""

    BOND_TIMEOUT_S, SERVICE_TIMEOUT_S, PERIOD_S = 4.0, 5.0, 0.25

    def __init__(self, ros, caller, name, status=None):
        self._ros, self._services, self._name, self._status = ros, caller, name, status
        self._instance, self._heard_s, self.sister_dead = str(uuid.uuid4()), None, False
        self.log, self._beating = [], None
        if status is not None:
            self._publisher = ros.outsider.create_publisher(status, "bond", 5)
            ros.outsider.create_subscription(status, "bond", self._on_status, 100)

    def change(self, number, state):
        # change_state without a timeout, then get_state with one
        assert self._services.transition(number, timeout_s=60.0), number
        assert self._services.state() == state

    def startup(self):
        self.change(1, "inactive")
        self.change(3, "active")
        self.form_bond()

    def pause(self):
        self.change(4, "inactive")
        self.break_bond()

    def reset(self):
        self.pause()
        self.change(2, "unconfigured")

    def shutdown(self):
        self.reset()
        self.change(5, "finalized")

    def form_bond(self):
        if self._status is not None:
            self._heard_s, self.sister_dead = None, False
            self._beating = self._ros.outsider.create_timer(self.PERIOD_S, lambda: self._send(True))
            self._ros.wait(lambda: self._heard_s is not None, self.BOND_TIMEOUT_S / 2)

    def break_bond(self):
        if self._beating is not None:
            self._send(False)
            self._ros.outsider.destroy_timer(self._beating)
            self._beating = None

    @property
    def broken(self):
        return self.sister_dead or time.monotonic() - self._heard_s > self.BOND_TIMEOUT_S

    def _on_status(self, message):
        if message.id == self._name and message.instance_id != self._instance:
            self.log.append(message.active)
            self._heard_s, self.sister_dead = time.monotonic(), not message.active

    def _send(self, active):
        message = self._status()
        values = (self._name, self._instance, active, self.BOND_TIMEOUT_S, self.PERIOD_S)
        for name, value in zip(FIELDS, values, strict=True):
            setattr(message, name, value)
        self._publisher.publish(message)


@pytest.fixture
def depth(ros, monkeypatch, plane_model):
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda _: plane_model())

    def make(**parameters):
        words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        return ros.add(DepthNode(cli_args=["--ros-args", "-p", "autostart:=false", *words]))

    return make


def test_nav2_manager_brings_a_node_up_and_down_again_and_again_by_its_bond(status, ros, caller, depth):
    depth()
    manager = Manager(ros, caller(), "depth", status)
    for _ in range(2):
        manager.startup()
        beats = len(manager.log)
        ros.wait(lambda beats=beats: len(manager.log) > beats + 2, 2.0)
        assert not manager.broken and all(manager.log)
        manager.reset()
        ros.wait(lambda: manager.sister_dead, 2.0)  # in due form, after the manager has left
        manager.log.clear()
    manager.startup()
    manager.shutdown()


def test_the_alignment_node_has_a_bond_of_its_own_name(status, ros, caller):
    words = ["--ros-args", "-p", "autostart:=false", "-p", "cam_from_reference:=0 0 0 0 0 0 1"]
    ros.add(AlignmentNode(cli_args=words))
    manager = Manager(ros, caller("/alignment"), "alignment", status)
    manager.startup()
    manager.pause()
    assert True in manager.log


def test_a_node_that_goes_away_breaks_its_bond_at_once(status, ros, caller, depth):
    node = depth()
    manager = Manager(ros, caller(), "depth", status)
    manager.startup()
    assert not manager.broken
    ros.executor.remove_node(node)
    node.destroy_node()
    ros.wait(lambda: manager.broken, 2.0)


def test_a_manager_that_stays_away_is_said_and_the_node_stays_active(status, ros, caller, depth, capfd):
    node = depth(bond_timeout=0.6)
    manager = Manager(ros, caller(), "depth", status)
    manager.startup()
    ros.wait(lambda: node._bond._heard_s, 2.0)
    ros.outsider.destroy_timer(manager._beating)
    said = []
    ros.wait(lambda: said.append(capfd.readouterr().err) or "heartbeat has stayed away" in "".join(said), 3.0)
    assert caller().state() == "active" and "".join(said).count("stayed away") == 1


def test_without_the_package_bond_it_is_said_once_and_the_manager_goes_without(ros, caller, depth, capfd):
    depth()
    manager = Manager(ros, caller(), "depth")
    manager.startup()
    assert capfd.readouterr().err.count("the package bond is not installed") == 1
    manager.shutdown()


@pytest.mark.parametrize("parameters", [{"autostart": "true"}, {"bond_timeout": 0.0}])
def test_nobody_is_told_of_a_bond_where_none_is_wanted(status, ros, caller, depth, parameters):
    node = depth(**parameters)
    assert caller().transition(1) and caller().transition(3)
    assert node._bond is None and ros.outsider.count_publishers("/bond") == 0


def test_a_manager_that_meets_an_active_node_is_refused_and_may_take_it_over(ros, rig, caller):
    r = rig()
    heard = ros.listen(Image, "/depth/image")
    manager = Manager(ros, caller(), "depth")
    with pytest.raises(AssertionError):
        manager.startup()
    assert caller().state() == "active"
    manager.reset()
    manager.startup()
    r.matched()
    ros.wait(lambda: heard, poll=r.send)
