# SPDX-License-Identifier: Apache-2.0
"""The depth node over rclpy and DDS: what comes out, for good input and for bad."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from mono_depth_ros.messages.compressed import decode_compressed
from mono_depth_ros.nodes.ros.topics import input_topics
from mono_depth_ros.prediction import DepthKind


def stamps(messages):
    return [(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages]


def as_array(message, dtype):
    return np.frombuffer(bytes(message.data), dtype).reshape(message.height, message.width, -1)


def test_depth_cloud_and_camera_info_carry_the_stamp_and_frame_of_the_image(ros, rig):
    r = rig()
    depth, cloud = ros.listen(Image, "/depth/image"), ros.listen(PointCloud2, "/depth/points")
    info, color = ros.listen(CameraInfo, "/depth/camera_info"), ros.listen(Image, "/depth/color")
    ros.wait(lambda: depth and cloud and info and color, poll=r.send)
    common = set(stamps(depth)) & set(stamps(cloud)) & set(stamps(info)) & set(stamps(color))
    assert common
    assert {m.header.frame_id for m in (depth[0], cloud[0], info[0], color[0])} == {"camera_optical"}
    assert (depth[0].encoding, depth[0].width, depth[0].height, depth[0].step) == ("32FC1", 64, 48, 256)
    assert np.all(as_array(depth[0], np.float32) == 5.0)
    assert color[0].encoding == "bgr8" and info[0].k[0] == 60.0

    points = as_array(cloud[0], np.float32)
    assert (cloud[0].height, cloud[0].width, cloud[0].point_step, cloud[0].row_step) == (48, 64, 16, 1024)
    assert [f.name for f in cloud[0].fields] == ["x", "y", "z", "rgb"]
    np.testing.assert_allclose(points[0, 0, :3], [5 * -31.5 / 60, 5 * -23.5 / 60, 5.0], rtol=1e-6)
    assert points[..., 3].copy().view(np.uint32)[0, 0] == 50 * 0x010101


def test_packed_twins_for_wifi_carry_the_stamp_of_the_image(ros, rig):
    r = rig(depth_encoding="16UC1", rectify=True)
    depth = ros.listen(CompressedImage, "/depth/image/compressedDepth")
    color = ros.listen(CompressedImage, "/depth/color/compressed")
    rgb = ros.listen(CompressedImage, "/rgb/image_rect/compressed")
    ros.wait(lambda: depth and color and rgb, poll=r.send)
    assert set(stamps(depth)) & set(stamps(color)) & set(stamps(rgb))
    assert depth[0].format == "16UC1; compressedDepth png"
    assert np.unique(cv2.imdecode(np.frombuffer(bytes(depth[0].data)[12:], np.uint8), -1)).tolist() == [5000]
    assert (color[0].format, rgb[0].format) == ("bgr8; jpeg compressed bgr8", "rgb8; jpeg compressed bgr8")
    assert decode_compressed(rgb[0]).shape == (48, 64, 3)


def test_nothing_is_computed_while_nobody_listens(ros, rig):
    r = rig()
    ros.wait(lambda: r.node.session.streams[0].monitor.snapshot().received > 3, poll=r.send)
    assert r.model.calls == 0
    heard = ros.listen(CameraInfo, "/depth/camera_info")
    ros.wait(lambda: heard, poll=r.send)
    assert r.model.calls > 0


def test_16uc1_is_millimetres_with_zero_for_unknown(ros, rig):
    r = rig(depth_encoding="16UC1", max_depth=10)
    depth = ros.listen(Image, "/depth/image")
    image = r.image(50)
    data = bytearray(image.data)
    data[0], data[3] = 0, 255  # 0 m is no depth; 25.5 m is beyond max_depth
    ros.wait(lambda: depth, poll=lambda: r.send(r.image(data=bytes(data))))
    values = as_array(depth[0], np.uint16)[0, :, 0]
    assert depth[0].encoding == "16UC1" and values[:3].tolist() == [0, 0, 5000]


def test_relative_depth_never_appears_as_metres(ros, rig, plane_model):
    r = rig(plane_model(DepthKind.INVERSE_AFFINE))
    inverse, status = ros.listen(Image, "/depth/inverse"), ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: inverse, poll=r.send)
    assert as_array(inverse[0], np.float32)[0, 0, 0] == 5.0
    topics = dict(ros.outsider.get_topic_names_and_types())
    assert "/depth/image" not in topics and "/depth/points" not in topics
    ros.wait(lambda: any("relative model" in s.status[0].message for s in status), poll=r.send)


def test_rectify_gives_an_rgbd_triplet_of_one_pinhole_camera(ros, rig):
    r = rig(rectify=True)
    rgb, depth = ros.listen(Image, "/rgb/image_rect"), ros.listen(Image, "/depth/image")
    rgb_info, depth_info = ros.listen(CameraInfo, "/rgb/camera_info"), ros.listen(CameraInfo, "/depth/camera_info")
    bent = {"d": [-0.3, 0.1, 0.0, 0.0, 0.0], "p": [50.0, 0, 30.0, 0, 0, 50, 22.0, 0, 0, 0, 1, 0]}
    ros.wait(
        lambda: set(stamps(rgb)) & set(stamps(depth)) & set(stamps(rgb_info)) & set(stamps(depth_info)),
        poll=lambda: r.send(info=r.info(**bent)),
    )
    for info in (rgb_info[0], depth_info[0]):
        assert list(info.k)[:3] == [50.0, 0.0, 30.0] and not any(info.d) and info.p[0] == 50.0
    assert (rgb[0].width, rgb[0].height) == (depth[0].width, depth[0].height)


def test_compressed_images_come_from_image_transports_topic(ros, rig):
    r = rig(image_transport="compressed")
    depth = ros.listen(Image, "/depth/image")
    _, png_bytes = cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))

    def send():
        message = CompressedImage(format="rgb8; png compressed bgr8", data=png_bytes.tobytes())
        message.header = r.image().header
        r.send(message)

    ros.wait(lambda: depth, poll=send)
    assert np.all(as_array(depth[0], np.float32) == 9.0) and depth[0].header.frame_id == "camera_optical"


@pytest.mark.parametrize(
    ("remaps", "expected"),
    [
        ([], ("/image", "/camera_info")),
        (["image:=/front/image_raw"], ("/front/image_raw", "/front/camera_info")),
        (["image:=/front/image_raw", "camera_info:=/calibration"], ("/front/image_raw", "/calibration")),
        (["__ns:=/robot", "image:=cam/image"], ("/robot/cam/image", "/robot/cam/camera_info")),
    ],
)
def test_camera_info_is_the_sibling_of_its_image_unless_it_is_remapped(ros, remaps, expected):
    arguments = [part for remap in remaps for part in ("-r", remap)]
    node = ros.add(Node("probe", cli_args=["--ros-args", *arguments]))
    assert input_topics(node, "raw") == (*expected, "")
    assert input_topics(node, "compressed") == (expected[0] + "/compressed", expected[1], expected[0])


@pytest.mark.parametrize("name", ["/front/image_raw/compressed", "/front/image_raw/zstd"])
def test_camera_info_lies_beside_the_image_and_not_beside_its_transport(ros, name):
    node = ros.add(Node("probe", cli_args=["--ros-args", "-r", f"image:={name}"]))
    assert input_topics(node, "compressed")[1] == "/front/camera_info"


def test_newest_frame_wins_and_results_do_not_grow_old(ros, rig, plane_model):
    """With a network ten times slower than the camera the age stays under two inferences + 50 ms."""
    delay = 0.2
    r = rig(plane_model(delay_s=delay))
    ages = []
    sent = {}

    def heard(message):
        ages.append(time.monotonic() - sent[(message.header.stamp.sec, message.header.stamp.nanosec)])

    ros.outsider.create_subscription(Image, "/depth/image", heard, 10)
    ros.wait(lambda: r.node.count_subscribers("/depth/image"))
    end = time.monotonic() + 4
    while time.monotonic() < end:
        image = r.image()
        sent[(image.header.stamp.sec, image.header.stamp.nanosec)] = time.monotonic()
        r.send(image)
        time.sleep(delay / 10)
    assert len(ages) > 10 and max(ages) < 2 * delay + 0.05
    snapshot = r.node.session.streams[0].monitor.snapshot()
    assert snapshot.drops["superseded"] > 5 * snapshot.published
