# SPDX-License-Identifier: Apache-2.0
"""A network in the alignment node whose prompt is the lidar: Prompt Depth Anything, narrow, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from safetensors.torch import save_file
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.prompt_depth_anything import PromptDepthAnythingNetwork
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.nodes.depth.node import DepthNode


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    folder: Path = tmp_path_factory.mktemp("prompt")
    encoder = {"model_type": "dinov2", "hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 3}
    config = {
        "model_type": "prompt_depth_anything",
        "depth_estimation_type": "metric",
        "max_depth": 1,
        "backbone_config": encoder | {"image_size": 518, "out_indices": [1, 2, 3, 4]},
        "neck_hidden_sizes": [16, 24, 32, 48],
        "reassemble_hidden_size": 48,
        "fusion_hidden_size": 32,
    }
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(3)
    network = PromptDepthAnythingNetwork(NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32))
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / "model.safetensors")
    return str(folder)


@pytest.fixture
def prompted(robot, checkpoint):
    """A robot with a camera instead of depth: `depth()` publishes the image and its camera_info."""

    def make(**parameters):
        options = {"alignment_model": checkpoint, "alignment_engine": "torch", "alignment_precision": "fp32"}
        r = robot(listen=False, **{**options, **parameters})
        r.infos = r.ros.outsider.create_publisher(CameraInfo, "/camera_info", QoSProfile(depth=5))
        r.depths = r.depth_publisher("/image")
        height, width = r.size

        def image_message(**_) -> Image:
            message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
            message.data = np.full((height, width, 3), 90, np.uint8).tobytes()
            return r.header(message)

        r.depth_message = image_message
        r.images = r.ros.listen(Image, "/aligned/image", 50)
        r.ros.wait(lambda: r.depths.get_subscription_count() and r.clouds.get_subscription_count())
        return r

    return make


def test_depth_comes_of_the_image_and_the_lidar_without_a_depth_node(prompted):
    r = prompted()
    sigmas = r.ros.listen(Image, "/aligned/uncertainty", 50)
    start_ns = r.stamp_ns
    r.drive(lambda: len(r.images) >= 3 and sigmas and r.values().get("state") == "aligned")
    assert r.ros.outsider.count_subscribers("/depth/image") == 0
    near, far = r.points()[:, 0].min(), r.points()[:, 0].max()
    for message in r.images:
        depth = r.pixels(message)
        assert np.isfinite(depth).all() and depth.min() >= 0.9 * near and depth.max() <= 1.1 * far
        assert start_ns < r.ns(message) <= r.stamp_ns and message.header.frame_id == "camera_optical"
    assert (r.pixels(sigmas[-1]) > 0).all()
    values = r.values()
    assert float(values["scale"]) == 1 and values["trusted"] == "no"
    off = abs(r.pixels(r.images[-1]) / r.truth - 1).mean()  # a network of noise: how wrong it is, is said
    assert float(values["held-out AbsRel after"]) == pytest.approx(off, rel=0.5)
    assert int(values["samples held out"]) > 50 and values["licence of the weights"] == "not stated"


def test_an_image_without_a_prompt_is_dropped_and_counted(prompted):
    r = prompted()
    r.drive(lambda: r.drops().get("prompt", 0) >= 2, lidar=False)
    assert not r.images
    one = r.points()[len(r.points()) // 2 :][:1]
    r.heard.clear()
    r.drive(lambda: r.says("the only known depth of the prompt is"), points=one)
    assert not r.images
    same = np.repeat(one, 30, axis=0) + np.array([[0.0, -0.01, 0.0]]) * np.arange(30)[:, None]
    r.drive(lambda: r.says("known depths of the prompt are"), points=same.astype(np.float32))
    assert not r.images
    r.drive(lambda: r.images)


def test_what_does_not_go_with_it_is_refused(refusal, checkpoint):
    for parameters, said in (
        (
            {"reference": "lidar,motion"},
            "reference is 'lidar,motion' with an alignment_model, whose prompt its samples",
        ),
        ({"frozen": True}, "frozen is given with an alignment_model, which has no scale to keep"),
        ({"alignment_model": "tiny"}, "the model tiny takes no prompt, expected one such as prompt_depth_anything_s"),
    ):
        assert said in refusal(**{"alignment_model": checkpoint, **parameters})


def test_the_depth_node_refuses_it(ros, checkpoint, capfd):
    for model in ("prompt_depth_anything_small", checkpoint):
        parameters = {"model": model, "engine": "torch", "precision": "fp32"}
        node = DepthNode(parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()])
        assert node.trigger_configure().name == "FAILURE"
        node.destroy_node()
        said = "".join(capfd.readouterr())
        assert "give it to the alignment node, as alignment_model:=" in said
