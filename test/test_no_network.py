# SPDX-License-Identifier: Apache-2.0
"""Nothing goes to the network unless a fetch is asked for: a process that forbids it to itself, from its first line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

GUARD = """
import sys
asked = []
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.send", "urllib.Request",
             "http.client.connect", "subprocess.Popen", "os.system")
def watch(event, arguments):
    if event.startswith(FORBIDDEN):
        asked.append(f"{event} {arguments!r:.200}")
        raise PermissionError(asked[-1])
sys.addaudithook(watch)
"""
PICTURE = """
import numpy as np
import mono_depth_ros
from mono_depth_ros.tools import cli
camera = mono_depth_ros.Camera.from_fov((64, 48), hfov_deg=60)
frame = mono_depth_ros.load_model("tiny", device="cpu")("in.png", camera)
assert np.isfinite(frame.depth.numpy()).any()
sys.argv = ["mono_depth", "image", "in.png", "--model", "tiny", "--hfov", "60", "--out", "out", "--ply"]
assert cli.main() == 0
"""
NODE = """
import time
import rclpy
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.nodes.alignment.node import AlignmentNode
rclpy.init()
def given(**values):
    return [Parameter(name, value=value) for name, value in values.items()]
depth = DepthNode(parameter_overrides=given(model='tiny', obstacles=True, device="cpu", engine="torch", lazy=False))
aligned = AlignmentNode(parameter_overrides=given(reference="memory"))
for node in (depth, aligned):
    assert node.trigger_configure().name == node.trigger_activate().name == "SUCCESS"
heard, executor = [], rclpy.executors.SingleThreadedExecutor()
outsider = rclpy.create_node("outsider")
outsider.create_subscription(Image, "/depth/image", heard.append, 1)
image = Image(height=48, width=64, encoding="rgb8", step=192, data=bytes(range(192)) * 48)
info = CameraInfo(height=48, width=64, k=[60.0, 0, 32, 0, 60, 24, 0, 0, 1], d=[0.0] * 5, distortion_model="plumb_bob")
publishers = [(outsider.create_publisher(type(m), t, 1), m) for t, m in (("/camera_info", info), ("/image", image))]
for node in (depth, aligned, outsider):
    executor.add_node(node)
number, begun = 0, time.monotonic()
while not heard and time.monotonic() - begun < 60:
    number += 1
    for publisher, message in publishers:
        message.header.stamp.sec, message.header.frame_id = number, "camera"
        publisher.publish(message)
    executor.spin_once(timeout_sec=0.05)
assert heard, "no depth came"
"""
HUB = """
import os
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
from mono_depth_ros.errors import ModelError
try:
    mono_depth_ros.load_model("depth_anything_v2_small", device="cpu")
    raise SystemExit("it was loaded")
except ModelError:
    pass
"""


def run(code: str, tmp_path: Path) -> list[str]:
    """What the process asked of the network."""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"}
    script = f"{GUARD}{code}\nprint(chr(10).join(asked), end='')\nsys.stdout.flush()\nimport os\nos._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


def test_a_picture_a_node_and_a_model_that_is_not_here(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "in.png"), noise)
    asked = run(PICTURE + NODE + "assert asked == [], asked\n" + HUB, tmp_path)
    assert asked and "127.0.0.1" in asked[0], "a fetch is what the guard notices"
