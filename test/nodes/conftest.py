# SPDX-License-Identifier: Apache-2.0
"""Nodes for real: rclpy over DDS, with publishers and subscribers as an outsider writes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
import torch
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.nodes.ros.transforms import transform_message
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.demo.environment import node_environment


class PlaneModel:
    """A stand-in network with a known answer: depth = red channel / 10 m; it can be slow or relative."""

    def __init__(self, kind: DepthKind = DepthKind.METRIC, delay_s: float = 0.0) -> None:
        self.spec = ModelSpec("plane", "test", kind, "none")
        self.device, self.engine = torch.device("cpu"), "torch fp32"
        self.delay_s = delay_s
        self.batches: list[int] = []

    @property
    def calls(self) -> int:
        return len(self.batches)

    def predict(self, rgb, cameras):
        self.batches.append(len(rgb))
        time.sleep(self.delay_s)
        return [DepthPrediction(image[..., 0].float() / 10, self.spec.kind) for image in rgb]


class Ros:
    """Spins nodes in the background and waits for things to become true."""

    def __init__(self) -> None:
        self.executor = SingleThreadedExecutor()
        self.outsider = self.add(Node("outsider"))
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._stop = False
        self._thread.start()

    def add(self, node: Node) -> Any:
        self.executor.add_node(node)
        return node

    def listen(self, kind: type, topic: str, qos: Any = 10) -> list[Any]:
        """A list that grows with the messages of a topic."""
        heard: list[Any] = []
        self.outsider.create_subscription(kind, topic, heard.append, qos)
        return heard

    def wait(
        self, condition: Callable[[], Any], timeout_s: float = 60.0, poll: Callable[[], None] | None = None
    ) -> Any:
        """Wait until `condition()` is true, calling `poll` meanwhile; fails loudly."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if result := condition():
                return result
            if poll is not None:
                poll()
            time.sleep(0.02)
        raise AssertionError(f"not true after {timeout_s} s: {condition}")

    def _spin(self) -> None:
        while not self._stop:
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._stop = True
        self._thread.join(5)
        for node in self.executor.get_nodes():
            node.destroy_node()
        self.executor.shutdown()


class Rig:
    """A camera written by an outsider, a depth node with the plane model, and what comes out of it."""

    SIZE = (64, 48)

    def __init__(self, ros: Ros, model: PlaneModel, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> None:
        monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: model)
        self.ros, self.model = ros, model
        self.stamp_ns, self.ahead_ns = time.time_ns(), 0
        self._texture = np.random.default_rng(0).integers(0, 256, (*self.SIZE[::-1], 3), dtype=np.uint8)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = DepthNode(parameter_overrides=overrides, cli_args=["--ros-args", "-r", "image:=/cam/image_raw"])
        assert self.node.trigger_configure().name == "SUCCESS" and self.node.trigger_activate().name == "SUCCESS"
        ros.add(self.node)
        compressed = parameters.get("image_transport") == "compressed"
        kind, topic = (CompressedImage, "/cam/image_raw/compressed") if compressed else (Image, "/cam/image_raw")
        self.images = ros.outsider.create_publisher(kind, topic, qos_profile_sensor_data)
        self.infos = ros.outsider.create_publisher(CameraInfo, "/cam/camera_info", QoSProfile(depth=5))

    def matched(self) -> None:
        self.ros.wait(lambda: self.images.get_subscription_count() and self.infos.get_subscription_count())

    def image(self, value: int = 50, **changes: Any) -> Image:
        """An rgb8 image of now whose depth is value / 10 m; its right half has noise in green and blue."""
        self.stamp_ns = time.time_ns() + self.ahead_ns
        width, height = self.SIZE
        message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        message.header.frame_id = "camera_optical"
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.stamp_ns, 10**9)
        pixels = np.full((height, width, 3), value, np.uint8)
        pixels[:, width // 2 :, 1:] = self._texture[:, width // 2 :, 1:]
        message.data = pixels.tobytes()
        for name, new in changes.items():
            setattr(message, name, new)
        return message

    def info(self, **changes: Any) -> CameraInfo:
        width, height = self.SIZE
        message = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.stamp_ns, 10**9)
        message.k = [60.0, 0, 31.5, 0, 60, 23.5, 0, 0, 1]
        message.p = [60.0, 0, 31.5, 0, 0, 60, 23.5, 0, 0, 0, 1, 0]
        for name, new in changes.items():
            setattr(message, name, new)
        return message

    def send(self, image: Any = None, info: CameraInfo | None = None) -> Any:
        image = image or self.image()
        self.infos.publish(info or self.info())
        self.images.publish(image)
        return image

    def drops(self) -> dict[str, int]:
        return self.node.session.streams[0].monitor.snapshot().drops


