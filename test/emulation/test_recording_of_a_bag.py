# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag` with a model on a GPU: the same bag as on the CPU, and the writer touches nothing of the GPU."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from bag import write_bag
from fake_cuda import Runtime
from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.config import BagConfig, GroundConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.bag.convert import Job, convert


class Red:
    """No network: depth is how red a picture is."""

    spec, engine = ModelSpec("red", "test", DepthKind.METRIC, "none"), "none"

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def predict(self, rgb: torch.Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        return [DepthPrediction(image[..., 0].float() / 20 + 0.5, DepthKind.METRIC) for image in rgb]


def content(path: Path) -> list[tuple[str, int, bytes]]:
    with BagReader(path) as reader:
        topics = {name for name in reader.topics if name.startswith("/depth")}
        return [(item.topic, item.log_ns, bytes(item.data)) for item in reader.messages(topics)]


def test_a_bag_from_the_gpu_is_that_from_the_cpu(gpu: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bag(tmp_path / "in", 11, (64, 48))
    threads: set[str] = set()
    issue = gpu.issue
    monkeypatch.setattr(gpu, "issue", lambda *a, **b: (threads.add(threading.current_thread().name), issue(*a, **b))[1])
    made: dict[str, Any] = {}
    for device in ("cpu", "cuda:0"):
        folder = tmp_path / device.replace(":", "")
        export = {"export_tum": str(folder / "tum"), "export_ply": str(folder / "ply")}
        wanted = "depth,points,obstacles,scan,normals,color"
        options = BagConfig(outputs=wanted, depth_encoding="16UC1", batch=4, **export)
        robot = GroundConfig(base_frame="base", base_from_camera="0 0 1 -0.5 0.5 -0.5 0.5")
        with gpu.counted() as work:
            convert(Job(tmp_path / "in", folder / "out.mcap", options, ground=robot), Red(device))
        files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.p[nl][gy]"))}
        made[device] = content(folder / "out.mcap"), files
    assert made["cpu"] == made["cuda:0"] and len(made["cpu"][0]) == 11 * 8
    assert len(made["cpu"][1]) == 33
    assert threads == {threading.main_thread().name}
    batches, palette = 3, 2  # colours are uploaded once
    assert work.waits == batches * 2 + palette, "one for the messages, one for the exports"
