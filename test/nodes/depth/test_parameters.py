# SPDX-License-Identifier: Apache-2.0
"""Parameters and lifecycle of the depth node, over their services."""

from __future__ import annotations

import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.nodes.depth.node import DepthNode


def set_parameter(ros, node, name, value):
    client = ros.outsider.create_client(SetParameters, f"{node.get_fully_qualified_name()}/set_parameters")
    assert client.wait_for_service(60)
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    future = client.call_async(request)
    ros.wait(future.done)
    return future.result().results[0]


def test_dynamic_parameters_apply_at_once_and_wrong_ones_change_nothing(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    assert set_parameter(ros, r.node, "max_depth", 4).successful
    ros.wait(lambda: depth, poll=r.send)
    assert np.isinf(np.frombuffer(bytes(depth[0].data), np.float32)).all()

    refused = set_parameter(ros, r.node, "stride", 0)
    assert not refused.successful and "1 to 64 px" in refused.reason
    assert r.node.get_parameter("stride").value == 1
    refused = set_parameter(ros, r.node, "depth_encoding", "mono8")
    assert not refused.successful and "32FC1, 16UC1" in refused.reason
    refused = set_parameter(ros, r.node, "min_depth", 5.0)
    assert not refused.successful and "less than max_depth" in refused.reason
    refused = set_parameter(ros, r.node, "model", "other")
    assert not refused.successful and "clean it up first" in refused.reason


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("stride", 0, "1 to 64 px"),
        ("image_transport", "theora", "raw, compressed"),
        ("max_depth", "far", "expected a float"),
        ("edge_ration", 0.1, "did you mean edge_ratio"),
    ],
)
def test_a_wrong_or_misspelt_parameter_at_start_is_refused(ros, name, value, words):
    with pytest.raises(ConfigError, match=words):
        DepthNode(parameter_overrides=[Parameter(name, value=value)])


def test_a_model_that_cannot_be_loaded_is_a_configure_failure(ros):
    node = DepthNode(parameter_overrides=[Parameter("model", value="tinny")])
    assert node.trigger_configure().name == "FAILURE"
    assert node._state_machine.current_state[1] == "unconfigured"
    node.destroy_node()


def test_the_lifecycle_can_go_round_twice(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: depth, poll=r.send)
    for step in ("deactivate", "cleanup", "configure", "activate"):
        assert getattr(r.node, f"trigger_{step}")().name == "SUCCESS"
    depth.clear()
    ros.wait(lambda: depth, poll=r.send)
