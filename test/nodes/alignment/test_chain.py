# SPDX-License-Identifier: Apache-2.0
"""Depth node and alignment node together: an image in, depth of the right scale out, and no network run in vain."""

from __future__ import annotations

import numpy as np
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, PointCloud2, PointField

from mono_depth_ros.nodes.alignment.node import AlignmentNode
from mono_depth_ros.prediction import DepthKind


def wall(header, z_m: float) -> PointCloud2:
    """Points of a wall across the view, in the camera's frame."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 20) * z_m, np.linspace(-0.35, 0.35, 20) * z_m)
    points = np.stack([x, y, np.full_like(x, z_m)], axis=-1).reshape(-1, 3).astype("<f4")
    message = PointCloud2(height=1, width=400, point_step=12, row_step=4800, data=points.tobytes(), header=header)
    message.fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate("xyz")]
    return message


def test_the_network_runs_only_for_somebody_who_wants_aligned_depth(ros, rig, plane_model):
    model = plane_model(DepthKind.METRIC)
    camera = rig(model)
    node = AlignmentNode(parameter_overrides=[Parameter("cam_from_reference", value="0 0 0 0 0 0 1")])
    assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
    ros.add(node)
    clouds = ros.outsider.create_publisher(PointCloud2, "/points", qos_profile_sensor_data)

    def send() -> None:
        image = camera.image(50)  # 5 m, says the network
        clouds.publish(wall(image.header, 8.0))
        camera.send(image)

    received = camera.node.session.streams[0].monitor.snapshot
    ros.wait(lambda: received().received > 5, poll=send)
    assert model.calls == 0, "nobody wants depth, aligned or not"
    aligned: list[Image] = []
    wish = ros.outsider.create_subscription(Image, "/aligned/image", aligned.append, 10)
    ros.wait(lambda: len(aligned) > 2, poll=send)
    np.testing.assert_allclose(np.frombuffer(aligned[-1].data, "<f4"), 8.0, rtol=5e-3)
    assert aligned[-1].header.frame_id == "camera_optical"
    ros.outsider.destroy_subscription(wish)
    ros.wait(lambda: camera.node.session.streams[0].outputs.subscribers() == 0)
    calls, seen = model.calls, received().received
    ros.wait(lambda: received().received > seen + 5, poll=send)
    assert model.calls <= calls + 1, "of the image that was under way"
