# SPDX-License-Identifier: Apache-2.0
"""Names that mislead: compressed images under any name, one transport meant and another there, colours in doubt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mono_depth_ros.nodes.depth.node import DepthNode


class Named:
    """A depth node whose image is given by name, and a driver that publishes where it likes."""

    def __init__(self, ros, monkeypatch, model, image, kind, topic, *words, **parameters):
        monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: model)
        self.ros, self.kind = ros, kind
        given = [Parameter(name, value=value) for name, value in {"diagnostics_period": 0.1, **parameters}.items()]
        arguments = ["--ros-args", "-r", f"image:={image}", *words]
        self.node = DepthNode(parameter_overrides=given, cli_args=arguments)
        assert self.node.trigger_configure().name == "SUCCESS" and self.node.trigger_activate().name == "SUCCESS"
        ros.add(self.node)
        # Of another process to DDS: one process cannot have two types under one name.
        self.context = Context()
        self.context.init()
        self.driver = Node("driver", context=self.context)
        self.images = self.driver.create_publisher(kind, topic, qos_profile_sensor_data)
        self.infos = self.driver.create_publisher(CameraInfo, "/cam/camera_info", 5)
        self.depth = ros.listen(Image, "/depth/image")
        self.status = ros.listen(DiagnosticArray, "/diagnostics")

    def send(self, name="jpeg", bgr=(9, 9, 90)):
        info = CameraInfo(width=64, height=48, k=[60.0, 0, 32, 0, 60, 24, 0, 0, 1])
        pixels = np.full((48, 64, 3), bgr, np.uint8)
        pixels[:24, 32:, 0] += 60  # some contrast, else that is what is said
        picture = cv2.imencode(".png", pixels)[1].tobytes()
        message = CompressedImage(format=name, data=picture) if self.kind is CompressedImage else Image()
        info.header.stamp = message.header.stamp = self.driver.get_clock().now().to_msg()
        self.infos.publish(info)
        self.images.publish(message)

    def says(self, words):
        return any(words in item.status[0].message for item in self.status)


@pytest.fixture
def named(ros, monkeypatch, plane_model):
    made = []

    def make(*given, **parameters):
        made.append(Named(ros, monkeypatch, plane_model(), *given, **parameters))
        return made[-1]

    yield make
    for item in made:
        item.driver.destroy_node()
        item.context.shutdown()


@pytest.mark.parametrize("topic", ["/cam/image_compressed", "/cam/image_raw/zstd"])
def test_compressed_images_may_have_any_name(ros, named, topic):
    n = named(topic, CompressedImage, topic, image_transport="compressed")
    ros.wait(lambda: n.depth, poll=n.send)
    ros.wait(lambda: n.says("publishing"), poll=n.send)
    n.status.clear()
    ros.wait(lambda: len(n.status) > 3, poll=n.send)
    assert not n.says("nothing publishes")


def test_a_remapped_compressed_topic_is_diagnosed_by_its_resolved_name(ros, named):
    words = ("-r", "/cam/image_raw/compressed:=/cam/jpegs")
    n = named("/cam/image_raw", CompressedImage, "/cam/jpegs", *words, image_transport="compressed")
    ros.wait(lambda: n.says("publishing"), poll=n.send)
    n.status.clear()
    ros.wait(lambda: len(n.status) > 3, poll=n.send)
    assert not n.says("nothing publishes")


@pytest.mark.parametrize(
    ("image", "kind", "topic", "transport", "words"),
    [
        ("/cam/image_raw", CompressedImage, "/cam/image_raw/compressed", "raw", "set image_transport:=compressed"),
        (
            "/cam/image_raw/compressed",
            CompressedImage,
            "/cam/image_raw/compressed",
            "raw",
            "image_transport:=compressed",
        ),
        ("/cam/jpegs", CompressedImage, "/cam/jpegs", "raw", "/cam/jpegs has compressed images: set"),
        ("/cam/image_raw", Image, "/cam/image_raw", "compressed", "/cam/image_raw has raw images: set"),
        ("/cam/image_raw", CompressedImage, "/cam/image_raw/zstd", "compressed", "/cam/image_raw/zstd has compressed"),
        ("/cam/image_raw", CameraInfo, "/cam/image_raw", "raw", "it has messages of sensor_msgs/msg/CameraInfo"),
    ],
)
def test_another_transport_is_said_with_what_to_set(ros, named, image, kind, topic, transport, words):
    n = named(image, kind, topic, image_transport=transport)
    ros.wait(lambda: n.says(words))
    assert n.says("no image: nothing publishes /cam/")


def test_a_png_called_compressed_rgb8_is_read_as_it_is_and_that_is_said_once(ros, named, capfd):
    n = named("/cam/image_raw", CompressedImage, "/cam/image_raw/compressed", image_transport="compressed")
    ros.wait(lambda: len(n.depth) > 3, poll=lambda: n.send("rgb8; png compressed rgb8"))
    assert np.frombuffer(n.depth[-1].data, np.float32)[0] == 9.0  # of red
    n.node.set_parameters([Parameter("compressed_order", value="format")])
    ros.wait(
        lambda: np.frombuffer(n.depth[-1].data, np.float32)[0] == np.float32(0.9),
        poll=lambda: n.send("rgb8; png compressed rgb8"),
    )
    assert "".join(capfd.readouterr()).count("set compressed_order to format") == 1