class Caller:
    """Calls the services of a node."""

    def __init__(self, ros: Ros, node: str) -> None:
        self._ros, self._node = ros, node
        self._clients: dict[tuple[Any, str], Any] = {}

    def begin(self, kind: Any, name: str, **fields: Any) -> Any:
        """The future answer."""
        key = (kind, name)
        if key not in self._clients:
            self._clients[key] = self._ros.outsider.create_client(kind, f"{self._node}/{name}")
            assert self._clients[key].wait_for_service(60)
        return self._clients[key].call_async(kind.Request(**fields))

    def call(self, kind: Any, name: str, timeout_s: float = 10.0, **fields: Any) -> Any:
        future = self.begin(kind, name, **fields)
        self._ros.wait(future.done, timeout_s)
        return future.result()

    def transition(self, number: int = 0, label: str = "", timeout_s: float = 10.0) -> bool:
        asked = Transition(id=number, label=label)
        return self.call(ChangeState, "change_state", timeout_s, transition=asked).success

    def state(self) -> str:
        return self.call(GetState, "get_state", 5.0).current_state.label

    def set(self, *parameters: Any, kind: Any = SetParameters) -> Any:
        name = "set_parameters" if kind is SetParameters else "set_parameters_atomically"
        return self.call(kind, name, parameters=list(parameters))

    def get(self, name: str) -> Any:
        return self.call(GetParameters, "get_parameters", names=[name]).values[0]


@pytest.fixture
def caller(ros) -> Callable[..., Caller]:
    """`caller(node)` calls the services of the node of this name."""
    return lambda node="/depth": Caller(ros, node)


@pytest.fixture
def ros() -> Iterator[Ros]:
    rclpy.init()
    ros = Ros()
    yield ros
    ros.close()
    rclpy.try_shutdown()


@pytest.fixture
def rig(ros, monkeypatch) -> Callable[..., Rig]:
    def make(model: PlaneModel | None = None, matched: bool = True, **parameters: Any) -> Rig:
        rig = Rig(ros, model or PlaneModel(), monkeypatch, **parameters)
        if matched:
            rig.matched()
        return rig

    return make


@pytest.fixture
def plane_model() -> type[PlaneModel]:
    return PlaneModel


