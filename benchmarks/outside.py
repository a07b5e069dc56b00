# SPDX-License-Identifier: Apache-2.0
"""The depth node as other processes see it over DDS: rate, latency, processor time and memory.

The node runs as a user starts it, with `tiny` and its defaults; a camera and a subscriber are processes of their own,
as cheap as rclpy allows, since all three share this machine's cores (`camera_cores`, `viewer_cores`: what they take of
them). Camera and node have the package's Fast DDS profile. Beside it the network alone, and a node as most are written.

`latency_ms` is from the image's stamp to the moment the node publishes the result, `age_ms` to the moment the
subscriber has it; `stages_p50_ms` and `dropped` are the node's own, from /diagnostics. A case that needs something that
is not there is left out and says why.

    python benchmarks/outside.py                                        everything, about 12 minutes
    python benchmarks/outside.py --flood 600                            with 10 minutes each of flood/*: 32 minutes
    python benchmarks/outside.py --case '640x480/*' --case flood/cloud  some, which are printed and not written
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import run
from delivery import Viewer, process, stamps, stock_environment
from mono_depth_ros import transport
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.startup import interruptible
from mono_depth_ros.world import World
from outside_parts.cases import SIZES, VIEWS, Case, chosen
from outside_parts.figures import figures
from soak import memory_line, resident_mb

PARTS = Path(__file__).with_name("outside_parts")
_FIRST_S = 45.0  # for the first message of every topic: a node starts, and a peer makes its first cloud
_SETTLE_S = 2.0
_PEER_S = 15.0  # some results at least
_PICTURES = 4
_RENDERED = (1280, 720)  # larger ones are enlarged
_LONG_S = 60.0  # a slope of memory says something from here on


def messages(folder: Path, case: Case) -> Path:
    """The folder of what a case's camera publishes, serialised: pictures of the synthetic world, their camera_info."""
    here = folder / f"{case.size[0]}x{case.size[1]}_{'jpeg' if case.jpeg else 'raw'}"
    if here.exists():
        return here
    here.mkdir()
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image

    from mono_depth_ros.messages.camera_info import fill_camera_info
    from mono_depth_ros.messages.compressed import fill_jpeg
    from mono_depth_ros.messages.image import fill_image

    world = World.generate("corridor", 3)
    course = world.path()
    small = (min(case.size[0], _RENDERED[0]), min(case.size[1], _RENDERED[1]))
    for index in range(_PICTURES):
        rgb = world.render(Camera.from_fov(small, 70.0), course.pose(0.5 * index), normals=False).rgb
        rgb = cv2.resize(rgb, case.size)
        message = CompressedImage() if case.jpeg else Image()
        message.header.frame_id = "camera"
        if case.jpeg:
            fill_jpeg(message, rgb, "bgr8")
        else:
            fill_image(message, rgb[..., ::-1], "bgr8")
        (here / f"image{index}.cdr").write_bytes(serialize_message(message))
    info = CameraInfo()
    info.header.frame_id = "camera"
    fill_camera_info(info, Camera.from_fov(case.size, 70.0))
    (here / "info.cdr").write_bytes(serialize_message(info))
    return here


def measure(case: Case, seconds: float, folder: Path, parameters: Sequence[str] = ()) -> dict[str, Any]:
    """One case, as plain values.

    Args:
        folder: keeps what is published, for other cases. parameters: more of the depth node, NAME:=VALUE.

    Raises:
        MonoDepthError: a process ended.
    """
    stock = stock_environment()
    ours = stock | transport.environment(stock)
    node_command = [sys.executable, "-m", "mono_depth_ros.nodes.depth_node", "--ros-args", *case.parameters()]
    node_command += [word for parameter in parameters for word in ("-p", parameter)]
    if case.cameras == ("",):
        node_command += ["-r", "image:=/cam/image_raw"]
    if case.peer is not None:
        node_command = [sys.executable, str(PARTS / "peer.py"), *case.peer]
    ends = [sys.executable, str(PARTS / "ends.py")]
    kind = "CompressedImage" if case.jpeg else "Image"
    pictures = str(messages(folder, case))
    with (
        tempfile.TemporaryFile("w+") as log,
        process(node_command, ours if case.peer is not None else stock, log) as node,
        process([*ends, "viewer", *case.outputs()], stock, log) as view,
        process([*ends, "camera", pictures, kind, str(case.rate_hz), *case.inputs()], ours, log) as camera,
    ):
        children = {"node": node, "camera": camera, "viewer": view}
        viewer = Viewer(view)
        deadline_s = time.monotonic() + _FIRST_S
        while not viewer.first.wait(0.1) and time.monotonic() < deadline_s:
            _check(children, log)
        time.sleep(_SETTLE_S)
        load = os.getloadavg()[0]
        watch = _Watch({name: child.pid for name, child in children.items()})
        watch.wait(seconds)
        _check(children, log)
        assert camera.stdin is not None
        camera.stdin.close()
        sent, (messages_seen, said) = np.array(stamps(camera)), viewer.finish()
    seen = np.array(messages_seen).reshape(-1, 5)
    begin_ns, end_ns = watch.window_ns
    elapsed_s = (end_ns - begin_ns) / 1e9
    seen = seen[(seen[:, 3] >= begin_ns) & (seen[:, 3] < end_ns)]
    topics = {}
    for index, view_name in enumerate(case.views):
        mine = seen[seen[:, 0] % len(case.views) == index]
        topics[VIEWS[view_name][1]] = _topic(mine, elapsed_s, len(case.cameras))
    results = max(int(np.sum(seen[:, 0] % len(case.views) == 0)), 1)
    return {
        "case": case.name,
        "sent_hz": round(float(np.sum((sent >= begin_ns) & (sent < end_ns))) / elapsed_s / len(case.cameras), 1),
        "topics": topics,
        "node_ms_per_result": round(watch.processor_s["node"] / results * 1e3, 1),
        **{f"{name}_cores": round(busy_s / elapsed_s, 2) for name, busy_s in watch.processor_s.items()},
        "memory_mb": watch.memory(),
        "stages_p50_ms": {key[6:-9]: float(value) for key, value in said.items() if key.startswith("stage ")},
        "dropped": {key[9:]: int(value) for key, value in said.items() if key.startswith("dropped: ")},
        "load_average": round(load, 1),
    }


