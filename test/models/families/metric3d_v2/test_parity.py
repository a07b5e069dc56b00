# SPDX-License-Identifier: Apache-2.0
"""Metric3D v2 against its authors' code.

`authors.npz` holds every 15th row and column of what github.com/YvanYin/Metric3D (commit eb5b6fa) returned at the
source resolution, run on a CPU with torch 2.13.0 and OpenCV 4.14.0, "cuda" replaced by "cpu" in its source, without
mmcv and xformers, parameters set by `authors_weight` of conftest.py: `transform_test_data_scalecano` of
`mono/utils/do_test.py`, `model.inference`, then what its `postprocess_per_image` does to depth, with the focal length
fx; the confidence and the normals resized in the same way (align_corners=False), normals to unit length again.

- `small_kitti`, `small_nyu`: frame 0000000050.png of KITTI (1242x375), rgb_00050.jpg of NYUv2 (640x480), read at the
  authors' 1064x616.
- `large_kitti`: the first of these read at 336x196, for a test that takes seconds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.families.metric3d_v2 import INPUT_SIZE, Metric3D, build, load
from mono_depth_ros.models.preprocess import layout
from mono_depth_ros.models.runtime.engine import Inputs
from mono_depth_ros.prediction import DepthKind, DepthPrediction

CAMERAS = {
    "kitti": Camera(1242, 375, 707.0493, 707.0493, 604.0814, 180.5066),
    "nyu": Camera(640, 480, 518.8579, 519.46961, 325.58245, 253.73617),
}
FILES = {"kitti": "kitti_depth/rgb/0000000050.png", "nyu": "nyu_depth/rgb/rgb_00050.jpg"}
STEP = 15


@pytest.fixture(scope="module")
def authors() -> dict[str, np.ndarray]:
    return dict(np.load(Path(__file__).parent / "authors.npz"))


@pytest.fixture(scope="module")
def frames(real_data: Path) -> dict[str, torch.Tensor]:
    """(1, H, W, 3) uint8 RGB."""
    bgr = {name: cv2.imread(str(real_data / file)) for name, file in FILES.items()}
    if any(image is None for image in bgr.values()):
        pytest.skip(f"no KITTI and NYUv2 frames in {real_data}")
    return {name: torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))[None] for name, image in bgr.items()}


@pytest.fixture(scope="module")
def small(small_pth: Path, fp32) -> Metric3D:
    return load(small_pth, fp32, None)


def assert_same(found: DepthPrediction, authors: dict[str, np.ndarray], case: str) -> None:
    """The bars are 1e-3, 1e-4 and 0.1 degrees; what is reached is 2e-5, 2e-6 and 1e-4 degrees."""
    depth = found.values.numpy()[::STEP, ::STEP]
    relative = np.abs(depth / authors[f"{case}_depth"] - 1)
    assert relative.max() <= 1e-4 and relative.mean() <= 1e-5
    confidence = found.confidence.numpy()[::STEP, ::STEP]
    np.testing.assert_allclose(confidence, authors[f"{case}_confidence"], rtol=0, atol=1e-4)
    angles = degrees(found.normals.movedim(-1, 0).numpy()[:, ::STEP, ::STEP], authors[f"{case}_normals"])
    assert angles.mean() <= 1e-3 and angles.max() <= 0.1


def degrees(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(H, W) float64, the angles between two (3, H, W) fields of unit vectors; exact for small ones."""
    return np.rad2deg(2 * np.arcsin(np.linalg.norm(one.astype(np.float64) - other, axis=0) / 2))


@pytest.fixture(scope="module")
def outputs(small, frames) -> Inputs:
    """What the small network makes of the KITTI frame."""
    return small.run(*small.preprocess(frames["kitti"], []))


@pytest.mark.slow
def test_small_equals_the_authors_code(small, outputs, frames, authors) -> None:
    (kitti,) = small.postprocess(outputs, [CAMERAS["kitti"]])
    assert_same(kitti, authors, "small_kitti")
    (nyu,) = small.predict(frames["nyu"], [CAMERAS["nyu"]])
    assert_same(nyu, authors, "small_nyu")


@pytest.mark.slow
def test_large_equals_the_authors_code(authors_weights, frames, authors, fp32) -> None:
    network = build(Path("large.pth"), "large", authors_weights("large"))
    spec = ModelSpec("large", "metric3d_v2", DepthKind.METRIC, "none")
    (found,) = Metric3D(spec, network, fp32, input_size=(336, 196)).predict(frames["kitti"], [CAMERAS["kitti"]])
    assert_same(found, authors, "large_kitti")


def test_processing_that_differs_is_seen(small, outputs, authors, monkeypatch) -> None:
    """The image one pixel farther down: the bars are not so wide that anything fits."""
    place = layout(1242, 375, small.processing.input)
    lower = replace(place, top=place.top + 1)
    monkeypatch.setattr("mono_depth_ros.models.engine_model.layout", lambda *_: lower)
    (found,) = small.postprocess(outputs, [CAMERAS["kitti"]])
    relative = np.abs(found.values.numpy()[::STEP, ::STEP] / authors["small_kitti_depth"] - 1)
    assert relative.max() > 1e-3 and relative.mean() > 1e-4
    assert degrees(found.normals.movedim(-1, 0).numpy()[:, ::STEP, ::STEP], authors["small_kitti_normals"]).mean() > 0.1


def test_the_input_is_the_authors(small, frames) -> None:
    """1242x375 is read at 1064x321 between 147 rows above and 148 below of the mean colour, as bytes."""
    (image,) = small.preprocess(frames["kitti"], [CAMERAS["kitti"]])
    assert image.shape == (1, 3, *INPUT_SIZE[::-1]) and image.is_contiguous(memory_format=torch.channels_last)
    colour = (torch.tensor([124.0, 116.0, 104.0]) - torch.tensor([123.675, 116.28, 103.53])) / torch.tensor(
        [58.395, 57.12, 57.375]
    )
    padding = image[0].permute(1, 2, 0)
    torch.testing.assert_close(padding[:147], colour.expand(147, 1064, 3))
    torch.testing.assert_close(padding[-148:, :1], colour.expand(148, 1, 3))
    expected = cv2.resize(frames["kitti"][0].numpy(), (1064, 321), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    expected = (expected - np.float32([123.675, 116.28, 103.53])) / np.float32([58.395, 57.12, 57.375])
    np.testing.assert_allclose(padding[147:-148].numpy(), expected, rtol=0, atol=1e-6)
