# SPDX-License-Identifier: Apache-2.0
"""A reference for real: messages over DDS, and publishers whose QoS does not match."""

from __future__ import annotations

import pytest
from geometry_msgs.msg import PoseStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import PointCloud2


@pytest.fixture
def source(ros, rig_type):
    made = []

    def make(**parameters):
        rig = rig_type((), cam_from_reference="0.1 0 0 0.5 -0.5 0.5 0.5", **parameters)
        made.append(rig)
        ros.add(rig.node)
        return rig

    yield make
    for rig in made:
        ros.executor.remove_node(rig.node)
        rig.close()


def test_a_cloud_arrives(ros, source, messages):
    rig = source(reference="lidar")
    publisher = ros.outsider.create_publisher(PointCloud2, "/points", qos_profile_sensor_data)
    ros.wait(lambda: rig.source.feed().publishers == 1 and publisher.get_subscription_count())
    ros.wait(lambda: rig.source.samples(rig.view()), poll=lambda: publisher.publish(messages.cloud([(2.0, 0.1, 0.0)])))
    assert rig.samples().samples.depth == pytest.approx(2.0)


def test_poses_are_subscribed_to_with_the_type_that_is_published(ros, source, messages):
    publisher = ros.outsider.create_publisher(PoseStamped, "/odom", 10)
    ros.wait(lambda: ros.outsider.count_publishers("/odom"))
    rig = source(reference="motion")
    message = messages.stamped(PoseStamped(), "map")
    message.pose.orientation.w = 1.0
    ros.wait(lambda: rig.source.reference.poses.known, poll=lambda: publisher.publish(message))
    assert rig.source.feed().publishers == 1


def test_a_qos_that_does_not_match_is_told(ros, source):
    rig = source(reference="lidar", **{"qos_overrides./points.subscription.reliability": "reliable"})
    ros.outsider.create_publisher(PointCloud2, "/points", qos_profile_sensor_data)
    ros.wait(lambda: "QoS mismatch: a publisher of /points offers less" in rig.source.feed().conflict)
