# SPDX-License-Identifier: Apache-2.0
"""A depth node that gives images to itself, on a GPU that breaks at the third: started by test_device_lost.py."""

from __future__ import annotations

import sys

import torch
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.nodes.depth import session
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.prediction import DepthKind, DepthPrediction


class BreakingModel:
    spec, device, engine = ModelSpec("plane", "test", DepthKind.METRIC, "none"), torch.device("cpu"), "torch fp16"
    images = 0

    def predict(self, rgb, cameras):
        self.images += 1
        if self.images > 2:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be")
        return [DepthPrediction(image[..., 0].float(), DepthKind.METRIC) for image in rgb]


class SelfFed(DepthNode):
    def __init__(self) -> None:
        super().__init__()
        self._images = self.create_publisher(Image, "image", 1)
        self._infos = self.create_publisher(CameraInfo, "camera_info", 1)
        self._feed = self.create_timer(0.05, self._send)

    def _send(self) -> None:
        stamp = self.get_clock().now().to_msg()
        image = Image(height=4, width=6, encoding="rgb8", step=18, data=bytes(72))
        info = CameraInfo(height=4, width=6, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [6.0, 0.0, 3.0, 0.0, 6.0, 2.0, 0.0, 0.0, 1.0]
        image.header.stamp = info.header.stamp = stamp
        self._infos.publish(info)
        self._images.publish(image)


if __name__ == "__main__":
    session.load_model = lambda _: BreakingModel()
    sys.exit(run(SelfFed))
