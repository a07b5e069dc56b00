# SPDX-License-Identifier: Apache-2.0
"""The depth node itself, measured over DDS: what overhead.py and overload.py run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import fill_camera_info
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.runtime.engine import Engine
from mono_depth_ros.nodes.depth import session
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.nodes.depth.stream import ImageJob
from mono_depth_ros.nodes.ros.guard import GuardedExecutor
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.startup import keep_freed_memory
from soak import memory_line, resident_mb

_CAMERA = Camera.from_fov((640, 480), 58.7)
_LISTENER = """
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
rclpy.init()
node = Node("listener")
node.create_subscription(Image, "/depth/image", lambda message: None, 1)
node.create_subscription(PointCloud2, "/depth/points", lambda message: None, 1)
rclpy.spin(node)
"""


class TimedNetwork:
    """The network of `tiny` in its engine, with the time of its last run."""

    def __init__(self, run: Engine) -> None:
        self.run, self.name, self.precision = run, run.name, run.precision
        self.last_s = 0.0

    def __call__(self, *inputs: torch.Tensor) -> Any:
        start = time.perf_counter()
        outputs = self.run(*inputs)
        self.last_s = time.perf_counter() - start
        return outputs


class SlowModel:
    """A network that takes a fixed time."""

    engine = "none"

    def __init__(self, seconds: float) -> None:
        self.spec = ModelSpec("slow", "bench", DepthKind.METRIC, "none")
        self.device = torch.device("cpu")
        self._seconds = seconds

    def predict(self, rgb: torch.Tensor, cameras: list[Camera]) -> list[DepthPrediction]:
        time.sleep(self._seconds)
        return [DepthPrediction(image[..., 0].float() / 10 + 0.1, DepthKind.METRIC) for image in rgb]


def overhead(frames: int = 100) -> dict[str, Any]:
    """Everything but the network's forward, from callback to published, 640x480 bgr8 in, depth and cloud out."""
    rclpy.init()
    torch.set_num_threads(1)
    load = session.load_model
    networks = []

    def load_timed(*_: Any) -> Any:
        model: Any = load(ModelConfig(model="tiny", device="cpu", threads=1))
        model.run = TimedNetwork(model.run)
        networks.append(model.run)
        return model

    setattr(session, "load_model", load_timed)  # noqa: B010, to mypy a function is no variable
    node = _node([Parameter("model", value="tiny"), Parameter("threads", value=1)])
    listener = subprocess.Popen([sys.executable, "-c", _LISTENER])
    try:
        assert node.session is not None
        while node.session.streams[0].outputs.subscribers() < 2:
            time.sleep(0.05)
        image, info = _messages()
        stream = node.session.streams[0]
        stream.infos.add(info)
        totals, forwards = [], []
        for index in range(frames + 20):
            image.header.stamp.sec = index
            start = time.perf_counter()
            node.session.work([ImageJob(stream, image, time.monotonic())])
            if index >= 20:
                totals.append((time.perf_counter() - start) * 1e3)
                forwards.append(networks[0].last_s * 1e3)
            time.sleep(0.02)  # let the listener take its copy: its time is not the node's
        stages = node.session.streams[0].monitor.snapshot().stages_ms
    finally:
        listener.kill()
        listener.wait()
        node.destroy_node()
    rest = np.array(totals) - np.array(forwards)
    return {
        "what": "depth node, 640x480 bgr8 to depth/image and depth/points, one thread, callback to published",
        "without_forward_ms": {"p50": _round(np.median(rest)), "p90": _round(np.percentile(rest, 90))},
        "forward_ms": _round(np.median(forwards)),
        "stages_p50_ms": {
            "decode": _round(stages["decode"]),
            "resize and upsample around the forward": _round(stages["estimate"] - float(np.median(forwards))),
            "depth message and publish": _round(stages["depth/image"]),
            "edges, cloud, message and publish": _round(stages["depth/points"]),
        },
        "frames": frames,
    }


def overload(seconds: float = 60.0, inference_s: float = 0.33) -> dict[str, Any]:
    """A camera ten times faster than the network: how old each result is when it is received, and the memory.

    Another process subscribes to depth and cloud.
    """
    keep_freed_memory()  # as the processes of nodes do
    rclpy.init()
    setattr(session, "load_model", lambda *_: SlowModel(inference_s))  # noqa: B010, likewise
    node = _node([])
    listener = subprocess.Popen([sys.executable, "-c", _LISTENER])
    outsider = Node("outsider")
    executors = [GuardedExecutor(node.errors.caught), SingleThreadedExecutor()]  # the first as nodes have it
    executors[0].add_node(node)
    executors[1].add_node(outsider)
    threads = [threading.Thread(target=executor.spin) for executor in executors]
    for thread in threads:
        thread.start()
    ages: list[float] = []
    start_ns = time.time_ns()

    def heard(message: Image) -> None:
        ages.append((time.time_ns() - stamp_ns(message.header.stamp)) / 1e6)

    outsider.create_subscription(Image, "/depth/image", heard, 1)
    images = outsider.create_publisher(Image, "/cam/image_raw", 1)
    infos = outsider.create_publisher(CameraInfo, "/cam/camera_info", 1)
    while not (images.get_subscription_count() and infos.get_subscription_count()):
        time.sleep(0.05)
    image, info = _messages()
    infos.publish(info)
    sent = 0
    memory = list[tuple[float, float]]()
    while (elapsed := (time.time_ns() - start_ns) / 1e9) < seconds:
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        images.publish(image)
        sent += 1
        if elapsed >= len(memory):  # once a second: a line for each image would be most of what is measured
            memory.append((elapsed, resident_mb(os.getpid())))
        time.sleep(inference_s / 10)
    assert node.session is not None
    snapshot = node.session.streams[0].monitor.snapshot()
    listener.kill()
    listener.wait()
    for executor, thread in zip(executors, threads, strict=True):
        executor.shutdown()
        thread.join()
    for each in (node, outsider):
        each.destroy_node()
    minutes, warm_mb = np.array([(t / 60, mb) for t, mb in memory if t > min(seconds / 6, 60)]).T
    return {
        "what": "depth node with a network ten times slower than the camera, 640x480",
        "seconds": seconds,
        "inference_ms": inference_s * 1e3,
        "bound_ms": 2 * inference_s * 1e3 + 50,
        "age_ms": {"p50": _round(np.median(ages)), "max": _round(max(ages))},
        "images_sent": sent,
        "results": len(ages),
        "superseded": snapshot.drops.get("superseded", 0),
        "memory": {**memory_line(minutes, warm_mb), "max_mb": _round(warm_mb.max())},
    }


def _node(parameters: list[Parameter]) -> DepthNode:
    node = DepthNode(parameter_overrides=parameters, cli_args=["--ros-args", "-r", "image:=/cam/image_raw"])
    node.trigger_configure()
    node.trigger_activate()
    return node


def _messages() -> tuple[Image, CameraInfo]:
    rows, columns = np.mgrid[0:480, 0:640]
    pixels = np.stack((columns % 256, rows % 256, (rows + columns) % 256), -1).astype(np.uint8)
    image, info = Image(), CameraInfo()
    fill_image(image, pixels, "bgr8")
    fill_camera_info(info, _CAMERA)
    return image, info


def _round(value: float) -> float:
    return round(float(value), 2)
