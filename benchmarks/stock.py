# SPDX-License-Identifier: Apache-2.0
"""A camera driver and a viewer as other people write them: rclpy and nothing of ours, processes of their own.

    python benchmarks/stock.py drive WIDTH HEIGHT RATE COUNT RELIABILITY [--jitter-ms MS] [--pause-s S] [--slower F]
    python benchmarks/stock.py view RELIABILITY

The driver publishes /cam/image_raw (bgr8, noise) and /cam/camera_info once somebody subscribes; after the first images,
which are for starting up, it waits for a line on stdin, publishes COUNT images and prints their stamps as JSON. The
viewer prints the stamps of /depth/image when stdin is closed.
"""

from __future__ import annotations

import argparse
import array
import json
import random
import select
import sys
import time
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image


def qos(reliability: str, depth: int = 5) -> QoSProfile:
    """Keep last, volatile, `reliable` or `best_effort`."""
    policy = ReliabilityPolicy[reliability.upper()]
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=policy)


def stamp_ns(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec * 10**9 + stamp.nanosec)


class Driver:
    """Publishes an image and its camera_info, with stamps `jitter_s` (standard deviation) off."""

    def __init__(self, width: int, height: int, reliability: str, jitter_s: float) -> None:
        self._node = rclpy.create_node("driver")
        self.images = self._node.create_publisher(Image, "/cam/image_raw", qos(reliability))
        self._infos = self._node.create_publisher(CameraInfo, "/cam/camera_info", qos(reliability))
        self._jitter_s, self._random = jitter_s, random.Random(1)
        self._image = Image(width=width, height=height, step=3 * width, encoding="bgr8")
        self._image.data = array.array("B", self._random.randbytes(3 * width * height))
        focal = 0.9 * width
        self._info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
        self._info.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
        self._info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        self._info.p = [focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]

    def publish(self) -> int:
        """The stamp, ns."""
        now = time.time_ns() + round(self._random.gauss(0.0, self._jitter_s) * 1e9)
        for message in (self._info, self._image):
            message.header.frame_id = "camera"
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
        self._infos.publish(self._info)
        self.images.publish(self._image)
        return now


def drive(arguments: argparse.Namespace) -> None:
    driver = Driver(arguments.width, arguments.height, arguments.reliability, arguments.jitter_ms / 1e3)
    while not driver.images.get_subscription_count():
        time.sleep(0.02)
    if arguments.warm_up:
        while not select.select([sys.stdin], [], [], 1.0 / arguments.rate)[0]:
            driver.publish()
    sys.stdin.readline()
    stamps, due = [], time.monotonic()
    for index in range(arguments.count):
        time.sleep(max(0.0, due - time.monotonic()))
        stamps.append(driver.publish())
        half = index >= arguments.count // 2
        due += 1.0 / arguments.rate * (arguments.slower if half else 1.0)
        if index == arguments.count // 2:
            due += arguments.pause_s
    print(json.dumps(stamps), flush=True)
    driver.images.wait_for_all_acked(Duration(seconds=5))  # reliable readers may still want the last ones
    time.sleep(1.0)


def view(arguments: argparse.Namespace) -> None:
    node = rclpy.create_node("viewer")
    stamps: list[int] = []
    node.create_subscription(
        Image, "/depth/image", lambda message: stamps.append(stamp_ns(message)), qos(arguments.reliability)
    )
    while not select.select([sys.stdin], [], [], 0.0)[0]:
        before = len(stamps)
        rclpy.spin_once(node, timeout_sec=0.1)
        if not before and stamps:
            print("first", flush=True)
    print(json.dumps(stamps), flush=True)


def start() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    driver = kinds.add_parser("drive")
    for name, kind in (("width", int), ("height", int), ("rate", float), ("count", int), ("reliability", str)):
        driver.add_argument(name, type=kind)
    driver.add_argument("--jitter-ms", type=float, default=0.0)
    driver.add_argument("--pause-s", type=float, default=0.0)
    driver.add_argument("--slower", type=float, default=1.0)
    driver.add_argument("--warm-up", action="store_true")
    driver.set_defaults(run=drive)
    viewer = kinds.add_parser("view")
    viewer.add_argument("reliability")
    viewer.set_defaults(run=view)
    arguments = parser.parse_args()
    rclpy.init()
    arguments.run(arguments)


if __name__ == "__main__":
    start()
