# SPDX-License-Identifier: Apache-2.0
"""The depth node over rclpy and DDS: what comes out, for good input and for bad."""

from __future__ import annotations

import math
import time

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from mono_depth_ros.nodes.depth_node import DepthNode
from mono_depth_ros.nodes.topics import input_topics
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


def test_nothing_is_computed_while_nobody_listens(ros, rig):
    r = rig()
    ros.wait(lambda: r.node._monitor.snapshot().received > 3, poll=r.send)
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
    assert input_topics(node, "raw") == expected
    assert input_topics(node, "compressed") == (expected[0] + "/compressed", expected[1])


BAD_IMAGES = {
    "image_zero_size": {"width": 0, "height": 0, "data": b"", "step": 0},
    "image_truncated": {"data": b"\0" * 100},
    "image_step": {"step": 10},
    "image_encoding": {"encoding": "yuv999"},
    "camera_info_size": {"width": 32, "step": 96, "data": b"\0" * 32 * 48 * 3},
}


@pytest.mark.parametrize("reason", BAD_IMAGES)
def test_a_bad_image_is_dropped_with_a_reason_and_the_node_goes_on(ros, rig, reason):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: r.drops().get(reason), poll=lambda: r.send(r.image(**BAD_IMAGES[reason])))
    assert not depth
    ros.wait(lambda: depth, poll=r.send)


@pytest.mark.parametrize("focal", [0.0, -60.0, math.nan])
def test_an_uncalibrated_camera_is_said_in_diagnostics(ros, rig, focal):
    r = rig(diagnostics_period=0.1)
    depth, status = ros.listen(Image, "/depth/image"), ros.listen(DiagnosticArray, "/diagnostics")
    bad = [focal, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
    ros.wait(
        lambda: any("not calibrated" in s.status[0].message for s in status),
        poll=lambda: r.send(info=r.info(k=bad)),
    )
    assert r.drops()["camera_uncalibrated"] and not depth


def test_a_missing_camera_info_is_said_and_a_late_one_is_enough(ros, rig):
    r = rig(diagnostics_period=0.1)
    depth, status = ros.listen(Image, "/depth/image"), ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(
        lambda: any("no camera_info" in s.status[0].message for s in status), poll=lambda: r.images.publish(r.image())
    )
    assert r.drops()["no_camera_info"] and not depth
    ros.wait(lambda: depth, poll=r.send)


def test_resolution_and_encoding_may_change_in_mid_stream(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: depth, poll=r.send)
    small = {"width": 32, "height": 24}

    def send_small():
        pixels = np.full((24, 32), 70, np.uint8).tobytes()
        info = r.info(**small, k=[30.0, 0, 15.5, 0, 30, 11.5, 0, 0, 1])
        r.send(r.image(**small, encoding="mono8", step=32, data=pixels), info)

    ros.wait(lambda: depth[-1].width == 32, poll=send_small)
    assert as_array(depth[-1], np.float32)[0, 0, 0] == 7.0


def test_time_jumping_back_drops_one_frame_and_goes_on(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: len(depth) > 2, poll=r.send)
    r.stamp_ns -= 60 * 10**9
    heard = len(depth)
    ros.wait(lambda: len(depth) > heard + 2, poll=r.send)
    assert r.drops()["time_backwards"] == 1


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
    snapshot = r.node._monitor.snapshot()
    assert snapshot.drops["superseded"] > 5 * snapshot.published


def test_a_failing_network_costs_a_frame_and_not_the_node(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    good, r.model.predict = r.model.predict, lambda *_: 1 / 0
    ros.wait(lambda: r.drops().get("internal_error"), poll=r.send)
    r.model.predict = good
    ros.wait(lambda: depth, poll=r.send)


def test_diagnostics_say_idle_when_nobody_subscribes_and_figures_when_somebody_does(ros, rig):
    r = rig(diagnostics_period=0.1)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: any("nobody subscribes" in s.status[0].message for s in status), poll=r.send)
    ros.listen(Image, "/depth/image")
    ros.wait(lambda: any("publishing" in s.status[0].message for s in status), poll=r.send)
    values = {pair.key: pair.value for pair in status[-1].status[0].values}
    assert values["model"] == "plane" and values["device"] == "cpu" and status[-1].status[0].name == "depth"
    assert float(values["latency p50 (ms)"]) > 0 and float(values["latency p99 (ms)"]) > 0
    assert {"stage decode p50 (ms)", "stage estimate p50 (ms)", "stage depth/image p50 (ms)"} <= set(values)


def test_diagnostics_say_when_nothing_publishes_the_image(ros, rig):
    r = rig(diagnostics_period=0.1)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.outsider.destroy_publisher(r.images)
    ros.wait(lambda: any("nothing publishes /cam/image_raw" in s.status[0].message for s in status))


def test_diagnostics_say_when_a_subscriber_asks_for_too_much(ros, rig):
    r = rig(diagnostics_period=0.1)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    latched = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.listen(Image, "/depth/image", latched)
    ros.wait(lambda: any("QoS mismatch" in s.status[0].message for s in status), poll=r.send)
    assert any("depth/image" in s.status[0].message for s in status)


def test_diagnostics_say_when_the_qos_overrides_ask_for_more_than_the_camera_offers(ros, rig):
    override = {"qos_overrides./cam/image_raw.subscription.reliability": "reliable"}
    rig(matched=False, diagnostics_period=0.1, **override)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: any("QoS mismatch: a publisher of /cam/image_raw" in s.status[0].message for s in status))


def set_parameter(ros, node, name, value):
    client = ros.outsider.create_client(SetParameters, f"{node.get_fully_qualified_name()}/set_parameters")
    assert client.wait_for_service(10)
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    future = client.call_async(request)
    ros.wait(future.done)
    return future.result().results[0]


def test_dynamic_parameters_apply_at_once_and_wrong_ones_change_nothing(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    assert set_parameter(ros, r.node, "max_depth", 4).successful
    ros.wait(lambda: depth, poll=r.send)
    assert np.isinf(as_array(depth[0], np.float32)).all()

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
    with pytest.raises(Exception, match=words):
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
