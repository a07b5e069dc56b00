# SPDX-License-Identifier: Apache-2.0
"""Parameters under their earlier names."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.parameter import Parameter

from mono_depth_ros.config import WorldNodeConfig
from mono_depth_ros.nodes.ros.guard import GuardedNode
from mono_depth_ros.nodes.ros.parameters import Parameters


@pytest.fixture
def context():
    context = rclpy.context.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


def test_a_parameter_may_be_given_by_its_earlier_name(context, capfd):
    node = GuardedNode("world", context=context, parameter_overrides=[Parameter("hfov_deg", value=80.0)])
    parameters = Parameters(node, (WorldNodeConfig,), locked=lambda: False)
    assert parameters.get(WorldNodeConfig).hfov == 80.0 and not node.has_parameter("hfov_deg")
    assert "the parameter hfov_deg is called hfov now" in "".join(capfd.readouterr())
    assert node.set_parameters([Parameter("hfov_deg", value=90)])[0].successful
    assert parameters.get(WorldNodeConfig).hfov == 90.0 == node.get_parameter("hfov").value
    node.destroy_node()
