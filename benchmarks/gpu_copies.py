# SPDX-License-Identifier: Apache-2.0
"""Copies, bytes and waits between the host and a GPU, counted on an emulated one: no GPU is needed, nothing is timed.

From a picture to filled messages with the embedded network, once all that is kept is there. A wait is where the host
stops until the GPU has done what it was given, and does not give it more meanwhile: blocking copies are among them.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from common import add_before, beside, run
from fake_cuda import Runtime, Work, fake_cuda
from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.bags.messages import POINT_FIELD, empty, header_of
from mono_depth_ros.config import DepthConfig, ModelConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.streams import outputs

SIZES = ((640, 480), (1920, 1080))
CLOUD = ("depth/image", "depth/camera_info", "depth/points")
ALL = (*CLOUD, "depth/normals", "depth/color", "rgb/image_rect", "rgb/camera_info")
_LENS = (-0.2, 0.05, 0.001, 0.0, 0.0)
_HEADER = header_of(SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2), frame_id="camera"))


@dataclass(frozen=True)
class Case:
    """What is asked of a picture.

    Attributes:
        topics: that are subscribed to. encoding: of the depth. rectify: the picture is rectified first.
        focusing: each picture has another camera_info, and a lens.
    """

    topics: tuple[str, ...]
    encoding: str = "32FC1"
    rectify: bool = False
    focusing: bool = False


CASES = {
    "depth": Case(CLOUD[:1]),
    "depth in 16UC1": Case(CLOUD[:1], "16UC1"),
    "depth and cloud": Case(CLOUD),
    "depth and cloud, camera_info changes": Case(CLOUD, focusing=True),
    "all topics, rectified": Case(ALL, rectify=True),
}


def count(gpu: Runtime, work: Callable[[int], Any]) -> Work:
    """What the third call of a function does; it is given how many calls were before."""
    for turn in range(2):
        work(turn)
    with gpu.counted() as counted:
        work(2)
    return counted


@torch.inference_mode()
def frame_counts(gpu: Runtime, pipeline: Pipeline, case: Case, size: tuple[int, int]) -> Work:
    """From a picture to messages."""
    width, height = size
    rgb = picture(size)

    def work(turn: int) -> list[Any]:
        focal = 0.7 * width + turn * case.focusing
        camera = Camera(width, height, focal, focal, width / 2, height / 2)
        lens = Camera(width, height, focal, focal, width / 2, height / 2, "plumb_bob", _LENS)
        seen = lens if case.rectify or case.focusing else camera
        frame = pipeline.estimate(rgb, seen, camera if case.rectify else None)
        return messages([frame], case.topics, case.encoding)

    return count(gpu, work)


@torch.inference_mode()
def batch_counts(gpu: Runtime, pipeline: Pipeline, size: tuple[int, int]) -> Work:
    """A batch of eight pictures of a recording, to depth and cloud."""
    shots = [Shot(picture(size), Camera.from_fov(size, 70.0))] * 8

    def work(_: int) -> list[Any]:
        return messages([frame for frame in pipeline.estimate_batch(shots) if isinstance(frame, Frame)], CLOUD)

    return count(gpu, work)


def correction_counts(gpu: Runtime, size: tuple[int, int]) -> Work:
    """The local correction of one depth by 300 samples, some of them wrong."""
    depth, samples = correction_case(size)
    there = depth.to("cuda:0")
    with torch.inference_mode():
        return count(gpu, lambda _: local_correction(there, samples))


def correction_case(size: tuple[int, int]) -> tuple[torch.Tensor, Samples]:
    """A depth on the host, and samples that it does not go through."""
    width, height = size
    random = np.random.default_rng(0)
    rows, columns = random.permutation(height)[:300], random.permutation(width)[:300]
    truth = 2 + 6 * rows / height + random.normal(0, 0.02, 300) * np.where(random.random(300) < 0.05, 100, 1)
    samples = Samples(rows, columns, np.abs(truth).astype(np.float32) + 0.1, (height, width))
    return torch.linspace(2.5, 7.5, height)[:, None].expand(height, width).contiguous(), samples


def messages(frames: Sequence[Frame], topics: tuple[str, ...], encoding: str = "32FC1") -> list[Any]:
    """The messages of frames, filled, as nodes and recordings fill them."""
    results = [outputs.Result(frame, _HEADER, None, encoding, POINT_FIELD) for frame in frames]
    wanted = [output for output in outputs.OUTPUTS if output.topic in topics]
    pairs = [(result, output) for result in results for output in wanted]
    made = [empty(output.kind, _HEADER) for _, output in pairs]
    contents = outputs.Contents(pairs) if hasattr(outputs, "Contents") else None
    for message, (result, output) in zip(made, pairs, strict=True):
        if contents is None:
            getattr(output, "fill")(message, result)  # noqa: B009, of a version that copied topic by topic
        else:
            contents.fill(message, output, result)
    return made


def picture(size: tuple[int, int]) -> np.ndarray:
    """Read-only, as a message's bytes are."""
    rgb = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    rgb.flags.writeable = False
    return rgb


def counts() -> dict[str, dict[str, Any]]:
    """All of it, as plain values."""
    logging.getLogger("mono_depth_ros").setLevel(logging.ERROR)
    with fake_cuda() as gpu:
        model = load_model(ModelConfig(model="tiny", device="cuda:0", engine="torch", precision="fp32"))
        pipeline = Pipeline(model, DepthConfig(edge_ratio=0.1))
        return {f"{size[0]}x{size[1]}": dict(_works(gpu, pipeline, size)) for size in SIZES}


def _works(gpu: Runtime, pipeline: Pipeline, size: tuple[int, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    works = {name: frame_counts(gpu, pipeline, case, size) for name, case in CASES.items()}
    if size == SIZES[0]:
        works["eight pictures of a recording, depth and cloud"] = batch_counts(gpu, pipeline, size)
    works["local correction by 300 samples"] = correction_counts(gpu, size)
    for name, work in works.items():
        yield name, {**work.copies(), "calls_on_the_gpu": work.kernels}


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    what = "of one frame, by emulation: none of it was measured on a GPU"
    return {"what": what, **beside(__file__, counts, arguments.before)}


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, _measure, argv, add_before)


if __name__ == "__main__":
    sys.exit(main())