class _Watch:
    """What processes take, from when this is made until `wait` ends."""

    def __init__(self, processes: dict[str, int]) -> None:
        self._processes = processes
        self._begin_ns, self._before = time.time_ns(), {name: _processor_s(pid) for name, pid in processes.items()}
        self._minutes, self._memory_mb = list[float](), list[float]()
        self.window_ns = (self._begin_ns, self._begin_ns)
        self.processor_s: dict[str, float] = {}

    def wait(self, seconds: float) -> None:
        while (elapsed_s := (time.time_ns() - self._begin_ns) / 1e9) < seconds:
            self._minutes.append(elapsed_s / 60)
            self._memory_mb.append(resident_mb(self._processes["node"]))
            time.sleep(min(0.25, seconds - elapsed_s))
        self.window_ns = (self._begin_ns, time.time_ns())
        self.processor_s = {name: _processor_s(pid) - self._before[name] for name, pid in self._processes.items()}

    def memory(self) -> dict[str, float]:
        found = {"begin": self._memory_mb[0], "end": self._memory_mb[-1], "max": max(self._memory_mb)}
        found = {name: round(value, 1) for name, value in found.items()}
        if self._minutes[-1] * 60 < _LONG_S:
            return found
        return found | memory_line(np.array(self._minutes), np.array(self._memory_mb))


def _topic(seen: np.ndarray, elapsed_s: float, cameras: int) -> dict[str, Any]:
    """Rows are index, stamp, published, taken (ns), bytes; `hz` is of one camera, the mean where there are several."""
    if not len(seen):
        return {"hz": 0.0}
    found: dict[str, Any] = {"hz": round(len(seen) / elapsed_s / cameras, 1)}
    if cameras > 1:
        counts = np.unique(seen[:, 0], return_counts=True)[1]
        found["slowest_hz"] = round(float(counts.min()) / elapsed_s, 1) if len(counts) == cameras else 0.0
    for name, at in (("latency_ms", seen[:, 2]), ("age_ms", seen[:, 3])):
        p50, p99 = np.percentile((at - seen[:, 1]) / 1e6, (50, 99))
        found[name] = {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}
    return found | {"mb": round(float(np.median(seen[:, 4])) / 1e6, 2)}


def _processor_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _check(children: dict[str, subprocess.Popen[str]], log: Any) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            log.seek(0)
            raise MonoDepthError(f"the {name} ended with {child.returncode}: {log.read()[-1000:]}")


def network(size: tuple[int, int], seconds: float) -> dict[str, Any]:
    """The network without ROS, on images of a size."""
    command = [sys.executable, str(PARTS / "network.py"), *map(str, size), str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {"case": f"{size[0]}x{size[1]}/network", **json.loads(done.stdout)}


def table(arguments: argparse.Namespace) -> dict[str, Any]:
    """All cases, as plain values."""
    rows, left_out = list[dict[str, Any]](), dict[str, str]()
    wanted = chosen(arguments.case)
    for size in SIZES:
        if any(case.size == size for case in wanted):
            rows.append(network(size, min(arguments.seconds, 5.0)))
    with tempfile.TemporaryDirectory(prefix="mono_depth_bench-") as folder:
        for case in wanted:
            reason = case.missing
            if "--outliers" in (case.peer or ()) and find_spec("open3d") is None:
                reason = "pip install open3d"
            if reason:
                left_out[case.name] = reason
                print(f"{case.name} is left out: {reason}", file=sys.stderr)
                continue
            rows.append(measure(case, _seconds(case, arguments), Path(folder), arguments.parameter))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return {
        "what": "the depth node (tiny, defaults), a camera and a subscriber in three processes over DDS",
        "seconds": arguments.seconds,
        "figures": figures({row["case"]: row for row in rows}),
        "cases": rows,
        "left_out": left_out,
    }


def _seconds(case: Case, arguments: argparse.Namespace) -> float:
    given: float = arguments.flood if arguments.flood and case.name.startswith("flood/") else arguments.seconds
    return given if case.peer is None else max(given, _PEER_S)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="NAME",
        help="Only cases of this name are measured, such as 640x480/cloud or 'flood/*'; nothing is written then.",
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="A parameter of the depth node besides those of the case, such as threads:=1; nothing is written then.",
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="For how long each case is measured.")
    parser.add_argument("--flood", type=float, default=0.0, help="The same for flood/*, 0 as for the others.")


def main(argv: Sequence[str] | None = None) -> int:
    with interruptible():  # the node would outlive this by a SIGTERM
        return run(__file__, table, argv, _add_options, written=lambda given: not (given.case or given.parameter))


if __name__ == "__main__":
    sys.exit(main())
