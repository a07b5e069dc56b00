# SPDX-License-Identifier: Apache-2.0
"""A camera driver and a subscriber that cost little, since they share the processor with the node that is measured.

    python ends.py camera FOLDER TYPE RATE IMAGE_TOPIC,INFO_TOPIC ...
    python ends.py viewer TYPE,TOPIC ...

The camera publishes the files image*.cdr of FOLDER in turns, each after info.cdr, at RATE on every pair of topics:
messages that were serialised before, with a new stamp. Of several cameras each has its own moment. The viewer takes
messages as bytes and looks at their stamps alone; it prints "first" once every topic has come.

Once stdin is closed the camera prints the stamps, and the viewer two things: of every message the index of its topic,
its stamp, when the middleware published it, when it was taken, and its bytes; and the values of the last /diagnostics.
It is JSON, and times are in nanoseconds.
"""

from __future__ import annotations

import json
import select
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
import sensor_msgs.msg
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile

from mono_depth_ros.startup import keep_freed_memory

_NEWEST = QoSProfile(depth=1)  # reliable and volatile
_STAMP = struct.Struct("<iI")
_STAMP_AT = 4  # bytes of a serialised message that begins with a header


def camera(folder: str, kind: str, rate_hz: str, *topics: str) -> list[int]:
    node = rclpy.create_node("camera")
    pictures = [bytearray(path.read_bytes()) for path in sorted(Path(folder).glob("image*.cdr"))]
    info = bytearray((Path(folder) / "info.cdr").read_bytes())
    pairs = []
    for images, infos in (pair.split(",") for pair in topics):
        kinds = ((sensor_msgs.msg.CameraInfo, infos), (getattr(sensor_msgs.msg, kind), images))
        pairs.append([node.create_publisher(*kind_and_topic, _NEWEST) for kind_and_topic in kinds])
    period_s, due, sent = 1.0 / float(rate_hz) / len(pairs), time.monotonic(), list[int]()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        turn, index = divmod(len(sent), len(pairs))
        sent.append(time.time_ns())
        for publisher, message in zip(pairs[index], (info, pictures[turn % len(pictures)]), strict=True):
            _STAMP.pack_into(message, _STAMP_AT, *divmod(sent[-1], 10**9))
            publisher.handle.publish_raw(message)  # `publish` takes bytes, and would copy all for another stamp
        due = max(due + period_s, time.monotonic() - period_s)  # what it cannot keep up with it leaves out
    return sent


def viewer(*topics: str) -> list[Any]:
    node = rclpy.create_node("viewer")
    seen: list[tuple[int, int, int, int, int]] = []
    said: dict[str, str] = {}

    def listen(index: int, kind: str, topic: str) -> None:
        def heard(message: Any, info: Any) -> None:
            seconds, rest_ns = _STAMP.unpack_from(message, _STAMP_AT)
            seen.append((index, seconds * 10**9 + rest_ns, info["source_timestamp"], time.time_ns(), len(message)))

        listener: Any = heard  # rclpy's types know callbacks of one argument alone
        node.create_subscription(getattr(sensor_msgs.msg, kind), topic, listener, _NEWEST, raw=True)

    for index, text in enumerate(topics):
        listen(index, *text.split(","))

    def diagnosed(message: DiagnosticArray) -> None:
        said.update({pair.key: pair.value for pair in message.status[0].values})

    node.create_subscription(DiagnosticArray, "/diagnostics", diagnosed, _NEWEST)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    told = False
    while not select.select([sys.stdin], [], [], 0.0)[0]:
        executor.spin_once(timeout_sec=0.1)
        if not told and len({item[0] for item in seen}) == len(topics):
            print("first", flush=True)
            told = True
    return [seen, said]


if __name__ == "__main__":
    keep_freed_memory()
    rclpy.init()
    end: Callable[..., list[Any]] = camera if sys.argv[1] == "camera" else viewer
    print(json.dumps(end(*sys.argv[2:])), flush=True)
