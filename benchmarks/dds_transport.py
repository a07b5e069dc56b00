# SPDX-License-Identifier: Apache-2.0
"""Images between two processes over Fast DDS, with and without config/fastdds.xml: how many arrive, and how late.

Publisher and subscriber are this file in two processes, keep last 1 each, `sensor_msgs/Image`. Latency is from
before `publish` to the subscriber's callback, on one clock.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import run

SIZES = {"640x480 bgr8": (640, 480, 3), "640x480 32FC1": (640, 480, 4), "640x480 cloud": (640, 480, 16)}
PROFILE = Path(__file__).resolve().parents[1] / "config" / "fastdds.xml"
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def qos(reliability: str) -> Any:
    """Keep last 1, volatile, `reliable` or `best_effort`."""
    from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

    policy = getattr(ReliabilityPolicy, reliability.upper())
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=policy)


def publish(width: int, height: int, bytes_per_pixel: int, reliability: str, messages: int, rate_hz: float) -> None:
    """Wait for the subscriber, then publish `messages` images whose stamps are the system clock."""
    import rclpy
    from sensor_msgs.msg import Image

    rclpy.init()
    node = rclpy.create_node("publisher")
    publisher = node.create_publisher(Image, "image", qos("reliable"))
    image = Image(width=width, height=height, step=width * bytes_per_pixel, encoding="bgr8")
    image.data = array.array("B", bytes(width * height * bytes_per_pixel))
    deadline = time.monotonic() + 20
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)  # the subscriber may still be matching its side
    start = time.monotonic()
    for index in range(messages):
        time.sleep(max(0.0, start + index / rate_hz - time.monotonic()))
        now = time.time_ns()
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(now, 10**9)
        publisher.publish(image)
    time.sleep(1.0)
    node.destroy_node()
    rclpy.shutdown()


def subscribe(reliability: str, messages: int, rate_hz: float) -> None:
    """Print the latencies in milliseconds as JSON once all have come, or two seconds after the last."""
    import rclpy
    from sensor_msgs.msg import Image

    rclpy.init()
    node = rclpy.create_node("subscriber")
    latency_ms: list[float] = []

    def received(image: Image) -> None:
        sent_ns = image.header.stamp.sec * 10**9 + image.header.stamp.nanosec
        latency_ms.append((time.time_ns() - sent_ns) / 1e6)

    node.create_subscription(Image, "image", received, qos(reliability))
    deadline = time.monotonic() + 20 + messages / rate_hz
    while len(latency_ms) < messages and time.monotonic() < deadline:
        before = len(latency_ms)
        rclpy.spin_once(node, timeout_sec=2.0)
        if len(latency_ms) == before and node.count_publishers("image") == 0 and before:
            break
    print(json.dumps(latency_ms))
    node.destroy_node()
    rclpy.shutdown()


def measure(
    size: tuple[int, int, int], reliability: str, profile: bool, messages: int, rate_hz: float
) -> dict[str, Any]:
    """One case: received, p50 and p99 latency."""
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    environment["ROS_DOMAIN_ID"] = str(random.randint(1, 101))
    if profile:
        environment |= dict.fromkeys(VARIABLES, str(PROFILE))
    me, common = [sys.executable, __file__], [reliability, str(messages), str(rate_hz)]
    subscriber = subprocess.Popen([*me, "subscribe", *common], env=environment, stdout=subprocess.PIPE, text=True)
    publisher = subprocess.Popen([*me, "publish", *map(str, size), *common], env=environment)
    try:
        out, _ = subscriber.communicate(timeout=60 + messages / rate_hz)
        publisher.wait(timeout=30)
    finally:
        for process in (subscriber, publisher):
            process.kill()  # no effect on one that has ended
    latency = sorted(json.loads(out.strip().splitlines()[-1]))  # Fast DDS complains on stdout too
    quantile = {
        name: round(latency[int(q * (len(latency) - 1))], 2) if latency else None
        for name, q in (("p50_ms", 0.5), ("p99_ms", 0.99))
    }
    return {"received": len(latency), **quantile}


def table(arguments: argparse.Namespace) -> dict[str, Any]:
    """All cases, as plain values."""
    cases = []
    for name, size in SIZES.items():
        for reliability in ("best_effort", "reliable"):
            case: dict[str, Any] = {"message": name, "bytes": size[0] * size[1] * size[2], "subscriber": reliability}
            for label, profile in (("default", False), ("profile", True)):
                case[label] = measure(size, reliability, profile, arguments.messages, arguments.rate)
            print(json.dumps(case), file=sys.stderr, flush=True)
            cases.append(case)
    return {
        "what": "two processes on one machine, Fast DDS as installed and with config/fastdds.xml, keep last 1",
        "messages": arguments.messages,
        "rate_hz": arguments.rate,
        "load_average": round(os.getloadavg()[0], 1),
        "cases": cases,
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, default=150, help="How many messages each case sends.")
    parser.add_argument("--rate", type=float, default=30.0, help="At how many hertz it sends them.")


def main(argv: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["publish"]:
        width, height, depth, reliability, messages, rate = given[1:]
        publish(int(width), int(height), int(depth), reliability, int(messages), float(rate))
        return 0
    if given[:1] == ["subscribe"]:
        subscribe(given[1], int(given[2]), float(given[3]))
        return 0
    return run(__file__, table, argv, add_options)


if __name__ == "__main__":
    sys.exit(main())