def fake_tf2() -> Any:
    """tf2_ros as far as it is used: tf2_ros_py/tf2_ros/buffer.py, transform_listener.py and tf2_py's exceptions."""
    module: Any = types.ModuleType("tf2_ros")

    class TransformException(Exception):
        pass

    for name in ("Lookup", "Connectivity", "Extrapolation", "InvalidArgument"):
        setattr(module, f"{name}Exception", type(f"{name}Exception", (TransformException,), {}))
    module.TransformException = TransformException

    class Buffer:
        """Transforms that hold up to a time; several parts of the tree do not touch."""

        def __init__(self, cache_time: Any = None, node: Any = None) -> None:
            self.known: dict[tuple[str, str], tuple[np.ndarray, int]] = {}
            self.waited: list[float] = []
            self.jump_handle = types.SimpleNamespace(unregister=lambda: self.waited.append(-1.0))
            module.buffer = self

        def set(self, target: str, source: str, matrix: Any, until_ns: int = 2**62) -> None:
            self.known[target, source] = (np.asarray(matrix, float), until_ns)

        def lookup_transform(self, target: str, source: str, time_: Any, timeout: Any = None) -> TransformStamped:
            timeout = timeout or Duration()
            end = time.monotonic() + timeout.nanoseconds / 1e9
            self.waited.append(timeout.nanoseconds / 1e9)
            while True:
                try:
                    return self._core(target, source, time_)
                except TransformException:
                    if time.monotonic() >= end:
                        raise
                time.sleep(0.02)

        def _core(self, target: str, source: str, time_: Any) -> TransformStamped:
            for frame in (target, source):
                if frame.startswith("/"):
                    raise module.InvalidArgumentException(f"frame_id \"{frame}\" cannot start with a '/'")
                if not any(frame in pair for pair in self.known):
                    raise module.LookupException(f'"{frame}" passed to lookupTransform does not exist')
            if (target, source) not in self.known:
                raise module.ConnectivityException(f"'{target}' and '{source}' are not part of the same tree")
            matrix, until_ns = self.known[target, source]
            if time_.nanoseconds > until_ns:
                raise module.ExtrapolationException("Lookup would require extrapolation into the future")
            found = TransformStamped(child_frame_id=source, transform=transform_message(matrix))
            found.header.frame_id = target
            return found

    class TransformListener:
        def __init__(self, buffer: Any, node: Any) -> None:
            self.registered = True
            module.listener = self

        def unregister(self) -> None:
            self.registered = False

    module.Buffer, module.TransformListener = Buffer, TransformListener
    return module


@pytest.fixture
def tf2(monkeypatch: pytest.MonkeyPatch) -> Any:
    """tf2_ros, installed."""
    module = fake_tf2()
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return module


@pytest.fixture
def no_tf2(monkeypatch: pytest.MonkeyPatch) -> None:
    """tf2_ros, not installed."""
    monkeypatch.setitem(sys.modules, "tf2_ros", None)


class NodeProcess:
    """`python -m MODULE --ros-args -p NAME:=VALUE ...` in a session of its own; `log` grows with its stderr."""

    def __init__(self, environment: dict[str, str], module: str, *words: str, **parameters: Any) -> None:
        for name, value in parameters.items():
            words += ("-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}")
        self.log = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "--ros-args", *words],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def code(self, timeout_s: float = 60.0) -> int:
        """Wait for the end and return the exit code; the log is complete then."""
        code = self._process.wait(timeout_s)
        self._reader.join(5.0)
        return code

    def kill(self) -> None:
        """End it by a signal that it hears: one that is killed leaves its 64 MB of Fast DDS in /dev/shm for good."""
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait(10.0)

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self.log += line


@pytest.fixture
def refused(monkeypatch, capfd) -> Callable[..., str]:
    """`refused(main, *words, **parameters)`: runs a node's entry point here, which ends with 1, and gives its log."""

    def start(main: Callable[[], int], *words: str, **parameters: Any) -> str:
        for name, value in parameters.items():
            words += ("-p", f"{name}:={value}")
        monkeypatch.setattr(sys, "argv", ["node", "--ros-args", *words])
        code = main()
        log = "".join(capfd.readouterr())
        assert code == 1 and "Traceback" not in log, log
        return log

    return start


@pytest.fixture
def node_process(tmp_path, monkeypatch) -> Iterator[Callable[..., NodeProcess]]:
    """Starts nodes in a ROS domain of the test's own; name it before `ros`, which then listens in that domain."""
    environment = node_environment(tmp_path / "log", None)
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"):
        if name in environment:
            monkeypatch.setenv(name, environment[name])
    started: list[NodeProcess] = []

    def start(module: str, *words: str, **parameters: Any) -> NodeProcess:
        started.append(NodeProcess(environment, module, *words, **parameters))
        return started[-1]

    yield start
    for process in started:
        process.kill()
