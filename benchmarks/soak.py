# SPDX-License-Identifier: Apache-2.0
"""The depth node as a process over DDS for 20 minutes, with good, refused and dropped images: memory stays as it is.

make soak                                   20 minutes
python benchmarks/soak.py --minutes 1       shorter
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common import prepare_ros, run
from mono_depth_ros.errors import MonoDepthError

_WARM_S = 60.0  # first results, libraries and pools: what a process takes once
_NODE = ("-m", "mono_depth_ros.nodes.depth_node", "--ros-args", "-r", "image:=/cam/image_raw")
_PARAMETERS = {"model": "tiny", "engine": "torch", "threads": 1, "image_transport": "compressed", "lazy": "false"}


def soak(minutes: float, rate_hz: float, warm_s: float = _WARM_S, seed: int = 1) -> dict[str, Any]:
    """Memory of the node's process after its start: slope against time with its standard error, of 20 means.

    Raises:
        MonoDepthError: the node ended.
    """
    prepare_ros()
    from fuzz_messages import Fuzzer

    words = [word for name, value in _PARAMETERS.items() for word in ("-p", f"{name}:={value}")]
    with tempfile.TemporaryFile("w+") as log:
        node = subprocess.Popen([sys.executable, *_NODE, *words], stderr=log, stdout=subprocess.DEVNULL)
        try:
            sender = _Sender([Fuzzer(seed, 320, 240), Fuzzer(seed, 64, 48)])
            first = time.monotonic() + 120
            while not sender.results and time.monotonic() < first and node.poll() is None:
                sender.send()
                sender.wait(0.1)
            times, memory = [], []
            begin, end = time.monotonic(), time.monotonic() + warm_s + 60 * minutes
            while time.monotonic() < end:
                sender.send()
                sender.wait(1 / rate_hz)
                if node.poll() is not None:
                    log.seek(0)
                    raise MonoDepthError(f"the node ended with {node.returncode}: {log.read()[-1000:]}")
                if time.monotonic() - begin > warm_s:
                    times.append(time.monotonic() - begin)
                    memory.append(resident_mb(node.pid))
            result = memory_line(np.array(times) / 60, np.array(memory))
            return {"minutes": minutes, **result, **sender.counts(), **_descriptors(node.pid)}
        finally:
            node.terminate()
            node.wait(20)


class _Sender:
    """Sends whole pictures, damaged ones, and those of another size than the camera; counts what comes back."""

    def __init__(self, fuzzers: list[Any]) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        rclpy.init()
        self._node, self._fuzzers, self._sent = Node("soak"), fuzzers, 0
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._images = self._node.create_publisher(CompressedImage, "/cam/image_raw/compressed", 2)
        self._infos = self._node.create_publisher(CameraInfo, "/cam/camera_info", 2)
        self._image, self._info = CompressedImage, CameraInfo
        self.results = 0
        self._status: dict[str, str] = {}
        self._node.create_subscription(Image, "/depth/image", self._result, 2)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._said, 2)

    def send(self) -> None:
        info = self._info(width=320, height=240, k=[280.0, 0, 160, 0, 280.0, 120, 0, 0, 1])
        image = self._image(**self._fuzzers[self._sent % 5 == 0].compressed(damage=0.5))
        info.header.stamp = image.header.stamp = self._node.get_clock().now().to_msg()
        self._infos.publish(info)
        self._images.publish(image)
        self._sent += 1

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(left)

    def counts(self) -> dict[str, Any]:
        drops = {key: int(value) for key, value in self._status.items() if key.startswith("dropped: ")}
        return {"images": self._sent, "results": self.results, **drops}

    def _result(self, _: Any) -> None:
        self.results += 1

    def _said(self, message: Any) -> None:
        self._status = {pair.key: pair.value for pair in message.status[0].values}


def resident_mb(process: int) -> float:
    fields = Path(f"/proc/{process}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _descriptors(process: int) -> dict[str, int]:
    places = {"threads": "task", "files": "fd"}
    return {name: len(list(Path(f"/proc/{process}/{place}").iterdir())) for name, place in places.items()}


def memory_line(minutes: np.ndarray, memory_mb: np.ndarray) -> dict[str, float]:
    # Of means, since what is measured every tenth of a second is not measured independently.
    x, y = (np.array([part.mean() for part in np.array_split(values, 20)]) for values in (minutes, memory_mb))
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return {
        "resident_mb_begin": round(float(y[0]), 1),
        "resident_mb_end": round(float(y[-1]), 1),
        "slope_mb_per_minute": round(float(slope), 4),
        "slope_std": round(float(np.sqrt(covariance[0, 0])), 4),
    }


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=20.0, help="The time after the start that is measured.")
    parser.add_argument("--warm", type=float, default=_WARM_S, help="Seconds after the start that are not measured.")
    parser.add_argument("--rate", type=float, default=10.0, help="Images a second.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda given: soak(given.minutes, given.rate, given.warm), argv, _add_options)


if __name__ == "__main__":
    sys.exit(main())
