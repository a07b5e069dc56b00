# SPDX-License-Identifier: Apache-2.0
"""The depth node as a process: how it starts, what it says when it cannot, and how it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.nodes.depth.node import main

NODE = [sys.executable, "-m", "mono_depth_ros.nodes.depth_node", "--ros-args"]


def start(*arguments: str, command: list[str] | None = None, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        command or [*NODE, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen, words: str) -> None:
    """Read the log up to the line with `words`; kills the process and fails when it does not come."""
    timer = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    log = ""
    for line in process.stderr:
        log += line
        if words in line:
            timer.cancel()
            return
    raise AssertionError(log)


def test_what_cannot_start_ends_the_process_with_1():
    process = start("-p", "model:=tinny")
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1 and "did you mean tiny" in log and "Traceback" not in log, log


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"model": "tiny", "device": "cuda:99"}, "cuda"),
        ({"model": "tiny", "stride": 0}, "1 to 64 px"),
        ({"model": "tiny", "rectifi": "true"}, "did you mean rectif"),
    ],
)
def test_what_cannot_start_says_why(refused, parameters, words):
    assert words in refused(main, **parameters)


def test_a_misspelt_parameter_in_a_yaml_is_an_error(refused, tmp_path):
    file = tmp_path / "depth.yaml"
    file.write_text("depth:\n  ros__parameters:\n    model: tiny\n    max_dept: 5.0\n")
    assert "did you mean max_depth" in refused(main, "--params-file", str(file))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", ["tiny on cpu", "with /camera_info"], ids=["starting", "running"])
def test_signals_end_the_node_cleanly(number, words):
    process = start("-p", "model:=tiny")
    wait_for(process, words)
    os.killpg(process.pid, number)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 128 + number and "Traceback" not in log, log


def test_it_leaves_in_mid_inference_and_a_second_signal_is_as_quiet_as_the_first(ros, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    words = ("--ros-args", "-p", "lazy:=false", "-r", "image:=/slow/image", "-r", "__node:=slow")
    process = start(command=[sys.executable, str(tmp_path / "slow.py"), *words])
    images = ros.outsider.create_publisher(Image, "/slow/image", 1)
    infos = ros.outsider.create_publisher(CameraInfo, "/slow/camera_info", 1)

    def send():
        infos.publish(CameraInfo(height=48, width=64, k=[60.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]))
        images.publish(Image(height=48, width=64, encoding="mono8", step=64, data=bytes(48 * 64)))

    timer = ros.outsider.create_timer(0.1, send)
    wait_for(process, "in the network")
    start_s = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, log = process.communicate(timeout=20)
    timer.cancel()
    assert process.returncode == 128 + signal.SIGINT and time.monotonic() - start_s < 3.0
    assert log == ""


SLOW = """
import sys, time
from mono_depth_ros.startup import node_main

class Slow:
    def __init__(self):
        import torch
        from mono_depth_ros.models.base import ModelSpec
        from mono_depth_ros.prediction import DepthKind
        self.spec = ModelSpec("slow", "test", DepthKind.METRIC, "none")
        self.device, self.engine = torch.device("cpu"), "torch"
    def predict(self, rgb, cameras):
        print("in the network", file=sys.stderr, flush=True)
        time.sleep(60)

def main():
    from mono_depth_ros.nodes.depth import node, session
    session.load_model = lambda *_: Slow()
    return node.main()

sys.modules["slow"] = sys.modules["__main__"]
sys.exit(node_main("slow")())
"""


def test_the_node_ends_when_the_process_that_started_it_is_gone(tmp_path):
    pid_file = tmp_path / "pid"
    starter = (
        f"import subprocess, sys, time; p = subprocess.Popen({[*NODE, '-p', 'model:=tiny']!r}); "
        f"open({str(pid_file)!r}, 'w').write(str(p.pid)); time.sleep(60)"
    )
    process = start(command=[sys.executable, "-c", starter], MONO_DEPTH_ROS_EXIT_WITH_PARENT="1")
    wait_for(process, "tiny on cpu")
    node = int(pid_file.read_text())
    process.kill()
    end = time.monotonic() + 20
    while time.monotonic() < end and os.path.exists(f"/proc/{node}"):
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{node}")
