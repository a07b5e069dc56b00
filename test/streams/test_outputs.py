# SPDX-License-Identifier: Apache-2.0
"""Which topics a model gives, and that messages of rclpy and of rosbags are filled alike, byte by byte."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2, PointField

from mono_depth_ros.bags.messages import POINT_FIELD, empty, header_of, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.config import DepthConfig, GroundConfig, ObstacleConfig
from mono_depth_ros.config.offline import BAG_OUTPUTS
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, COMPRESSED, IMAGE, SCAN
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.obstacles import Finding, ObstacleSource
from mono_depth_ros.streams.outputs import DEPTH_TOPICS, OUTPUTS, Contents, Result, aligned_outputs, depth_outputs

CLASSES = {IMAGE: Image, COMPRESSED: CompressedImage, CAMERA_INFO: CameraInfo, CLOUD: PointCloud2, SCAN: LaserScan}
CAMERA = Camera(6, 4, 5.0, 5.0, 2.5, 1.5)
BASE = {
    ObstacleConfig: ObstacleConfig(voxel_points=1),
    GroundConfig: GroundConfig(base_frame="base", base_from_camera="0 0 0.5 -0.5 0.5 -0.5 0.5"),
}


def spec(kind=DepthKind.METRIC, **changes):
    return ModelSpec("some", "test", kind, "none", **changes)


def fill(message, output, result):
    Contents([(result, output)]).fill(message, output, result)


def topics(outputs):
    return {output.topic for output in outputs}


def test_relative_depth_never_appears_as_metres():
    relative = topics(depth_outputs(spec(DepthKind.INVERSE_AFFINE), rectify=False))
    assert relative == {"depth/inverse", "depth/camera_info", "depth/color", "depth/color/compressed"}
    for kind in (DepthKind.AFFINE, DepthKind.SCALE):
        assert topics(depth_outputs(spec(kind), rectify=False)) == relative - {"depth/inverse"} | {"depth/relative"}
    metric = topics(depth_outputs(spec(), rectify=False))
    assert metric == relative - {"depth/inverse"} | {
        "depth/image",
        "depth/image/compressedDepth",
        "depth/points",
        "depth/normals",
    }


def test_what_only_some_models_and_options_give():
    plain = topics(depth_outputs(spec(), rectify=False))
    assert topics(depth_outputs(spec(confidence=True), rectify=False)) - plain == {"depth/confidence"}
    rectified = {"rgb/image_rect", "rgb/image_rect/compressed", "rgb/camera_info"}
    assert topics(depth_outputs(spec(), rectify=True)) - plain == rectified
    assert topics(aligned_outputs()) == {
        "aligned/image",
        "aligned/image/compressedDepth",
        "aligned/camera_info",
        "aligned/points",
        "aligned/uncertainty",
    }
    placed = {"depth/obstacles", "depth/free", "depth/scan"}
    assert topics(depth_outputs(spec(), rectify=False, obstacles=True)) - plain == placed
    assert not placed & topics(depth_outputs(spec(DepthKind.INVERSE_AFFINE), rectify=False, obstacles=True))
    assert topics(aligned_outputs(True)) - topics(aligned_outputs()) == {
        "aligned/obstacles",
        "aligned/free",
        "aligned/scan",
    }
    assert "depth/normals" in topics(depth_outputs(spec(DepthKind.INVERSE_AFFINE, normals=True), rectify=False))


def test_every_output_can_be_asked_of_mono_depth_bag():
    assert {option for output in OUTPUTS for option in output.options} - {"rectify", "live"} == set(BAG_OUTPUTS)


def test_an_uncertainty_that_is_not_known_is_not_made_up():
    depth = torch.full((4, 6), 2.0)
    (output,) = (one for one in OUTPUTS if one.topic == "aligned/uncertainty")
    for sigma in (None, 0.1 * depth):
        frame = Frame(torch.zeros(4, 6, 3), CAMERA, DepthPrediction(depth, DepthKind.METRIC, uncertainty=sigma))
        values = output.values(Result(frame, None, None, "32FC1", None))
        assert bool(values.isnan().all()) == (sigma is None) and (sigma is None or torch.equal(values, sigma))


@pytest.mark.parametrize("given", [True, False], ids=["camera_info given on", "camera_info of the camera"])
@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.topic)
def test_messages_of_rclpy_and_rosbags_have_the_same_bytes(output, given):
    rgb = torch.arange(72, dtype=torch.uint8).reshape(4, 6, 3)
    kind = next((kind for kind, topic in DEPTH_TOPICS.items() if topic == output.topic), DepthKind.METRIC)
    values = torch.linspace(1, 9, 24).reshape(4, 6)
    frame = Frame(rgb, CAMERA, DepthPrediction(values, kind, confidence=values / 9), DepthConfig())
    live = CLASSES[output.kind]()
    live.header.frame_id, live.header.stamp.sec, live.header.stamp.nanosec = "camera", 7, 8
    header = header_of(SimpleNamespace(stamp=live.header.stamp, frame_id="camera"))
    recorded = empty(output.kind, header)
    info = info_from(Camera(6, 4, 5.0, 5.0, 2.5, 1.5, "plumb_bob", (0.1, 0.2, 0.0, 0.0, 0.0)), header)
    live_info = CameraInfo(height=4, width=6, distortion_model="plumb_bob", d=info.d, k=info.k, r=info.r, p=info.p)
    for message, own_header, own_info, field in (
        (live, live.header, live_info, PointField),
        (recorded, header, info, POINT_FIELD),
    ):
        found = Finding(ObstacleSource(BASE.get, None), frame, own_header)
        given_on = own_info if given else None
        fill(message, output, Result(frame, own_header, given_on, "32FC1", field, obstacles=found))
    # Once more by rosbags: the middleware leaves the bytes between two fields as they were.
    sent = TYPES.deserialize_cdr(serialize_message(live), output.kind)
    assert bytes(TYPES.serialize_cdr(sent, output.kind)) == bytes(TYPES.serialize_cdr(recorded, output.kind))
