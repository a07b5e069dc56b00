# SPDX-License-Identifier: Apache-2.0
"""The loss that /diagnostics reports against the true one: written by a stock driver and not taken by our reader.

Driver and reader are processes of their own, over Fast DDS as installed; the reader is the input and the counts of the
depth node without its network, held up for a while by each message where that is the cause of the loss. Stamps have
2 ms of jitter throughout.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common import run
from delivery import STOCK, process, stamps, stock_environment

_WITHIN = 5.0  # points
_QUIET_S = 3.0  # without a message or a report, after which the driver has ended


@dataclass(frozen=True)
class Case:
    """A driver and what holds the reader up; `restarts`: it is a new process for each half of the images."""

    name: str
    width: int
    height: int
    rate_hz: float
    reliability: str
    count: int = 100
    held_s: float = 0.0
    pause_s: float = 0.0
    slower: float = 1.0
    restarts: bool = False


VGA, HD, UHD = (640, 480), (1920, 1080), (3840, 2160)
CASES = (
    *(Case(f"best effort, 0.9 MB at {hz:g} Hz", *VGA, hz, "best_effort") for hz in (3.0, 10.0, 30.0)),
    Case("best effort, 6.2 MB", *HD, 5.0, "best_effort", 40),
    Case("best effort, 25 MB", *UHD, 3.0, "best_effort", 30),
    Case("reliable, 0.9 MB", *VGA, 30.0, "reliable"),
    Case("reliable, 25 MB", *UHD, 3.0, "reliable", 60),
    *(Case(f"reader held up for {1e3 * s:.0f} ms", *VGA, 30.0, "reliable", 150, s) for s in (0.05, 0.07, 0.12, 0.3)),
    Case("reader held up for 300 ms, best effort", 160, 120, 30.0, "best_effort", 150, 0.3),
    Case("the driver pauses for 5 s", *VGA, 20.0, "reliable", pause_s=5.0),
    Case("the driver becomes three times slower", *VGA, 30.0, "reliable", slower=3.0),
    Case("the driver is started again", *VGA, 30.0, "reliable", restarts=True),
)


def read(held_s: float) -> dict[str, Any]:
    """In a process of its own: the stamps of what was taken, and the loss as /diagnostics has it in the end."""
    import rclpy
    from sensor_msgs.msg import Image

    from mono_depth_ros.messages.stamps import stamp_ns
    from mono_depth_ros.nodes.ros.middleware import bring_profile
    from mono_depth_ros.nodes.ros.subscribing import Input
    from mono_depth_ros.streams.monitor import Monitor

    bring_profile()
    rclpy.init()
    node, monitor, taken = rclpy.create_node("reader"), Monitor(), []

    def take(message: Any) -> None:
        taken.append(stamp_ns(message.header.stamp))
        monitor.received(taken[-1])
        time.sleep(held_s)

    image = Input(node, Image, "/cam/image_raw", take, loss=monitor.loss)
    image.open()
    seen = False
    while not seen or image.feed.publishers:
        rclpy.spin_once(node, timeout_sec=0.1)
        seen = seen or image.feed.publishers > 0
        if not image.feed.publishers and seen:
            quiet_s = time.monotonic() + _QUIET_S
            while time.monotonic() < quiet_s and not image.feed.publishers:
                rclpy.spin_once(node, timeout_sec=0.1)
    total = monitor.snapshot().loss
    return {"taken": taken, "lost": total.lost, "percent": round(100 * total.fraction, 1)}


def measure(case: Case) -> dict[str, Any]:
    """One case: true and reported loss in percent."""
    stock = stock_environment()
    halves = 2 if case.restarts else 1
    words = [str(case.width), str(case.height), str(case.rate_hz), str(case.count // halves), case.reliability]
    words += ["--jitter-ms", "2", "--pause-s", str(case.pause_s), "--slower", str(case.slower)]
    written: set[int] = set()
    with process([sys.executable, __file__, "read", str(case.held_s)], stock) as reader:
        for _ in range(halves):
            with process([sys.executable, str(STOCK), "drive", *words], stock) as driver:
                assert driver.stdin is not None
                time.sleep(2.0)  # the subscription may still be becoming reliable
                driver.stdin.write("\n")
                driver.stdin.flush()
                written |= set(stamps(driver))
                driver.wait(20)
        assert reader.stdout is not None
        found = json.loads(next(line for line in reader.stdout if line.startswith("{")))
    true = 100 * len(written - set(found["taken"])) / len(written)
    off = found["percent"] - true
    return {
        "case": case.name,
        "written": len(written),
        "true_percent": round(true, 1),
        "reported_percent": found["percent"],
        "holds": abs(off) <= _WITHIN,
    }


def table(arguments: argparse.Namespace) -> dict[str, Any]:
    """All cases, as plain values."""
    cases = []
    for case in CASES:
        cases.append(measure(case))
        print(json.dumps(cases[-1]), file=sys.stderr, flush=True)
    worst = max(abs(case["reported_percent"] - case["true_percent"]) for case in cases)
    return {
        "what": "loss of a stock driver's images on the way to the depth node, true and as reported, in percent",
        "worst_points": round(worst, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "cases": cases,
    }


def main(argv: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["read"]:
        print(json.dumps(read(float(given[1]))), flush=True)
        return 0
    return run(__file__, table, argv)


if __name__ == "__main__":
    sys.exit(main())
