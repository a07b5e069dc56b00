# SPDX-License-Identifier: Apache-2.0
"""Every family against `transformers` with its own processor, at the source resolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from by_transformers import CPU, assert_same, by_transformers, depth_pro_by_transformers, pattern_image, predict

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import loader
from mono_depth_ros.prediction import DepthKind

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "zoedepth_nyu": ("zoedepth", {"heads": ("nyu",)}),
    "zoedepth_kitti": ("zoedepth", {"heads": ("kitti",)}),
    "zoedepth_nyu_kitti": ("zoedepth", {"heads": ("nyu", "kitti")}),
    "dpt_large": ("dpt", {}),
    "dpt_hybrid": ("dpt", {"hybrid": True}),
    "glpn_nyu": ("glpn", {}),
}
SIZES = [(640, 480), (375, 600), (64, 48)]

pytestmark = pytest.mark.usefixtures("torchvision_stand_in")


@pytest.fixture(scope="module")
def loaded(checkpoint) -> dict[str, tuple[Any, Any]]:
    """Our model and the checkpoint's directory, of each variant."""
    made = {}
    for name, (family, how) in VARIANTS.items():
        directory = checkpoint(family, **how)
        made[name] = (loader(family)(directory, CPU, None), directory)
    return made


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", VARIANTS)
def test_same_as_transformers(loaded, name: str, size: tuple[int, int]) -> None:
    model, directory = loaded[name]
    image = pattern_image(*size)
    assert_same(predict(model, image)[0], by_transformers(directory, image))


@pytest.mark.parametrize("frame", ["nyu", "kitti"])
@pytest.mark.parametrize("name", VARIANTS)
def test_same_as_transformers_on_real_frames(loaded, frames, name: str, frame: str) -> None:
    model, directory = loaded[name]
    assert_same(predict(model, frames[frame])[0], by_transformers(directory, frames[frame]))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_batch_is_its_images(loaded, name: str) -> None:
    model, _ = loaded[name]
    images = [pattern_image(160, 120), 255 - pattern_image(160, 120)]
    for image, values in zip(images, predict(model, *images), strict=True):
        assert_same(values, predict(model, image)[0], 1e-4, 1e-5)


def test_kinds_and_ranges(loaded) -> None:
    found = {name: (model.spec.kind, model.spec.max_depth_m) for name, (model, _) in loaded.items()}
    assert found == {
        "zoedepth_nyu": (DepthKind.METRIC, 10),
        "zoedepth_kitti": (DepthKind.METRIC, 80),
        "zoedepth_nyu_kitti": (DepthKind.METRIC, None),
        "dpt_large": (DepthKind.INVERSE_AFFINE, None),
        "dpt_hybrid": (DepthKind.INVERSE_AFFINE, None),
        "glpn_nyu": (DepthKind.METRIC, 10),
    }


@pytest.fixture(scope="module")
def depth_pro(checkpoint) -> tuple[Any, Any, Any]:
    """Our Depth Pro, that of `transformers`, and the checkpoint's directory."""
    directory = checkpoint("depth_pro")
    reference = transformers.AutoModelForDepthEstimation.from_pretrained(directory).eval()
    return loader("depth_pro")(directory, CPU, None), reference, directory


def with_focal_length(model: Any, image: np.ndarray, focal: float) -> torch.Tensor:
    height, width = image.shape[:2]
    camera = Camera(width, height, focal, focal, width / 2, height / 2)
    return model.predict(torch.from_numpy(image)[None], [camera])[0].values


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_depth_pro_with_the_predicted_focal_length(depth_pro, size: tuple[int, int]) -> None:
    model, reference, directory = depth_pro
    image = pattern_image(*size)
    expected, focal = depth_pro_by_transformers(reference, directory, image)
    assert_same(with_focal_length(model, image, focal), expected)


@pytest.mark.parametrize("frame", ["nyu", "kitti"])
def test_depth_pro_on_real_frames(depth_pro, frames, frame: str) -> None:
    model, reference, directory = depth_pro
    expected, focal = depth_pro_by_transformers(reference, directory, frames[frame])
    assert_same(with_focal_length(model, frames[frame], focal), expected)


def test_depth_pro_scales_with_the_known_focal_length(depth_pro) -> None:
    model, *_ = depth_pro
    image = pattern_image(320, 240)
    once, twice = (with_focal_length(model, image, focal) for focal in (300.0, 600.0))
    inside = (once > 1e-3) & (twice < 1e3)  # where nothing is at the limits of its range
    assert inside.float().mean() > 0.9
    torch.testing.assert_close(twice[inside], 2 * once[inside], rtol=1e-5, atol=0)


def test_depth_pro_takes_each_camera_of_a_batch(depth_pro) -> None:
    model, *_ = depth_pro
    image = pattern_image(160, 120)
    cameras = [Camera(160, 120, focal, focal, 80, 60) for focal in (100.0, 250.0)]
    near, far = model.predict(torch.from_numpy(np.stack([image, image])), cameras)
    for found, focal in ((near, 100.0), (far, 250.0)):
        torch.testing.assert_close(found.values, with_focal_length(model, image, focal), rtol=1e-4, atol=0)
    assert model.spec.needs_camera
