# SPDX-License-Identifier: Apache-2.0
"""The depth node as a process while it fetches its weights from a hub that has fallen silent."""

from __future__ import annotations

import importlib.util
import signal
import sys
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from safetensors.numpy import save

MODULE = "mono_depth_ros.nodes.depth_node"


@pytest.fixture
def hub(repository, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("hub_server", repository / "test/models/weights/hub_server.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "hub_server", module)
    spec.loader.exec_module(module)
    server = module.HubServer()
    weights = save({"weight": np.zeros(1_000_000, np.float32)})
    server.repositories["org/depth"] = {
        "config.json": b'{"model_type": "depth_anything"}',
        "model.safetensors": weights,
    }
    server.faults.stall_at = 3_000_000
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()


def test_a_node_that_fetches_its_weights_answers_and_ends_by_ctrl_c_at_once(hub, node_process, ros, caller):
    status = ros.listen(DiagnosticArray, "/diagnostics")
    process = node_process(MODULE, model="org/depth", diagnostics_period=0.1)
    ros.wait(lambda: status and "fetching weights, 74 % of 4 MB" in status[-1].status[0].message)
    assert caller().state() == "configuring" and caller().get("model").string_value == "org/depth"
    began = time.monotonic()
    process.signal(signal.SIGINT)
    process.code(10.0)
    assert time.monotonic() - began < 3.0 and "Traceback" not in process.log


def test_a_cleanup_while_it_starts_by_itself_leaves_it_there_to_be_configured_again(hub, node_process, ros, caller):
    process = node_process(MODULE, model="org/depth", diagnostics_period=0.1)
    caller = caller()
    ros.wait(lambda: caller.state() == "configuring" and hub.asked("model.safetensors"))
    assert caller.transition(label="cleanup", timeout_s=3.0) and caller.state() == "unconfigured"
    hub.faults.stall_at = None
    hub.faults.go_on.set()
    assert not caller.transition(label="configure", timeout_s=60.0)  # fetched now, and no network of ours
    assert process.running() and caller.state() == "unconfigured" and len(hub.asked("model.safetensors")) >= 2
    assert "model.safetensors" in process.log
