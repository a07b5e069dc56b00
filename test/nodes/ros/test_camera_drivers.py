# SPDX-License-Identifier: Apache-2.0
"""Drivers that publish as config/cameras says are heard, and docs/cameras.md says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.nodes.ros.camera_files import CAMERAS, camera_file
from mono_depth_ros.nodes.ros.subscribing import Input


def test_images_and_camera_info_of_every_driver_are_heard(ros: Any) -> None:
    files = {name: camera_file(name) for name in CAMERAS}
    node, heard = ros.add(Node("listener")), set[str]()
    publishers = []
    for file in files.values():
        qos = QoSProfile(
            depth=file.driver.depth,
            reliability=ReliabilityPolicy[file.driver.reliability.upper()],
            durability=DurabilityPolicy[file.driver.durability.upper()],
        )
        for topic, kind in ((file.arguments["image"], Image), (file.arguments["camera_info"], CameraInfo)):
            Input(node, kind, topic, lambda _, topic=topic: heard.add(topic)).open()
            publishers.append((topic, kind, ros.outsider.create_publisher(kind, topic, qos)))

    def say() -> None:
        for topic, kind, publisher in publishers:
            if topic not in heard:
                publisher.publish(kind())

    ros.wait(lambda: len(heard) == 2 * len(files), poll=say)


def test_the_page_has_what_the_files_have(repository: Path) -> None:
    rows = []
    for name in CAMERAS:
        file, driver = camera_file(name), camera_file(name).driver
        frames = " in ".join(f"`{frame}`" for frame in (driver.frame, driver.mount) if frame) or "of its SDF"
        qos = f"{driver.reliability}, {driver.durability}, {driver.depth}"
        images = "rectified" if driver.rectified else "raw"
        rows.append(f"| `{name}` | `{file.arguments['image']}` | {images} | {qos} | {frames} |")
    assert "\n".join(rows) in (repository / "docs" / "cameras.md").read_text(encoding="utf-8"), "\n".join(rows)
