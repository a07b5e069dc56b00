# SPDX-License-Identifier: Apache-2.0
"""Of a stock camera driver's images, how many become depth that a stock viewer gets, however the node is started.

Driver, viewers and node are processes of their own, over Fast DDS as installed: only the node has the package's
profile. 640x480 bgr8, the network `tiny`; two viewers at a time, one reliable and one best effort. Where other work
runs on the machine, `chrt -r 1 python benchmarks/delivery.py` keeps it out of the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from common import run
from mono_depth_ros import transport

STOCK = Path(__file__).with_name("stock.py")
SIZE = ("640", "480")
RELIABILITIES = ("reliable", "best_effort")
_SCRIPT = "import sys; from mono_depth_ros.nodes.depth_node import main; sys.exit(main())"
STARTS = {
    "launch": [sys.executable, "-m", "mono_depth_ros.nodes.depth_node"],
    "ros2 run": [sys.executable, "-c", _SCRIPT],
    "python -m": [sys.executable, "-m", "mono_depth_ros.nodes.depth_node"],
}
"""How the node is started: launch files set the profile; `ros2 run` starts the console script, which is two lines."""

PARAMETERS = ("model:=tiny", "engine:=torch", "threads:=1")
_FIRST_S = 6.0  # for the first depth to come, while most of it may be lost
_SETTLE_S = 1.0


def stock_environment() -> dict[str, str]:
    """Of a process that knows nothing of us, in a ROS domain of its own on this machine."""
    ours = {*transport.VARIABLES, transport.OWN_VARIABLE}
    found = {name: value for name, value in os.environ.items() if name not in ours}
    return found | {
        "ROS_DOMAIN_ID": str(random.SystemRandom().randint(1, 101)),
        "ROS_LOG_DIR": tempfile.gettempdir(),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


@contextmanager
def process(
    command: Sequence[str], environment: dict[str, str], log: IO[str] | int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone afterwards; `log` gets its stderr."""
    child = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def stamps(child: subprocess.Popen[str]) -> list[Any]:
    """The line of JSON that a stock process prints."""
    assert child.stdout is not None
    return next(json.loads(line) for line in child.stdout if line.startswith("["))


class Viewer:
    """What a stock viewer prints, read while it does."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child, self.first = child, threading.Event()
        self._stamps: list[Any] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def finish(self) -> list[Any]:
        """Have it end, and what it has seen."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._thread.join(10)
        return self._stamps

    def _read(self) -> None:
        for line in self._child.stdout or ():
            self.first.set()
            if line.startswith("["):
                self._stamps = json.loads(line)


def measure(start: str, rate_hz: float, reliability: str, seconds: float) -> dict[str, Any]:
    """One driver and one start of the node: percent of the images that each viewer has got depth of."""
    stock = stock_environment()
    node = stock | (transport.environment(stock) if start == "launch" else {})
    count = str(round(rate_hz * seconds))
    driver_command = [sys.executable, str(STOCK), "drive", *SIZE, str(rate_hz), count, reliability, "--warm-up"]
    words = [word for parameter in PARAMETERS for word in ("-p", parameter)]
    node_command = [*STARTS[start], "--ros-args", "-r", "image:=/cam/image_raw", *words]
    with (
        process(driver_command, stock) as driver,
        process(node_command, node),
        process([sys.executable, str(STOCK), "view", "reliable"], stock) as reliable,
        process([sys.executable, str(STOCK), "view", "best_effort"], stock) as best_effort,
    ):
        viewers = {"reliable": Viewer(reliable), "best_effort": Viewer(best_effort)}
        deadline_s = time.monotonic() + _FIRST_S
        for viewer in viewers.values():
            viewer.first.wait(max(0.0, deadline_s - time.monotonic()))
        assert driver.stdin is not None
        time.sleep(_SETTLE_S)
        driver.stdin.write("\n")
        driver.stdin.flush()
        written = set(stamps(driver))
        time.sleep(_SETTLE_S)
        seen = {name: viewer.finish() for name, viewer in viewers.items()}
    share = {name: round(100 * len(written & set(found)) / len(written), 1) for name, found in seen.items()}
    return {"driver": reliability, "rate_hz": rate_hz, "start": start, "images": len(written), "percent": share}


def table(arguments: argparse.Namespace) -> dict[str, Any]:
    """All cases, as plain values."""
    cases = []
    for reliability in RELIABILITIES:
        for rate_hz in (10.0, 30.0):
            for start in STARTS:
                case = measure(start, rate_hz, reliability, arguments.seconds)
                print(json.dumps(case), file=sys.stderr, flush=True)
                cases.append(case)
    least = min(min(case["percent"].values()) for case in cases if case["driver"] == "reliable")
    return {
        "what": "percent of a stock driver's 640x480 bgr8 images whose depth reaches a stock viewer, by its QoS",
        "least_of_reliable_drivers": least,
        "load_average": round(os.getloadavg()[0], 1),
        "cases": cases,
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=6.0, help="For how long each case publishes.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, table, argv, add_options)


if __name__ == "__main__":
    sys.exit(main())
