# SPDX-License-Identifier: Apache-2.0
"""Normals and confidence of the depth node, from models that have them and from those that have not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, PointCloud2

from mono_depth_ros.prediction import DepthKind


def floats(message, channels):
    return np.frombuffer(bytes(message.data), np.float32).reshape(message.height, message.width, channels)


def seeing(plane_model, **given):
    """A model that says the floor is below, with a confidence of a quarter."""
    model = plane_model(**given)
    model.spec = replace(model.spec, normals=True, confidence=True)
    predict = model.predict

    def with_more(rgb, cameras):
        normals = torch.tensor([0.0, -1.0, 0.0]).expand(*rgb.shape[1:3], 3)
        return [replace(p, normals=normals, confidence=torch.full(rgb.shape[1:3], 0.25)) for p in predict(rgb, cameras)]

    model.predict = with_more
    return model


def test_the_models_own_normals_and_confidence_are_published(ros, rig, plane_model):
    normals, confidence = ros.listen(Image, "/depth/normals"), ros.listen(Image, "/depth/confidence")
    r = rig(seeing(plane_model))
    ros.wait(lambda: normals and confidence, poll=r.send)
    assert (normals[0].encoding, normals[0].step) == ("32FC3", 12 * r.SIZE[0])
    assert (floats(normals[0], 3) == [0, -1, 0]).all()
    assert confidence[0].encoding == "32FC1" and (floats(confidence[0], 1) == 0.25).all()
    assert normals[0].header.frame_id == "camera_optical"


def test_a_model_without_them_has_the_normals_of_its_depth_and_no_confidence(ros, rig):
    normals = ros.listen(Image, "/depth/normals")
    r = rig()
    ros.wait(lambda: normals, poll=r.send)
    np.testing.assert_allclose(floats(normals[0], 3), np.broadcast_to([0, 0, -1], (48, 64, 3)), atol=1e-3)
    assert "/depth/confidence" not in dict(ros.outsider.get_topic_names_and_types())


def test_a_relative_model_publishes_normals_only_if_it_has_some(ros, rig, plane_model):
    r = rig(plane_model(kind=DepthKind.INVERSE_AFFINE))
    ros.wait(lambda: "/depth/inverse" in dict(ros.outsider.get_topic_names_and_types()))
    assert ros.outsider.count_publishers("/depth/normals") == 0
    assert r.node.trigger_deactivate().name == "SUCCESS"


def test_the_cloud_carries_normals_on_request_while_the_node_runs(ros, rig, plane_model):
    clouds = ros.listen(PointCloud2, "/depth/points")
    r = rig(seeing(plane_model))
    ros.wait(lambda: clouds, poll=r.send)
    assert [field.name for field in clouds[-1].fields] == ["x", "y", "z", "rgb"]
    assert r.node.set_parameters([Parameter("cloud_normals", value=True)])[0].successful
    ros.wait(lambda: clouds[-1].point_step == 32, poll=r.send)
    names = [field.name for field in clouds[-1].fields]
    assert names == ["x", "y", "z", "rgb", "normal_x", "normal_y", "normal_z", "curvature"]
    assert [field.offset for field in clouds[-1].fields] == [0, 4, 8, 12, 16, 20, 24, 28]
    point = floats(clouds[-1], 8)[24, 32]
    assert point[2] == 5.0 and point[4:7].tolist() == [0, -1, 0]
