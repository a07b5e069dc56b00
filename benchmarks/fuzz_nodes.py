# SPDX-License-Identifier: Apache-2.0
"""Fuzzed messages through live nodes over DDS, each node in a process of its own: what fuzz.py runs.

python benchmarks/fuzz_nodes.py NODE COUNT SEED      prints the result as JSON
"""

from __future__ import annotations

import array
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common import prepare_ros
from fuzz_messages import Fuzzer

NODES = ("depth", "depth compressed", "lidar", "scan", "range", "disparity", "stereo")
"""The depth node with either transport, and the alignment node with each reference that has messages."""

_PATIENCE_S = 5.0
_SIZE = (64, 48)
_REFERENCES = {
    "lidar": (("points", "sensor_msgs/msg/PointCloud2", "cloud"),),
    "scan": (("scan", "sensor_msgs/msg/LaserScan", "scan"),),
    "range": (("range", "sensor_msgs/msg/Range", "range"),),
    "disparity": (("reference/disparity", "stereo_msgs/msg/DisparityImage", "disparity"),),
    "stereo": (
        ("left/camera_info", "sensor_msgs/msg/CameraInfo", "camera_info"),
        ("right/camera_info", "sensor_msgs/msg/CameraInfo", "camera_info"),
        ("right", "sensor_msgs/msg/Image", "image"),
        ("left", "sensor_msgs/msg/Image", "image"),
    ),
}


def nodes(count: int, seed: int) -> dict[str, Any]:
    """`count` messages through each node; a process that ends by a signal is a crash, one that is too slow a hang."""
    return {name: _elsewhere(name, count, seed) for name in NODES}


def _elsewhere(name: str, count: int, seed: int) -> dict[str, Any]:
    words = [sys.executable, str(Path(__file__)), name, str(count), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        return {"crashes": int(done.returncode < 0), "exit": done.returncode, "last words": done.stderr[-2000:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


class Bench:
    """A node, and a sender of another DDS participant."""

    def __init__(self, name: str, seed: int) -> None:
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from sensor_msgs.msg import Image, PointCloud2

        from mono_depth_ros.nodes.ros.topics import message_class

        rclpy.init()
        context = Context()
        context.init()
        self._class: Any = message_class
        self._sender, self._fuzzer = Node("sender", context=context), Fuzzer(seed, *_SIZE)
        self.node, topics = _depth(name) if name.startswith("depth") else _alignment(name)
        self._executor = SingleThreadedExecutor()  # not the guarded one: what a callback raises is to be seen
        self._executor.add_node(self.node)
        self._topics = [
            (self._sender.create_publisher(self._class(kind), t, 5), kind, make) for t, kind, make in topics
        ]
        out = "aligned" if name in _REFERENCES else "depth"
        for topic, kind in ((f"/{out}/image", Image), (f"/{out}/points", PointCloud2)):
            self._sender.create_subscription(kind, topic, lambda _: None, 1)
        self.monitor = self.node.monitors[""]
        self._ns = 1_700_000_000 * 10**9
        end = time.monotonic() + 60
        while time.monotonic() < end and not all(p.get_subscription_count() for p, _, _ in self._topics):
            self._executor.spin_once(0.01)

    def send(self) -> None:
        """One message of each topic, of one moment; returns when the node is done with the image.

        Raises:
            FrameError: it was dropped, with its reason.
        """
        from mono_depth_ros.errors import FrameError

        self._ns += 50_000_000
        before = self.monitor.snapshot()
        for publisher, kind, make in self._topics:
            publisher.publish(self._message(kind, make))
        end = time.monotonic() + _PATIENCE_S
        now = before
        while now.published + sum(now.drops.values()) == before.published + sum(before.drops.values()):
            self._executor.spin_once(0.002)
            now = self.monitor.snapshot()
            if time.monotonic() > end:
                raise FrameError("nothing has come of it", "silence")
        for reason, dropped in now.drops.items():
            if dropped > before.drops.get(reason, 0):
                if reason == "internal_error":
                    raise RuntimeError(now.last_drop)
                raise FrameError(now.last_drop, reason)

    def _message(self, kind: str, make: str) -> Any:
        message = self._class(kind)()
        _fill(message, vars(self._fuzzer.message(make)), self._class)
        header = message.header
        header.stamp.sec, header.stamp.nanosec = divmod(self._ns, 10**9)
        header.frame_id = self._fuzzer.words() if self._fuzzer.random.random() < 0.1 else "camera"
        return message


def _depth(name: str) -> tuple[Any, list[tuple[str, str, str]]]:
    from mono_depth_ros.nodes.depth.node import DepthNode

    transport = "compressed" if name.endswith("compressed") else "raw"
    node = _started(DepthNode, model="tiny", engine="torch", threads=1, image_transport=transport)
    kind = "CompressedImage" if transport == "compressed" else "Image"
    topic = "/image/compressed" if transport == "compressed" else "/image"
    image = (topic, f"sensor_msgs/msg/{kind}", "compressed" if transport == "compressed" else "image")
    return node, [("/camera_info", "sensor_msgs/msg/CameraInfo", "camera_info"), image]


def _alignment(name: str) -> tuple[Any, list[tuple[str, str, str]]]:
    from mono_depth_ros.nodes.alignment.node import AlignmentNode

    node = _started(AlignmentNode, reference=name, cam_from_reference="0 0 0 0 0 0 1", publish_unaligned=True)
    depth = ("/depth/image", "sensor_msgs/msg/Image", "depth")
    return node, [("/depth/camera_info", "sensor_msgs/msg/CameraInfo", "camera_info"), *_REFERENCES[name], depth]


def _started(make: Any, **parameters: Any) -> Any:
    import rclpy
    from rclpy.parameter import Parameter

    given = {"lazy": False, "autostart": False, **parameters}
    node = make(parameter_overrides=[Parameter(key, value=value) for key, value in given.items()])
    assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS" and rclpy.ok()
    return node


def _fill(message: Any, fields: dict[str, Any], classes: Any) -> None:
    for name, value in fields.items():
        if isinstance(value, SimpleNamespace):
            _fill(getattr(message, name), vars(value), classes)
        elif name == "fields":
            message.fields = [classes("sensor_msgs/msg/PointField")(**vars(item)) for item in value]
        elif name == "data":
            message.data = array.array("B", value)
        else:
            setattr(message, name, array.array("f", value.tolist()) if name == "ranges" else value)


def _one(name: str, count: str, seed: str) -> None:
    prepare_ros()
    from fuzz import Watch

    bench, watch = Bench(name, int(seed)), Watch()
    for _ in range(int(count)):
        watch.judge(name, bench.send)
    print(json.dumps(watch.result()))
    bench.node.destroy_node()


if __name__ == "__main__":
    _one(*sys.argv[1:])
