# SPDX-License-Identifier: Apache-2.0
"""What a depth node is like after hundreds of requests, right and wrong, killed publishers and clocks that jump.

The node is a process of its own with the model `tiny`. Every request must be answered, and as its state machine and its
descriptors say; afterwards the node must give the picture that it gave first, with the threads and open files it had.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common import prepare_ros, run
from mono_depth_ros.errors import MonoDepthError

WAIT_S, SETTLE_S = 20.0, 40.0  # for an answer or a picture; for what a killed process leaves: its lease is 20 s
STATES = {
    "unconfigured": {(1, "configure"): "inactive"},
    "inactive": {(2, "cleanup"): "unconfigured", (3, "activate"): "active"},
    "active": {(4, "deactivate"): "inactive"},
}
SHUTDOWN = {"unconfigured": 5, "inactive": 6, "active": 7}
GOOD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("max_depth", {"type": 3, "double_value": 20.0}),
    ("max_depth", {"type": 2, "integer_value": 9}),
    ("min_depth", {"type": 3, "double_value": 0.2}),
    ("edge_ratio", {"type": 2, "integer_value": 1}),
    ("stride", {"type": 2, "integer_value": 2}),
    ("cloud_normals", {"type": 1, "bool_value": True}),
    ("depth_encoding", {"type": 4, "string_value": "16UC1"}),
    ("input_timeout", {"type": 3, "double_value": 5.0}),
    ("target_latency", {"type": 3, "double_value": 0.001}),
    ("max_rate", {"type": 2, "integer_value": 30}),
    ("cloud_rate", {"type": 3, "double_value": 5.0}),
    ("voxel_size", {"type": 3, "double_value": 0.1}),
)
"""Parameters that may be set while the node runs, with what is converted and what is right."""

LABELS = ("configure", "cleanup", "activate", "deactivate", "create", "transition_success", "no such", "", "x" * 3000)


class Graph:
    """A node process and an outsider that calls, publishes and listens."""

    def __init__(self, log: Any) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.node import Node
        from rclpy.qos import qos_profile_sensor_data
        from rosgraph_msgs.msg import Clock
        from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2

        rclpy.init()
        self.node, self._spin_once = Node("outsider"), rclpy.spin_once
        words = "-r image:=/cam/image_raw -p model:=tiny -p engine:=torch -p threads:=1 -p lazy:=false "
        words += "-p obstacles:=true"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mono_depth_ros.nodes.depth_node", "--ros-args", *words.split()],
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        self.depth: list[Any] = []
        self.errors = 0
        self._clients: dict[str, Any] = {}
        self.node.create_subscription(Image, "/depth/image", self.depth.append, 10)
        for kind, topic in ((PointCloud2, "points"), (PointCloud2, "obstacles"), (LaserScan, "scan")):
            self.node.create_subscription(kind, f"/depth/{topic}", lambda _: None, 1)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, 10)
        self._images = self.node.create_publisher(Image, "/cam/image_raw", qos_profile_sensor_data)
        self._infos = self.node.create_publisher(CameraInfo, "/cam/camera_info", 5)
        self.clock, self._clock_kind = self.node.create_publisher(Clock, "/clock", 10), Clock
        self.messages = messages()

    def wait(self, done: Callable[[], Any], what: str, poll: Callable[[], None] = lambda: None) -> Any:
        end, next_s = time.monotonic() + WAIT_S, 0.0
        while not (result := done()):
            if self.process.poll() is not None:
                raise MonoDepthError(f"the node has ended with {self.process.returncode} while {what}")
            if time.monotonic() > end:
                raise MonoDepthError(f"nothing has come for {WAIT_S:g} s while {what}")
            if time.monotonic() >= next_s:
                poll()
                next_s = time.monotonic() + 0.05
            self._spin_once(self.node, timeout_sec=0.02)
        return result

    def begin(self, kind: Any, name: str, **fields: Any) -> Any:
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f"/depth/{name}")
        self.wait(self._clients[name].service_is_ready, f"waiting for {name}")
        return self._clients[name].call_async(kind.Request(**fields))

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        future = self.begin(kind, name, **fields)
        self.wait(future.done, f"{name} is called with {fields}")
        return future.result()

    def state(self) -> str:
        from lifecycle_msgs.srv import GetState

        return str(self.call(GetState, "get_state").current_state.label)

    def change(self, number: int, label: str = "") -> Any:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        return self.begin(ChangeState, "change_state", transition=Transition(id=number, label=label))

    def changed(self, number: int, label: str = "") -> bool:
        future = self.change(number, label)
        self.wait(future.done, f"transition {number} {label[:20]} is asked for")
        return bool(future.result().success)

    def picture(self, start_ns: int, clock: bool = False) -> np.ndarray:
        """The depth of the picture, of an image stamped from `start_ns` on."""
        self.depth.clear()
        sent = 0

        def send() -> None:
            nonlocal sent
            stamp = divmod(start_ns + sent * 50_000_000, 10**9)
            sent += 1
            if clock:
                message = self._clock_kind()
                message.clock.sec, message.clock.nanosec = stamp
                self.clock.publish(message)
            for message in self.messages:
                message.header.stamp.sec, message.header.stamp.nanosec = stamp
            self._infos.publish(self.messages[1])
            self._images.publish(self.messages[0])

        def since() -> Any:
            return next((m for m in self.depth if m.header.stamp.sec >= start_ns // 10**9), None)

        found = self.wait(since, "waiting for depth", send)
        return np.frombuffer(bytes(found.data), np.float32)

    def resources(self) -> dict[str, int]:
        folder = Path(f"/proc/{self.process.pid}")
        memory = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmRSS"))
        counts = {name: len(list((folder / place).iterdir())) for name, place in (("threads", "task"), ("files", "fd"))}
        return {**counts, "memory_mib": int(memory.split()[1]) // 1024}

    def close(self) -> None:
        import rclpy

        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _on_status(self, message: Any) -> None:
        for status in message.status:
            self.errors = max([self.errors, *(int(v.value) for v in status.values if v.key == "internal errors")])


def messages() -> tuple[Any, Any]:
    from sensor_msgs.msg import CameraInfo, Image

    from mono_depth_ros.geometry.camera import Camera
    from mono_depth_ros.messages.camera_info import fill_camera_info
    from mono_depth_ros.messages.image import fill_image

    rows, columns = np.mgrid[0:240, 0:320]
    image, info = Image(), CameraInfo()
    fill_image(image, np.stack((columns % 256, rows, (rows + columns) % 256), -1).astype(np.uint8), "rgb8")
    fill_camera_info(info, Camera.from_fov((320, 240), 60.0))
    image.header.frame_id = info.header.frame_id = "camera"
    return image, info


def lifecycle(graph: Graph, chance: random.Random, count: int) -> dict[str, int]:
    """Transitions at random, valid or not, in the given order and now and then two at once."""
    said: Counter[str] = Counter()
    state = graph.state()
    for _ in range(count):
        valid, number, label = STATES[state], 0, ""
        if chance.random() < 0.5:
            number, label = chance.choice([*valid])
            number, label = chance.choice(((number, ""), (0, label)))
        elif chance.random() < 0.5:
            number = chance.choice([n for n in (*range(12), 20, 60, 99, 255) if n != SHUTDOWN[state]])
        else:
            label = chance.choice(LABELS)
        goes = next((to for key, to in valid.items() if label == key[1] or (not label and number == key[0])), "")
        if goes == "inactive" and state == "unconfigured" and chance.random() < 0.5:
            configured, called_off = graph.change(number, label), graph.change(2)
            graph.wait(configured.done, "a configure is called off")
            graph.wait(called_off.done, "a configure is called off")
            goes = "" if called_off.result().success else "inactive"  # it was late, and is an unconfigured node's
            if configured.result().success and called_off.result().success:
                goes = "unconfigured"
            said["called off" if not configured.result().success else "loaded first"] += 1
        elif (success := graph.changed(number, label)) is not bool(goes):
            raise MonoDepthError(f"transition {number} '{label[:20]}' in state {state} was answered {success}")
        else:
            said["made" if success else "refused"] += 1
        state = goes or state
        if (found := graph.state()) != state:
            raise MonoDepthError(f"the node is {found} after transition {number} '{label[:20]}', expected {state}")
    for number, before in ((1, "unconfigured"), (3, "inactive")):
        if graph.state() == before and not graph.changed(number):
            raise MonoDepthError(f"the node cannot leave the state {before}")
    return dict(said)


def parameters(graph: Graph, chance: random.Random, count: int) -> dict[str, int]:
    """Parameters at random: right and wrong types, ranges, names; what is refused must change nothing."""
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters, SetParametersAtomically

    names = [*graph.call(ListParameters, "list_parameters").result.names, "no_such", "max_dept", "", "a.b\nc"]
    known = [name for name in names if name not in ("no_such", "max_dept", "", "a.b\nc", "use_sim_time")]

    def value() -> ParameterValue:
        numbers = [0.0, 1.0, -1.0, 0.3, 5.0, 1e300, math.nan, math.inf, -math.inf]
        integers = [0, 1, 2, 7, -5, 2**62, -(2**62)]
        words = ["", "auto", "32FC1", "16UC1", "raw", "[front, left]", "x" * 10_000, "a\nb", "tiny"]
        return ParameterValue(
            type=chance.choice([*range(10), 2, 3, 4, 10, 99, 255]),
            bool_value=chance.random() < 0.5,
            integer_value=chance.choice(integers),
            double_value=chance.choice(numbers),
            string_value=chance.choice(words),
            byte_array_value=[b"a", b"\xff"],
            bool_array_value=[True],
            integer_array_value=chance.sample(integers, 2),
            double_array_value=chance.sample(numbers, 3),
            string_array_value=chance.sample(words, 2),
        )

    def parameter() -> Parameter:
        if chance.random() < 0.5:
            name, good = chance.choice(GOOD)
            return Parameter(name=name, value=ParameterValue(**good))
        return Parameter(name=chance.choice(names), value=value())

    def values() -> dict[str, Any]:
        return dict(zip(known, graph.call(GetParameters, "get_parameters", names=known).values, strict=True))

    said: Counter[str] = Counter()
    at_start = before = values()
    for index in range(count):
        if index == count // 2:  # unconfigured, all may be set that is not read once
            graph.changed(4)
            graph.changed(2)
        chosen = [parameter() for _ in range(chance.choice((1, 1, 3)))]
        if chance.random() < 0.5:
            results = graph.call(SetParameters, "set_parameters", parameters=chosen).results
        else:
            answer = graph.call(SetParametersAtomically, "set_parameters_atomically", parameters=chosen)
            results = [answer.result] * len(chosen)
        if len(results) != len(chosen) or any(not r.successful and not r.reason for r in results):
            raise MonoDepthError(f"{chosen} was answered with {results}")
        after = values()
        allowed = {p.name for p, r in zip(chosen, results, strict=True) if r.successful}
        for name in known:
            changed = repr(after[name]) != repr(before[name])
            if after[name].type != at_start[name].type or (changed and name not in allowed):
                raise MonoDepthError(f"{name} became {after[name]} by {chosen}, which was answered with {results}")
        before = after
        if index % 20 == 0 and graph.state() == "active":
            graph.picture(time.time_ns())  # whatever the parameters are by now, depth comes
        said.update("set" if r.successful else "refused" for r in results)
        if index == count // 2 + count // 8:
            restore(graph, at_start)
            before = values()
            graph.changed(1)
            graph.changed(3)
    restore(graph, at_start)
    return dict(said)


def restore(graph: Graph, values: dict[str, Any]) -> None:
    """Parameters as they were; those that may not be set now are refused, and must not have changed."""
    from rcl_interfaces.msg import Parameter
    from rcl_interfaces.srv import GetParameters, SetParameters

    wanted = [Parameter(name=name, value=value) for name, value in values.items()]
    for _ in range(2):  # min_depth and max_depth may be in each other's way
        graph.call(SetParameters, "set_parameters", parameters=wanted)
    found = graph.call(GetParameters, "get_parameters", names=list(values)).values
    if list(map(repr, found)) != list(map(repr, values.values())):
        raise MonoDepthError("parameters cannot be set to what they were")


def kills(graph: Graph, count: int) -> int:
    """Drivers that are killed while they publish; each has had its images used."""
    for index in range(count):
        driver = subprocess.Popen([sys.executable, __file__, "--publish", str(10**9 * (10_000 + 100 * index))])
        try:
            graph.depth.clear()
            start_s = 10_000 + 100 * index
            graph.wait(partial(_has_since, graph, start_s), "a driver publishes")
        finally:
            driver.kill()
            driver.wait()
    return count


def _has_since(graph: Graph, start_s: int) -> bool:
    return any(message.header.stamp.sec >= start_s for message in graph.depth)


def publish(start_ns: int) -> None:
    """A driver, until it is killed."""
    import rclpy
    from rclpy.node import Node
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo, Image

    rclpy.init()
    node = Node("driver")
    image, info = messages()
    images = node.create_publisher(Image, "/cam/image_raw", qos_profile_sensor_data)
    infos = node.create_publisher(CameraInfo, "/cam/camera_info", 5)
    while os.getppid() != 1:
        start_ns += 50_000_000
        for message in (image, info):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(start_ns, 10**9)
        infos.publish(info)
        images.publish(image)
        time.sleep(0.05)


def clocks(graph: Graph, chance: random.Random, count: int, truth: np.ndarray) -> int:
    """Stamps that jump, back and forth, every second time with simulated time; the picture is right after each."""
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters

    for index in range(count):
        simulated = index % 2 == 1
        wanted = Parameter(name="use_sim_time", value=ParameterValue(type=1, bool_value=simulated))
        graph.call(SetParameters, "set_parameters", parameters=[wanted])
        start_ns = chance.choice((1, 1_000, 500_000, 2_000_000_000)) * 10**9 + chance.randrange(10**9)
        same(graph.picture(start_ns, simulated), truth)
    wanted = Parameter(name="use_sim_time", value=ParameterValue(type=1, bool_value=False))
    graph.call(SetParameters, "set_parameters", parameters=[wanted])
    return count


def same(depth: np.ndarray, truth: np.ndarray) -> None:
    if depth.shape != truth.shape or not np.allclose(depth, truth, rtol=1e-4, equal_nan=True):
        raise MonoDepthError("the picture is not what it was at the start")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as log:
        graph = Graph(log)
        try:
            return {"what": "one depth node with tiny, 320x240, over DDS", **_measure(graph, arguments)}
        except MonoDepthError as error:
            log.seek(0)
            raise MonoDepthError(f"{error}\n{log.read()[-3000:]}") from error
        finally:
            graph.close()


def _measure(graph: Graph, arguments: argparse.Namespace) -> dict[str, Any]:
    chance = random.Random(arguments.seed)
    truth = graph.picture(time.time_ns())
    for number in (4, 2, 1, 3):  # once round, so that what is kept is there
        graph.changed(number)
    same(graph.picture(time.time_ns()), truth)
    start = graph.resources()
    began_s = time.monotonic()
    said = {
        "lifecycle_requests": lifecycle(graph, chance, arguments.lifecycle),
        "parameter_requests": parameters(graph, chance, arguments.parameters),
        "publisher_kills": kills(graph, arguments.kills),
        "clock_jumps": clocks(graph, chance, arguments.clocks, truth),
    }
    same(graph.picture(time.time_ns()), truth)
    took_s = time.monotonic() - began_s
    end = graph.resources()
    until_s = time.monotonic() + SETTLE_S
    while any(end[name] > start[name] for name in ("threads", "files")) and time.monotonic() < until_s:
        time.sleep(0.5)
        end = graph.resources()
    graph.changed(SHUTDOWN["active"])
    if graph.state() != "finalized" or graph.process.poll() is not None:
        raise MonoDepthError("the node is not finalized and alive after a shutdown")
    return {
        **said,
        "requests_without_an_answer": 0,
        "internal_errors": graph.errors,
        "picture": "as at the start",
        "node": "alive",
        "seconds": round(took_s, 1),
        "at_start": start,
        "at_end": end,
    }


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lifecycle", type=int, default=200, metavar="N", help="Transitions asked for.")
    parser.add_argument("--parameters", type=int, default=500, metavar="N", help="Requests to set parameters.")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="Driver processes that are killed.")
    parser.add_argument("--clocks", type=int, default=20, metavar="N", help="Jumps of stamps and of /clock.")
    parser.add_argument("--seed", type=int, default=1, help="Of what is chosen at random.")


def main(argv: Sequence[str] | None = None) -> int:
    prepare_ros()
    return run(__file__, measure, argv, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--publish"]:
        publish(int(sys.argv[2]))
    sys.exit(main())
