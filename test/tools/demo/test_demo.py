# SPDX-License-Identifier: Apache-2.0
"""`mono_depth demo` for real: processes, DDS, files. Small pictures and short runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from mono_depth_ros.tools.cli import main
from mono_depth_ros.tools.demo.session import replace_results

pytest.importorskip("rclpy")

COMMAND = [sys.executable, "-m", "mono_depth_ros.tools.cli", "demo"]
SMALL = ["--width", "320", "--height", "240"]
# CPython ends itself by the signal, after all the tidying up, when Ctrl-C fell into an `exec` of source text, as
# dataclasses and namedtuples do on import (`_Py_UnhandledKeyboardInterrupt` in its sources). A shell sees 130 then too.
BY_SIGINT = -signal.SIGINT


@dataclass
class Run:
    out: Path
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def summary(self):
        return json.loads((self.out / "summary.json").read_text())


def run(out, *words):
    start_s = time.monotonic()
    done = subprocess.run([*COMMAND, "--out", str(out), *words], capture_output=True, text=True, timeout=240)
    return Run(out, done.returncode, done.stdout, done.stderr, time.monotonic() - start_s)


def left_behind(out):
    """Command lines of processes of a demo that writes to `out`, and its temporary folders."""
    found = [path.name for path in out.parent.glob(f".{out.name}-*")]
    marker = f"{out.parent}/.{out.name}-".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if marker in command:
            found.append(command.replace(b"\0", b" ").decode())
    return found


def nothing_is_left(out, timeout_s=10.0):
    end_s = time.monotonic() + timeout_s
    while (found := left_behind(out)) and time.monotonic() < end_s:
        time.sleep(0.05)
    return not found


@pytest.fixture(scope="module")
def world_run(tmp_path_factory):
    return run(tmp_path_factory.mktemp("demo") / "demo_output", *SMALL, "--duration", "2", "--json")


@pytest.mark.slow
def test_exit_files_and_nothing_else(world_run):
    assert world_run.code == 0, world_run.stderr
    names = {path.name for path in world_run.out.iterdir()}
    pictures = {name for name in names if name.startswith("frame_") and name.endswith(".png")}
    assert names - pictures == {"report.html", "cloud.ply", "demo.mcap", "summary.json"}
    assert len(pictures) == 6
    assert left_behind(world_run.out) == []
    assert "recording" in world_run.stderr and "Traceback" not in world_run.stderr


@pytest.mark.slow
def test_summary(world_run, documented):
    found = world_run.summary
    assert json.loads(world_run.stdout) == found
    documented("demo", found)
    keys = ["model", "frames_in", "frames_out", "dropped", "rate_hz", "latency_ms", "depth", "aligned", "motion"]
    assert list(found) == [*keys, "alignment"]
    assert found["model"] == "tiny"
    assert found["frames_in"] == found["frames_out"] + found["dropped"] and found["frames_out"] >= 3
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"] < 10_000
    assert found["depth"]["n"] >= 0.2 * 320 * 240 * found["frames_out"]
    assert 0 < found["depth"]["abs_rel"] < 5 and 0 <= found["depth"]["delta1"] <= 1
    assert found["aligned"].keys() == found["depth"].keys()
    assert found["aligned"]["n"] >= 0.2 * 320 * 240 * 3
    assert found["motion"].keys() == found["depth"].keys() and 0 < found["motion"]["abs_rel"] < 0.5
    assert 0 < found["aligned"]["abs_rel"] < found["depth"]["abs_rel"], "the lidar makes it better"
    alignment = found["alignment"]
    assert list(alignment) == ["scale", "shift", "inliers", "held_out_abs_rel"]
    assert 0.5 < alignment["scale"] < 2 and alignment["shift"] == 0 and 0.3 < alignment["inliers"] <= 1
    assert 0 < alignment["held_out_abs_rel"] < 0.2


@pytest.mark.slow
def test_bag_can_be_read(world_run):
    with AnyReader([world_run.out / "demo.mcap"]) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
        kinds = {connection.topic: connection.msgtype for connection in reader.connections}
        first = {}
        for connection, _, data in reader.messages():
            first.setdefault(connection.topic, reader.deserialize(data, connection.msgtype))
    assert kinds == {
        "/camera/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
        "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
        "/camera/depth_truth": "sensor_msgs/msg/Image",
        "/camera/pose": "geometry_msgs/msg/PoseStamped",
        "/lidar/points": "sensor_msgs/msg/PointCloud2",
        "/depth/image": "sensor_msgs/msg/Image",
        "/aligned/image": "sensor_msgs/msg/Image",
        "/aligned_motion/image": "sensor_msgs/msg/Image",
        "/odom": "nav_msgs/msg/Odometry",
        "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
        "/tf_static": "tf2_msgs/msg/TFMessage",
    }
    assert counts["/camera/image_raw/compressed"] == world_run.summary["frames_in"]
    assert counts["/depth/image"] == world_run.summary["frames_out"]
    assert (first["/depth/image"].width, first["/depth/image"].encoding) == (320, "16UC1")
    # Half of it are the sweeps of the lidar; as they were published, the messages of a frame are 1.8 MB.
    assert (world_run.out / "demo.mcap").stat().st_size < 6e5 * world_run.summary["frames_in"]


@pytest.mark.slow
def test_pictures_and_cloud(world_run):
    for path in world_run.out.glob("frame_*.png"):
        assert cv2.imread(str(path)).std() > 20
    header, _, body = (world_run.out / "cloud.ply").read_bytes().partition(b"end_header\n")
    count = int(header.split(b"element vertex ")[1].split()[0])
    assert count > 0.3 * 160 * 120 and len(body) == 15 * count


@pytest.mark.slow
def test_report_in_a_browser(world_run, browser):
    page = (world_run.out / "report.html").read_text(encoding="utf-8")
    assert len(page) < 8_000_000
    found = browser.inspect(page, "--window-size=1280,900")
    assert found["complaints"] == [] and found["fetched"] == [] and found["pictures"]
    assert min(view["share"] for view in found["views"].values()) > 0.02


def made_frames(folder):
    """Three frames of noise in the 7-Scenes layout, two metres from the camera."""
    folder.mkdir()
    (folder / "camera-intrinsics.txt").write_text("150 0 79.5\n0 150 59.5\n0 0 1\n")
    for k in range(3):
        noise = np.random.default_rng(k).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"frame-{k}.color.png"), noise)
        cv2.imwrite(str(folder / f"frame-{k}.depth.png"), np.full((120, 160), 2000, np.uint16))
    return folder


@pytest.mark.slow
def test_folder_with_ground_truth(tmp_path, request):
    """Frames of 7-Scenes, or made ones where these are not: calibration and ground truth are found beside them."""
    try:
        folder, pixels = request.getfixturevalue("real_data") / "seven_scenes", 100_000
    except pytest.skip.Exception:
        folder, pixels = made_frames(tmp_path / "frames"), 0.2 * 160 * 120
    found = run(tmp_path / "out", "--source", str(folder), "--frames", "20", "--rate", "100")
    assert found.code == 0, found.stderr
    assert (found.summary["frames_in"], found.summary["dropped"]) == (20, 0), "a file waits for a slower network"
    assert "so that none is dropped" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert found.summary["depth"]["n"] > pixels * found.summary["frames_out"] >= pixels
    assert all(found.summary[name] is None for name in ("aligned", "motion", "alignment")), "no lidar, no odometry"


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment, number, code, alignment",
    [
        ("", signal.SIGINT, 130, "lidar"),
        ("waiting", signal.SIGTERM, 143, "lidar"),
        ("recording", signal.SIGINT, 130, "lidar"),
        ("recording", signal.SIGKILL, -9, "none"),
        ("measuring", signal.SIGINT, 130, "none"),
    ],
)
def test_stopped_at_any_time(tmp_path, moment, number, code, alignment):
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text("of an earlier run")
    (out / "notes.txt").write_text("of somebody else")
    process = subprocess.Popen(
        [*COMMAND, "--out", str(out), *SMALL, "--duration", "0.5", "--alignment", alignment],
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    seen = ""
    if moment:
        while moment not in seen:
            seen += process.stderr.read(1)
            assert process.poll() is None, seen
    else:
        time.sleep(0.6)  # amid the imports or the start of the nodes
    process.send_signal(number)
    errors = seen + process.stderr.read()
    ended = process.wait(30)
    assert ended == code or (number == signal.SIGINT and ended == BY_SIGINT), errors
    assert "Traceback" not in errors
    if number == signal.SIGKILL:
        # Nobody could tidy up; the nodes must go by themselves all the same.
        end_s = time.monotonic() + 15
        while any(" " in found for found in left_behind(out)) and time.monotonic() < end_s:
            time.sleep(0.05)
        assert not any(" " in found for found in left_behind(out))
    else:
        assert nothing_is_left(out)
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "summary.json": "of an earlier run",
        "notes.txt": "of somebody else",
    }


@pytest.mark.parametrize("after_s", [0.5, 0.8, 1.1])
def test_interrupted_while_it_imports_or_starts(tmp_path, after_s):
    """Python swallows a KeyboardInterrupt raised in callbacks of an import: the demo must end all the same."""
    process = subprocess.Popen([*COMMAND, "--out", str(tmp_path / "out"), *SMALL], stderr=subprocess.PIPE, text=True)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    errors = process.stderr.read()
    assert process.wait(30) in (130, BY_SIGINT) and "Traceback" not in errors, errors
    assert nothing_is_left(tmp_path / "out")


@pytest.mark.slow
def test_a_node_that_ends_is_told_with_its_words(tmp_path):
    (tmp_path / "no_model_in_here").mkdir()
    found = run(tmp_path / "out", *SMALL, "--model", str(tmp_path / "no_model_in_here"))
    assert found.code == 1
    assert "depth node ended with exit code 1. Its last lines:" in found.stderr
    assert "no_model_in_here" in found.stderr and "Traceback" not in found.stderr
    assert nothing_is_left(tmp_path / "out") and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_does_not_come_is_named(tmp_path):
    found = run(tmp_path / "out", *SMALL, "--start-timeout", "1")
    assert found.code == 1
    assert "within 1 s not everything was there" in found.stderr
    assert nothing_is_left(tmp_path / "out")


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--camera", "1,1,1,1"], "the synthetic camera knows its own calibration"),
        (["--source", "missing"], "there is no missing"),
        (["--duration", "-1"], "0.1 to 3600 s"),
        (["--scene", "moon"], "one of: room, corridor"),
        (["--model", "tinny"], "did you mean tiny"),
        (["--model", "depth_anything_v2_small"], "gives relative depth: expected a metric model"),
    ],
)
def test_wrong_arguments(tmp_path, capsys, words, sentence):
    code = 2 if words[0] in ("--duration", "--scene") else 1
    assert main(["demo", "--out", str(tmp_path / "out"), *words]) == code
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_results_of_others_are_kept_and_old_pictures_go(tmp_path):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    for folder, names in (
        (out, ("frame_0007.png", "report.html", "mine.txt")),
        (fresh, ("frame_0000.png", "report.html")),
    ):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(folder.name)
    replace_results(out, fresh)
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "frame_0000.png": "fresh",
        "report.html": "fresh",
        "mine.txt": "out",
    }


@pytest.mark.slow
def test_its_recording_goes_through_mono_depth_bag_and_is_aligned_by_its_own_transform(world_run, tmp_path):
    words = [
        "bag",
        world_run.out / "demo.mcap",
        "--out",
        tmp_path / "out.mcap",
        "--namespace",
        "again",
        "--model",
        "tiny",
    ]
    command = [
        sys.executable,
        "-m",
        "mono_depth_ros.tools.cli",
        *map(str, words),
        "--outputs",
        "depth,aligned",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "by /tf_static" in done.stderr
    found = json.loads(done.stdout)
    assert found["written"] == found["frames"] >= world_run.summary["frames_out"]
    assert found["alignment"]["abs_rel_after"] < 0.9 * found["alignment"]["abs_rel_before"]
    with Reader(tmp_path / "out.mcap") as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts == dict.fromkeys(found["topics"], found["written"])
