# SPDX-License-Identifier: Apache-2.0
"""A depth node as most are written: all in the image's callback, a queue of 10, and a Python list a point.

    python peer.py [--outliers]

The network, the camera and the topics are those of the depth node; the clouds go through statistical outlier removal
as of PCL's tutorial (50 neighbours, one standard deviation; Open3D) with `--outliers`. It does not colour a cloud that
nobody subscribes to, which is kinder than most.
"""

from __future__ import annotations

import array
import struct
import sys
from typing import Any

import cv2
import numpy as np
import rclpy
import torch
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import load_model


class PeerNode(Node):
    def __init__(self, outliers: bool) -> None:
        super().__init__("depth")
        self.model, self.outliers, self.info = load_model(ModelConfig(model="tiny")), outliers, CameraInfo()
        self.depth = self.create_publisher(Image, "/depth/image", 10)
        self.points = self.create_publisher(PointCloud2, "/depth/points", 10)
        self.create_subscription(CameraInfo, "/cam/camera_info", self.on_info, 10)
        self.create_subscription(Image, "/cam/image_raw", self.on_image, 10)

    def on_info(self, message: CameraInfo) -> None:
        self.info = message

    def on_image(self, message: Image) -> None:
        height, width = message.height, message.width
        bgr = np.frombuffer(message.data, np.uint8).reshape(height, width, 3).copy()
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        camera = Camera.from_fov((width, height), 70.0)
        depth = self.model.predict(torch.from_numpy(rgb)[None], [camera])[0].values.numpy()
        out = Image(header=message.header, height=height, width=width, encoding="32FC1", step=4 * width)
        out.data = array.array("B", depth.tobytes())
        self.depth.publish(out)
        if self.points.get_subscription_count():
            self.points.publish(self.cloud(message.header, depth, rgb))

    def cloud(self, header: Any, depth: np.ndarray, rgb: np.ndarray) -> PointCloud2:
        fx, fy, cx, cy = (self.info.k[index] for index in (0, 4, 2, 5))
        points = []
        for v in range(depth.shape[0]):
            for u in range(depth.shape[1]):
                z = float(depth[v, u])
                if np.isfinite(z):
                    r, g, b = (int(value) for value in rgb[v, u])
                    colour = struct.unpack("f", struct.pack("I", r << 16 | g << 8 | b))[0]
                    points.append([(u - cx) * z / fx, (v - cy) * z / fy, z, colour])
        if self.outliers:
            import open3d

            cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(np.array(points)[:, :3]))
            _, kept = cloud.remove_statistical_outlier(nb_neighbors=50, std_ratio=1.0)
            points = [points[index] for index in kept]
        fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate(("x", "y", "z", "rgb"))]
        out = PointCloud2(header=header, height=1, width=len(points), fields=fields, point_step=16, is_dense=True)
        out.row_step = 16 * len(points)
        out.data = array.array("B", b"".join(struct.pack("ffff", *point) for point in points))
        return out


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(PeerNode("--outliers" in sys.argv))
