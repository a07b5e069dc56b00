# SPDX-License-Identifier: Apache-2.0
"""Every test session has a ROS domain, a log folder and a cache of its own, and the package's Fast DDS profile.

Set here, before rclpy or torch is imported, and inherited by the processes that tests start.
"""

from __future__ import annotations

import os
import random
import runpy
import signal
import tempfile
from pathlib import Path

import pytest

from mono_depth_ros import transport

ROOT = Path(__file__).resolve().parents[1]

# A fresh seed: some tests seed `random` themselves, and two sessions at a time must not meet. Nor may the processes of
# one, which pytest-xdist calls gw0, gw1, ...
_SEED = os.environ.get("PYTEST_XDIST_TESTRUNUID") or random.SystemRandom().random()
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
DOMAIN_ID = 1 + (random.Random(_SEED).randrange(101) + _WORKER) % 101
LOGS = tempfile.TemporaryDirectory(prefix="mono_depth_test_logs-")
CACHE = tempfile.TemporaryDirectory(prefix="mono_depth_test_cache-")

os.environ["ROS_DOMAIN_ID"] = str(DOMAIN_ID)
os.environ["ROS_LOG_DIR"] = LOGS.name
os.environ["MONO_DEPTH_CACHE"] = CACHE.name  # graphs and verdicts of `engine: auto`
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.update(dict.fromkeys(transport.VARIABLES, str(transport.profile())))
# Threads that spin while they wait would starve the other processes of a node test.
os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")
# Shells start background jobs deaf to Ctrl-C, and their children inherit that: tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"ROS_DOMAIN_ID {DOMAIN_ID}, ROS logs in {LOGS.name}"


def pytest_unconfigure() -> None:
    LOGS.cleanup()
    CACHE.cleanup()


pytest_sessionfinish = runpy.run_path(str(ROOT / "test" / "skip_list.py"))["pytest_sessionfinish"]


@pytest.fixture(scope="session")
def documented():
    """A function that holds what a command printed as JSON against docs/json.md: `documented("bag", printed)`."""
    return runpy.run_path(str(ROOT / "test" / "json_page.py"))["check"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real camera data (kitti_depth, kitti_lidar, nyu_depth, seven_scenes), or a skip that says so."""
    folder = Path(os.environ.get("MONO_DEPTH_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "seven_scenes").is_dir():
        pytest.skip(f"no real camera data in {folder}: set MONO_DEPTH_DATA to a folder with seven_scenes in it")
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for one test."""
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def still():
    """Gives a smooth picture by its number, (48, 64, 3) uint8, and its camera."""
    import cv2
    import numpy as np

    from mono_depth_ros.geometry.camera import Camera

    camera = Camera.from_fov((64, 48), 60)

    def picture(number: int) -> tuple[np.ndarray, Camera]:
        coarse = np.random.default_rng(number).uniform(0, 255, (6, 8, 3))
        return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8), camera

    return picture


@pytest.fixture
def counting_model():
    """A stand-in video model: the depth of an image is the number of the images that its stream has had, in metres."""
    import torch

    from mono_depth_ros.models.base import ModelSpec
    from mono_depth_ros.prediction import DepthKind, DepthPrediction

    class Count:
        images = 0

    class CountingModel:
        spec = ModelSpec("counting", "test", DepthKind.METRIC, "none", video=True)
        device, engine = torch.device("cpu"), "none"
        memory = Count

        def __init__(self):
            self.batches = []

        def predict(self, rgb, cameras, memories=()):
            known = [memory or Count() for memory in memories or [None] * len(rgb)]
            assert len({id(memory) for memory in known}) == len(rgb) == len(cameras)
            self.batches.append(len(rgb))
            for memory in known:
                memory.images += 1
            return [
                DepthPrediction(torch.full(rgb.shape[1:3], float(memory.images)), self.spec.kind) for memory in known
            ]

    return CountingModel()
