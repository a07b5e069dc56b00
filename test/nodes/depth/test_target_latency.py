# SPDX-License-Identifier: Apache-2.0
"""The parameter target_latency of a node: steps of the input size, what is said of them, and models without sizes."""

from __future__ import annotations

import time
from typing import ClassVar

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.nodes.depth.node import DepthNode

LONG_S = 0.06  # that an image of the largest size takes


class SlowModel(TinyModel):
    """`tiny`, whose time is that of the pixels it reads."""

    seen: ClassVar[list[tuple[int, int]]] = []

    def predict(self, rgb, cameras, *prompts):
        size = self.reads(rgb.shape[2], rgb.shape[1])
        self.seen.append(size)
        time.sleep(LONG_S * size[0] * size[1] / (256 * 192))
        return super().predict(rgb, cameras, *prompts)


@pytest.fixture
def model(monkeypatch) -> SlowModel:
    found = SlowModel(EngineOptions(torch.device("cpu"), "torch", "fp32"))
    monkeypatch.setattr(SlowModel, "seen", [])
    return found


def set_target(caller, seconds: float):
    return caller().set(Parameter("target_latency", value=seconds).to_parameter_msg()).results[0]


def test_the_size_is_stepped_to_hold_the_latency_and_back(ros, rig, caller, model):
    r = rig(model, target_latency=0.05, diagnostics_period=0.1)
    ros.listen(Image, "/depth/image")
    status = ros.listen(DiagnosticArray, "/diagnostics")

    def told(key: str) -> str:
        return {pair.key: pair.value for item in status[-1:] for pair in item.status[0].values}.get(key, "")

    ros.wait(lambda: model.seen, poll=lambda: r.infos.publish(r.info()))
    ros.wait(lambda: len(set(model.seen)) == 4)  # every size is made ready, before there is an image
    assert r.node.monitors[""].snapshot().published == 0
    ros.wait(lambda: told("input size steps") == "1", poll=r.send)
    assert told("input size") in [f"{size} of 256x192" for size in ("192x160", "160x128", "128x96")]
    assert "exceeded target_latency, 50 ms" in told("input size is so")
    assert 0.5 < float(told("depth after the last step / before (median)")) < 2
    assert set_target(caller, 0.001).successful
    ros.wait(lambda: "misses target_latency, 1 ms" in status[-1].status[0].message, poll=r.send)
    assert told("input size") == "128x96 of 256x192" and status[-1].status[0].level == b"\x01"
    assert set_target(caller, 0).successful
    ros.wait(lambda: told("input size") == "256x192 of 256x192", poll=r.send)
    assert "misses" not in status[-1].status[0].message


def test_a_latency_asked_for_later_makes_the_sizes_ready_then(ros, rig, caller, model):
    r = rig(model, lazy=False)
    published = r.node.monitors[""].snapshot
    ros.wait(lambda: published().published > 2, poll=r.send)
    assert set(model.seen) == {(256, 192)} and r.node.session.input_size.figures("") == {}
    assert set_target(caller, 10.0).successful
    before = published().published
    ros.wait(lambda: published().published > before + 2, poll=r.send)
    assert len(set(model.seen)) == 4 and r.drops().get("internal_error") is None
    assert r.node.session.input_size.figures("")["input size is so"] == "it is the model's own"


def test_a_model_of_one_size_is_refused_with_a_sentence(ros, rig, caller, capfd, plane_model, monkeypatch):
    r = rig()
    refused = set_target(caller, 0.1)
    assert not refused.successful and "the input size of plane cannot be stepped" in refused.reason
    assert r.node.get_parameter("target_latency").value == 0.0
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: plane_model())
    node = DepthNode(parameter_overrides=[Parameter("target_latency", value=0.1)])
    assert node.trigger_configure().name == "FAILURE"
    assert "it reads every image at a size of its own" in "".join(capfd.readouterr())
    node.destroy_node()
