# SPDX-License-Identifier: Apache-2.0
"""image_raw, image_raw/compressed and camera_info of a camera, all with one stamp and frame."""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mono_depth_ros.config import CameraTopicsConfig
from mono_depth_ros.geometry.calibration import CameraCalibration
from mono_depth_ros.messages.buffers import set_data
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.nodes.ros.qos import OUTPUT, overridable, own

_FROM_RGB = {"rgb8": None, "bgr8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_RGB2GRAY}
_ACKNOWLEDGED_S = 2.0


class CameraTopics:
    """The publishers of one camera.

    Args:
        node: creates them. config: names and encodings.
    """

    def __init__(self, node: Node, config: CameraTopicsConfig) -> None:
        self._node, self._config = node, config
        # Kept between frames: a message of the same size is filled in place.
        self._image, self._compressed, self._info = Image(), CompressedImage(), CameraInfo()
        self._compressed.format = _compressed_format(config.encoding)
        self._raw_publisher: Any = None
        self._compressed_publisher: Any = None
        if config.transport != "compressed":
            self._raw_publisher = publisher(node, Image, "image_raw")
        if config.transport != "raw":
            self._compressed_publisher = publisher(node, CompressedImage, "image_raw/compressed")
        self._info_publisher = publisher(node, CameraInfo, "camera_info")

    def calibrate(self, calibration: CameraCalibration) -> None:
        """What goes into every camera_info as it is; before the first image."""
        self._info = camera_info(calibration)

    def publishers(self) -> list[Any]:
        """Those of the images, and that of camera_info, which is the last."""
        images = (self._raw_publisher, self._compressed_publisher)
        return [item for item in images if item is not None] + [self._info_publisher]

    def matched(self) -> bool:
        """Whether somebody subscribes to an image topic and somebody to camera_info."""
        *images, info = self.publishers()
        return subscribed(info) and any(map(subscribed, images))

    def header(self, stamp: Time) -> Header:
        return Header(stamp=stamp.to_msg(), frame_id=self._config.frame_id)

    def publish(self, rgb: np.ndarray, header: Header) -> None:
        """Publish (H, W, 3) uint8 RGB and its camera_info; an image topic without subscribers costs nothing."""
        self._info.header = self._image.header = self._compressed.header = header
        self._info_publisher.publish(self._info)
        wanted = [subscribed(item) if item else False for item in (self._raw_publisher, self._compressed_publisher)]
        if not any(wanted):
            return
        conversion = _FROM_RGB[self._config.encoding]
        pixels = rgb if conversion is None else cv2.cvtColor(rgb, conversion)
        if wanted[0]:
            fill_image(self._image, pixels, self._config.encoding)
            self._raw_publisher.publish(self._image)
        if wanted[1]:
            stored = pixels if self._config.encoding != "rgb8" else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            quality = (cv2.IMWRITE_JPEG_QUALITY, self._config.jpeg_quality)
            set_data(self._compressed, cv2.imencode(".jpg", stored, quality)[1])
            self._compressed_publisher.publish(self._compressed)


def publisher(node: Node, kind: type, topic: str, qos: Any = OUTPUT) -> Any:
    """A publisher whose QoS the user may override."""
    return node.create_publisher(kind, topic, own(qos), qos_overriding_options=overridable())


def subscribed(item: Any) -> bool:
    """Whether anybody listens to a publisher."""
    return item.get_subscription_count() > 0


def end(node: Node, publishers: list[Any], exit_at_end: bool) -> None:
    """After the last frame: let reliable subscribers have it, then end the process if that is wanted."""
    if not exit_at_end:
        node.get_logger().info("this was the last image; the node stays, as exit_at_end is false")
        return
    for item in publishers:
        item.wait_for_all_acked(Duration(seconds=_ACKNOWLEDGED_S))
    rclpy.try_shutdown()


def camera_info(calibration: CameraCalibration) -> CameraInfo:
    """The calibration as it is in its file, R and P included; the header is left empty."""
    message = CameraInfo(width=calibration.width, height=calibration.height, distortion_model=calibration.model)
    message.d = array.array("d", calibration.D)
    message.k, message.r, message.p = (np.array(values) for values in (calibration.K, calibration.R, calibration.P))
    return message


def _compressed_format(encoding: str) -> str:
    # As image_transport's compressed_image_transport writes it.
    return "mono8; jpeg compressed " if encoding == "mono8" else f"{encoding}; jpeg compressed bgr8"
