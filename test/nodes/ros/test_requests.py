# SPDX-License-Identifier: Apache-2.0
"""Requests from outside that are wrong, or come while a model loads: each is answered, and the node lives."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
from sensor_msgs.msg import Image

from mono_depth_ros.errors import ModelError
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.progress import tell

CONFIGURE, CLEANUP, ACTIVATE, UNCONFIGURED_SHUTDOWN = 1, 2, 3, 5


def value(name, **fields):
    """A parameter message; `type` as of rcl_interfaces/msg/ParameterType."""
    return Parameter(name=name, value=ParameterValue(**fields))


@pytest.fixture
def slow_load(monkeypatch, plane_model):
    """A model that is being fetched until `go` is set."""

    class Load:
        def __init__(self):
            self.go, self.begun, self.cancelled, self.error = threading.Event(), 0, 0, None

        def __call__(self, _):
            self.begun += 1
            try:
                while not self.go.wait(0.02):
                    tell("fetching weights, 41 %")
            except Exception:
                self.cancelled += 1
                raise
            if self.error is not None:
                raise self.error
            return plane_model()

    load = Load()
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", load)
    yield load
    load.go.set()


@pytest.fixture
def node(ros):
    """A depth node that is not configured."""
    return ros.add(DepthNode(cli_args=["--ros-args", "-r", "image:=/cam/image_raw", "-p", "diagnostics_period:=0.1"]))


def test_transitions_that_do_not_apply_are_refused_and_change_nothing(rig, caller):
    r, caller = rig(), caller()
    for number in (0, 1, 2, 3, 5, 6, 8, 10, 60, 99, 255):
        assert not caller.transition(number), number
    for label in ("configure", "cleanup", "create", "transition_success", "no\nsuch", "x" * 5000):
        assert not caller.transition(label=label), label
    assert caller.state() == "active" and r.node.session.active
    assert r.node.errors.total == 0, "a wrong request is no error of ours"
    assert caller.transition(label="deactivate") and caller.transition(CLEANUP)
    for number in (2, 3, 4, 6, 7):
        assert not caller.transition(number), number
    assert caller.state() == "unconfigured"


def test_everything_is_answered_while_a_model_loads_and_configure_at_its_end(ros, rig, caller, node, slow_load):
    caller, status = caller(), ros.listen(DiagnosticArray, "/diagnostics")
    configured = caller.begin(ChangeState, "change_state", transition=Transition(id=CONFIGURE))
    ros.wait(lambda: slow_load.begun)
    assert caller.state() == "configuring"
    ros.wait(lambda: status and "fetching weights, 41 %" in status[-1].status[0].message, 5.0)
    assert status[-1].status[0].level == b"\1"
    assert caller.set(value("max_depth", type=3, double_value=7.0)).results[0].successful
    refused = caller.set(value("model", type=4, string_value="other")).results[0]
    assert not refused.successful and "clean it up first" in refused.reason
    assert not caller.transition(CONFIGURE) and not caller.transition(ACTIVATE) and not caller.transition(10)
    assert not configured.done() and slow_load.begun == 1
    slow_load.go.set()
    ros.wait(configured.done, 10.0)
    assert configured.result().success and caller.state() == "inactive"
    assert caller.transition(ACTIVATE) and caller.state() == "active"


def test_a_load_that_fails_is_a_configure_that_fails_and_can_be_repeated(ros, caller, node, slow_load):
    slow_load.error = ModelError("no such weights")
    slow_load.go.set()
    caller = caller()
    assert not caller.transition(CONFIGURE) and caller.state() == "unconfigured" and node.session is None
    slow_load.error = RuntimeError("a bug")
    assert not caller.transition(CONFIGURE) and caller.state() == "unconfigured"
    slow_load.error = None
    assert caller.transition(CONFIGURE) and caller.transition(ACTIVATE)


@pytest.mark.parametrize(("number", "state"), [(CLEANUP, "unconfigured"), (UNCONFIGURED_SHUTDOWN, "finalized")])
def test_a_load_is_called_off_by_cleanup_and_shutdown_at_once(ros, caller, node, slow_load, number, state):
    caller = caller()
    configured = caller.begin(ChangeState, "change_state", transition=Transition(id=CONFIGURE))
    ros.wait(lambda: slow_load.begun)
    begun = time.monotonic()
    assert caller.transition(number) and caller.state() == state
    ros.wait(configured.done, 3.0)
    assert not configured.result().success and time.monotonic() - begun < 3.0
    ros.wait(lambda: slow_load.cancelled, 3.0)
    assert node.session is None


def test_what_loads_to_the_end_after_a_cleanup_is_let_go_of(ros, caller, node, monkeypatch, plane_model):
    go, sessions = threading.Event(), []

    def load(_):
        sessions.append(node.session)
        go.wait(60)
        return plane_model()

    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", load)
    caller = caller()
    caller.begin(ChangeState, "change_state", transition=Transition(id=CONFIGURE))
    ros.wait(lambda: sessions)
    assert caller.transition(CLEANUP, timeout_s=3.0)
    caller.begin(ChangeState, "change_state", transition=Transition(id=CONFIGURE))
    assert caller.state() == "configuring" and len(sessions) == 1, "two models are never in memory"
    go.set()
    ros.wait(lambda: caller.state() == "inactive")
    ros.wait(lambda: not sessions[0]._worker.alive)
    assert sessions[0].pipeline is None and sessions[1] is node.session and node.session.pipeline is not None


def test_a_parameter_of_an_unknown_type_is_refused_alone(rig, caller):
    r, caller = rig(), caller()
    good, bad = value("max_depth", type=3, double_value=8.0), value("stride", type=99)
    first, second = caller.set(bad, good).results
    assert not first.successful and "stride" in first.reason and "unknown type 99" in first.reason
    assert second.successful and r.node.get_parameter("max_depth").value == 8.0
    good.value.double_value = 9.0
    result = caller.set(good, bad, kind=SetParametersAtomically).result
    assert not result.successful and "unknown type 99" in result.reason
    assert r.node.get_parameter("max_depth").value == 8.0 and r.node.errors.total == 0


def test_parameters_keep_their_types(rig, caller):
    r, caller = rig(), caller()
    assert caller.set(value("max_depth", type=2, integer_value=3)).results[0].successful
    kept = caller.get("max_depth")
    assert (kept.type, kept.double_value) == (3, 3.0)
    for wrong, words in (
        (value("cloud_normals", type=2, integer_value=1), "true or false"),
        (value("max_depth", type=1, bool_value=True), "0.01 m or more"),
        (value("max_depth", type=4, string_value="3"), "0.01 m or more"),
        (value("max_depth", type=8, double_array_value=[1.0]), "0.01 m or more"),
        (value("max_depth", type=3, double_value=float("nan")), "0.01 m or more"),
        (value("max_depth", type=3, double_value=0.001), "0.01 m or more"),
        (value("max_depth"), "cannot be deleted"),
        (value("stride", type=3, double_value=2.0), "1 to 64 px"),
        (value("stride", type=2, integer_value=65), "1 to 64 px"),
        (value("depth_encoding", type=5, byte_array_value=[b"a"]), "32FC1"),
        (value("autostart", type=1, bool_value=False), "when the node starts"),
        (value("max_dept", type=3, double_value=1.0), "did you mean max_depth"),
        (value("use_sim_time", type=2, integer_value=1), ""),
        (value("use_sim_time"), ""),
    ):
        result = caller.set(wrong).results[0]
        assert not result.successful and words in result.reason, (wrong, result)
    assert caller.get("max_depth").double_value == 3.0 and r.node.errors.total == 0


def test_tools_see_ranges_types_and_what_cannot_be_changed(rig, caller):
    rig()
    names = ["max_depth", "edge_ratio", "stride", "threads", "autostart", "model"]
    found = caller().call(DescribeParameters, "describe_parameters", names=names).descriptors
    described = dict(zip(names, found, strict=True))
    ranges = {name: item.floating_point_range or item.integer_range for name, item in described.items()}
    spans = {name: (item[0].from_value, item[0].to_value) for name, item in ranges.items() if item}
    assert spans == {"max_depth": (0.01, np.inf), "edge_ratio": (0.0, 10.0), "stride": (1, 64), "threads": (0, 256)}
    assert [described[name].type for name in names] == [3, 3, 2, 2, 1, 4]
    assert [name for name in names if described[name].read_only] == ["autostart"]
    assert all(item.description.endswith(".") for item in found)


def test_an_integer_at_start_becomes_a_float(ros):
    node = DepthNode(cli_args=["--ros-args", "-p", "max_depth:=10"])
    assert repr(node.get_parameter("max_depth").value) == "10.0"
    node.destroy_node()


def test_old_results_do_not_come_out_after_a_cleanup_that_came_through_the_service(ros, rig, caller, plane_model):
    r, caller = rig(plane_model(delay_s=1.0), lazy=False), caller()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: r.model.calls, poll=r.send)
    old = r.image().header.stamp
    for number in (4, CLEANUP, CONFIGURE, ACTIVATE):
        assert caller.transition(number)
    r.matched()
    ros.wait(lambda: depth, poll=r.send)
    stamps = [(message.header.stamp.sec, message.header.stamp.nanosec) for message in depth]
    assert min(stamps) > (old.sec, old.nanosec)
    assert r.node.monitors[""].snapshot().drops["ended"] + r.node.monitors[""].snapshot().drops.get("inactive", 0) >= 1
