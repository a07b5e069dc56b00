# SPDX-License-Identifier: Apache-2.0
"""What is copied and waited for between host and GPU for a frame: the picture up, the topics down, one wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from fake_cuda import Runtime
from gpu_copies import CASES, CLOUD, correction_case, correction_counts, count, frame_counts, messages, picture
from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.config import DepthConfig, ModelConfig
from mono_depth_ros.geometry import maps
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.colorize import colorize
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rectify import rectify
from mono_depth_ros.messages.depth import depth_in_mm, encode_depth
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.postprocess import postprocess
from mono_depth_ros.models.preprocess import image_input, layout
from mono_depth_ros.models.processing import Processing
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.prediction import DepthKind, DepthPrediction

CUDA = torch.device("cuda", 0)
LENS = (-0.28, 0.09, 0.0012, -0.0008, -0.011)


class Red:
    """No network: depth is how red a picture is."""

    spec = ModelSpec("red", "test", DepthKind.METRIC, "none")
    device, engine = CUDA, "none"

    def predict(self, rgb: torch.Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        return [DepthPrediction(image[..., 0].float() / 20 + 0.5, DepthKind.METRIC) for image in rgb]


# Pixels: 3 bytes up; down 4 for depth, 2 as 16UC1, 16 for the cloud, 12 for normals, 3 for each picture.
@pytest.mark.parametrize(
    ("name", "size", "downloads", "bytes_down"),
    [
        ("depth", (640, 480), 1, 4),
        ("depth in 16UC1", (640, 480), 1, 2),
        ("depth and cloud", (640, 480), 2, 20),
        ("depth and cloud", (1920, 1080), 2, 20),
        ("depth and cloud, camera_info changes", (640, 480), 2, 20),
        ("all topics, rectified", (640, 480), 5, 38),
        ("all topics, rectified", (1920, 1080), 5, 38),
    ],
)
def test_a_frame_is_one_upload_and_one_wait(
    gpu: Runtime, name: str, size: tuple[int, int], downloads: int, bytes_down: int
) -> None:
    work = frame_counts(gpu, Pipeline(Red(), DepthConfig(edge_ratio=0.1)), CASES[name], size)
    pixels = size[0] * size[1]
    assert (work.uploads, work.upload_bytes, work.waits) == (1, 3 * pixels, 1), work.report()
    assert (work.downloads, work.download_bytes, work.pinned) == (downloads, bytes_down * pixels, 0), work.report()


def test_a_batch_of_frames_is_waited_for_once(gpu: Runtime) -> None:
    pipeline, shots = Pipeline(Red()), [Shot(picture((64, 48)), Camera.from_fov((64, 48), 70.0))] * 8

    def work(_: int) -> list[Any]:
        return messages([frame for frame in pipeline.estimate_batch(shots) if isinstance(frame, Frame)], CLOUD)

    with torch.inference_mode():
        counted = count(gpu, work)
    assert (counted.uploads, counted.downloads, counted.waits) == (8, 16, 1), counted.report()


def test_the_embedded_network_uploads_the_picture_alone(gpu: Runtime) -> None:
    model = load_model(ModelConfig(model="tiny", device="cuda:0", engine="torch", precision="fp32"))
    for name in ("depth", "depth and cloud, camera_info changes"):
        work = frame_counts(gpu, Pipeline(model), CASES[name], (320, 240))
        assert (work.uploads, work.upload_bytes, work.waits) == (1, 3 * 320 * 240, 1), work.report()


CONTRACT: dict[str, Any] = {
    "kind": "canonical",
    "focal_px": 1000.0,
    "input": {
        "name": "image",
        "range": 255,
        "size": {"fit": [56, 42]},
        "resample": "area",
        "pad": {"where": "right_bottom", "value": [1.0, 2.0, 3.0]},
        "mean": [1.0, 2.0, 3.0],
        "std": [1.0, 2.0, 3.0],
    },
    "outputs": {
        "resize": "linear",
        "depth": "d",
        "normals": "n",
        "normals_signs": [1, -1, -1],
        "range_m": [0.0, 300.0],
    },
}
POINTS: dict[str, Any] = {
    "kind": "metric",
    "input": {"name": "image", "range": 1, "size": {"fixed": [56, 42]}, "resample": "linear"},
    "outputs": {"resize": "corners", "points": "p", "points_shift": True, "mask": "m"},
}


@pytest.mark.parametrize(("contract", "waits"), [(CONTRACT, 0), (POINTS, 1)], ids=["canonical", "points with a shift"])
def test_processing_uploads_nothing(gpu: Runtime, contract: dict[str, Any], waits: int) -> None:
    """The shift of a point map is fitted on the host: one wait."""
    processing, camera = Processing.parse(contract, "test"), Camera.from_fov((64, 48), 70.0)
    place = layout(64, 48, processing.input)
    there = torch.from_numpy(np.array(picture((64, 48)))).to(CUDA)[None]
    shapes = {"depth": (1, 42, 56), "normals": (3, 42, 56), "points": (42, 56, 3), "mask": (1, 42, 56)}
    given = {key: torch.rand(shapes[key]).add_(0.5).to(CUDA) for key in processing.outputs.wanted}

    def work(_: int) -> DepthPrediction:
        image_input(there, processing.input, place)
        return postprocess(given, processing, camera, place)

    counted = count(gpu, work)
    assert (counted.uploads, counted.waits) == (0, waits), counted.report()
    on_cpu = postprocess({key: value.cpu() for key, value in given.items()}, processing, camera, place)
    torch.testing.assert_close(work(0).values.cpu(), on_cpu.values, equal_nan=True)


def test_colours_are_chosen_without_a_wait(gpu: Runtime) -> None:
    inverse = torch.linspace(0.1, 3, 48 * 64).reshape(48, 64)
    inverse[::7], inverse[5], inverse[6] = torch.nan, torch.inf, -torch.inf
    for values in (inverse, torch.full((8, 8), torch.nan)):
        there = values.to(CUDA)
        colorize(there)
        with gpu.counted() as work:
            picture = colorize(there)
        assert (work.uploads, work.waits) == (0, 0), work.report()
        assert torch.equal(picture.cpu(), colorize(values))


def test_16uc1_of_the_device_is_that_of_the_host_to_the_bit(gpu: Runtime) -> None:
    depth = torch.rand(64, 100, generator=torch.Generator().manual_seed(0)) * 80
    depth[0, :12] = torch.tensor(
        [torch.nan, torch.inf, -torch.inf, 0.0, -1.0, 0.0004999, 0.0005, 0.0015, 0.0025, 65.535, 65.5354, 65.5356]
    )
    found = depth_in_mm(depth.to(CUDA)).cpu().numpy().view(np.uint16)
    assert (found == encode_depth(depth.numpy(), "16UC1")).all()


@pytest.mark.parametrize("model", [("plumb_bob", LENS), ("equidistant", (0.03, -0.012, 0.004, -0.001))])
def test_maps_of_a_lens_are_made_on_the_device(gpu: Runtime, model: tuple[str, tuple[float, ...]]) -> None:
    lens, straight = Camera(64, 48, 45.0, 44.0, 30.5, 25.0, *model), Camera(64, 48, 40.0, 40.0, 31.5, 23.5)
    rgb = torch.from_numpy(np.array(picture((64, 48))))
    there = rgb.to(CUDA)
    rays(lens, CUDA)  # what all focal lengths of a lens have in common is uploaded once
    focused = Camera(64, 48, 45.1, 44.1, 30.5, 25.0, *model)
    with gpu.counted() as work:
        grid, rectified = rays(focused, CUDA), rectify(there, focused, straight)
    assert (work.uploads, work.waits) == (0, 0), work.report()
    torch.testing.assert_close(grid.cpu(), rays(focused))
    difference = (rectified.cpu().int() - rectify(rgb, focused, straight).int())[2:-2, 2:-2].abs()
    assert difference.float().mean() < 1.5, "OpenCV's fixed-point interpolation"


def test_local_correction_asks_the_device_once(gpu: Runtime) -> None:
    """Up: where the samples are, and the grid of the correction. Down: the depth there, and on the grid."""
    depth, samples = correction_case((640, 480))
    counted = correction_counts(gpu, (640, 480))
    assert (counted.uploads, counted.downloads, counted.waits) == (2, 2, 1), counted.report()
    assert counted.download_bytes == 4 * (300 + 120 * 160) and counted.kernels < 50, counted.report()
    expected = local_correction(depth, samples)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(local_correction(depth.to(CUDA), samples).cpu(), expected)


def test_maps_of_cameras_that_focus_do_not_fill_the_memory(gpu: Runtime) -> None:
    for turn in range(40):
        rays(Camera(640, 480, 500.0 + turn, 500.0, 320.0, 240.0), CUDA)
    assert torch.cuda.memory_allocated() <= maps.MAX_MAPS * 640 * 480 * 8
    for turn in range(6):
        rays(Camera(3840, 2160, 3000.0 + turn, 3000.0, 1920.0, 1080.0), CUDA)
    assert torch.cuda.memory_allocated() <= maps.MAX_BYTES
    newest = Camera(3840, 2160, 3005.0, 3000.0, 1920.0, 1080.0)
    assert rays(newest, CUDA) is rays(newest, CUDA)
