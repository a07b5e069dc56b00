# SPDX-License-Identifier: Apache-2.0
"""An override of one topic's QoS is of that topic alone."""

from __future__ import annotations

from rclpy.qos import ReliabilityPolicy

from mono_depth_ros.nodes.ros import qos


def test_an_override_stays_with_its_topic(rig) -> None:
    overrides = {
        "qos_overrides./cam/camera_info.subscription.reliability": "reliable",
        "qos_overrides./depth/camera_info.publisher.reliability": "best_effort",
    }
    node = rig(**overrides).node

    def reliability(infos: list) -> list[ReliabilityPolicy]:
        return [info.qos_profile.reliability for info in infos]

    assert reliability(node.get_subscriptions_info_by_topic("/cam/camera_info")) == [ReliabilityPolicy.RELIABLE]
    assert reliability(node.get_subscriptions_info_by_topic("/cam/image_raw")) == [ReliabilityPolicy.BEST_EFFORT]
    assert reliability(node.get_publishers_info_by_topic("/depth/camera_info")) == [ReliabilityPolicy.BEST_EFFORT]
    assert reliability(node.get_publishers_info_by_topic("/depth/image")) == [ReliabilityPolicy.RELIABLE]
    # Nor does it reach the next node of the process.
    assert qos.OUTPUT.reliability == ReliabilityPolicy.RELIABLE
