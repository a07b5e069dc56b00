# SPDX-License-Identifier: Apache-2.0
"""The canonical camera, with a network that measures: it knows that the bright square in the image is 1 m wide.

Such a network sees w pixels and says 1000 / w metres, as a camera with a focal length of 1000 px would have it. All
that makes the distance right again is geometry: focal length, resizing, cropping, binning.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mono_depth_ros.errors import CameraError, ImageError, ModelError
from mono_depth_ros.geometry.calibration import CameraCalibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.families.metric3d_v2 import INPUT_SIZE, PROCESSING, Metric3D
from mono_depth_ros.models.preprocess import layout
from mono_depth_ros.models.resample import resize_images, resize_images_torch
from mono_depth_ros.prediction import DepthKind

SPEC = ModelSpec("measure", "metric3d_v2", DepthKind.METRIC, "none", needs_camera=True)


class Measure(nn.Module):
    """Depth of a square 1 m wide, from its width in pixels; the same all over the image."""

    def optimise(self) -> Measure:
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bright = (image.mean(dim=1, keepdim=True) > 1).float()
        depth = 1000 / bright.sum(dim=(2, 3), keepdim=True).sqrt()
        normals = torch.zeros(len(image), 4, *image.shape[2:])
        normals[:, 2:] = torch.tensor([-2.0, 1.0])[:, None, None]
        return depth.expand(-1, -1, *image.shape[2:]), torch.full_like(image[:, :1], 1.5), normals


def scene(camera: Camera, distance_m: float) -> Tensor:
    """(1, H, W, 3) uint8: a bright square of 1 m, facing the camera on its axis, before something dark."""
    image = np.full((camera.height, camera.width, 3), 40, np.uint8)
    half = 0.5 / distance_m
    left, right = camera.cx - half * camera.fx, camera.cx + half * camera.fx
    top, bottom = camera.cy - half * camera.fy, camera.cy + half * camera.fy
    image[round(top + 0.5) : round(bottom + 0.5), round(left + 0.5) : round(right + 0.5)] = 255
    return torch.from_numpy(image)[None]


def distance(model: Metric3D, rgb: Tensor, camera: Camera) -> float:
    """What the model says, and that it says so everywhere."""
    (found,) = model.predict(rgb, [camera])
    values = found.values
    assert values.shape == rgb.shape[1:3] and values.isfinite().all()
    torch.testing.assert_close(values, values[:1, :1].expand_as(values))
    return float(values[0, 0])


@pytest.fixture(scope="module", params=[INPUT_SIZE, (532, 308)], ids=["1064x616", "532x308"])
def model(fp32, request) -> Metric3D:
    return Metric3D(SPEC, Measure(), fp32, request.param)


CAMERA = Camera(1242, 375, 700.0, 700.0, 600.5, 180.5)


def test_the_distance_is_right(model) -> None:
    assert distance(model, scene(CAMERA, 5.0), CAMERA) == pytest.approx(5.0, rel=0.01)


def test_twice_the_focal_length_is_the_same_distance_twice_as_large(model) -> None:
    longer = Camera(1242, 375, 1400.0, 1400.0, 600.5, 180.5)
    assert distance(model, scene(longer, 5.0), longer) == pytest.approx(5.0, rel=0.01)


def test_the_same_image_with_twice_the_focal_length_is_twice_as_far(model) -> None:
    """An object twice as far seen with twice the focal length looks the same (paper, section 3.1)."""
    rgb, longer = scene(CAMERA, 5.0), Camera(1242, 375, 1400.0, 1400.0, 600.5, 180.5)
    assert distance(model, rgb, longer) == pytest.approx(2 * distance(model, rgb, CAMERA), rel=1e-6)


@pytest.mark.parametrize("width", [621, 900, 1800])
def test_a_resized_image(model, width: int) -> None:
    camera = CAMERA.resized(width, round(width * 375 / 1242))
    small = cv2.resize(scene(CAMERA, 5.0)[0].numpy(), (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    assert distance(model, torch.from_numpy(small)[None], camera) == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize("window", [(400, 60, 500, 300), (500, 0, 200, 375), (0, 100, 1242, 200)])
def test_a_cropped_image(model, window) -> None:
    """The crop is read larger than the whole was, or not; the distance stays."""
    x, y, width, height = window
    rgb = scene(CAMERA, 5.0)[:, y : y + height, x : x + width]
    assert distance(model, rgb, CAMERA.cropped(*window)) == pytest.approx(5.0, rel=0.01)


def test_a_binned_image(model) -> None:
    """As a driver reports it: K of the whole sensor, two by two pixels in one, a region of interest."""
    K = (700.0, 0.0, 600.5, 0.0, 700.0, 180.5, 0.0, 0.0, 1.0)
    camera = Camera.from_calibration(CameraCalibration(1242, 375, K, binning=(2, 2), roi=(300, 60, 600, 300)))
    window = scene(CAMERA, 5.0)[0, 60:360, 300:900].float()
    binned = window.reshape(150, 2, 300, 2, 3).mean(dim=(1, 3)).to(torch.uint8)
    assert distance(model, binned[None], camera) == pytest.approx(5.0, rel=0.01)


def test_cameras_in_one_batch_have_their_own_scale(model) -> None:
    longer = Camera(1242, 375, 1400.0, 1400.0, 600.5, 180.5)
    rgb = torch.cat((scene(CAMERA, 5.0), scene(longer, 9.0)))
    near, far = model.predict(rgb, [CAMERA, longer])
    assert near.values.median() == pytest.approx(5.0, rel=0.01) and far.values.median() == pytest.approx(9.0, rel=0.01)


def test_beyond_300_m_is_unknown(model) -> None:
    rgb, scale = scene(CAMERA, 5.0), 290.0 / 5.0
    for factor, known in ((scale, True), (1.05 * scale, False)):
        camera = Camera(1242, 375, 700 * factor, 700 * factor, 600.5, 180.5)
        (found,) = model.predict(rgb, [camera])
        assert bool(found.values.isfinite().all()) is known and bool(found.values.isnan().all()) is not known


def test_confidence_is_bounded_and_normals_have_unit_length(model) -> None:
    (found,) = model.predict(scene(CAMERA, 5.0), [CAMERA])
    torch.testing.assert_close(found.confidence, torch.ones(375, 1242))
    torch.testing.assert_close(found.normals, torch.tensor([0.0, 0.0, -1.0]).expand(375, 1242, 3))


def test_a_camera_without_focal_length_is_refused() -> None:
    with pytest.raises(CameraError, match=r"not calibrated: fx is 0, expected a positive focal length"):
        Camera(640, 480, 0.0, 0.0, 320.0, 240.0)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # width, height and left, top by hand from the authors' rule; the odd pixel goes right and down.
        ((1242, 375), (1064, 321, 0, 147)),
        ((640, 480), (821, 616, 121, 0)),
        ((1064, 616), (1064, 616, 0, 0)),
        ((375, 1242), (185, 616, 439, 0)),
        ((1, 1), (616, 616, 224, 0)),
        ((76, 1), (1064, 14, 0, 301)),
    ],
)
def test_placement(source, expected) -> None:
    place = layout(*source, PROCESSING.input)
    assert (*place.content, place.left, place.top) == expected


@pytest.mark.parametrize("source", [(77, 1), (1, 45), (3000, 30)])
def test_images_too_long_are_refused(source) -> None:
    with pytest.raises(ImageError, match=r"would be read at .* expected a shape less extreme .* sides of at least 14"):
        layout(*source, PROCESSING.input)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (38, 1), (16, 340)])
def test_tiny_and_long_images_work(model, size) -> None:
    width, height = size
    rgb = torch.full((1, height, width, 3), 255, dtype=torch.uint8)
    (found,) = model.predict(rgb, [Camera.from_fov((width, height), 60)])
    assert found.values.shape == (height, width) and found.values.isfinite().all()


@pytest.mark.parametrize("size", [(462, 616), (100, 140)])
def test_other_devices_resize_alike(pattern, size) -> None:
    """OpenCV has 11 bits for its weights and rounds twice: a grey level at most."""
    rgb = torch.from_numpy(pattern(250, 333))[None]
    other = resize_images_torch(rgb.float(), size, "linear").round()
    difference = resize_images(rgb, size, "linear").int() - other.int()
    assert difference.abs().max() <= 1 and difference.abs().float().mean() < 0.2


@pytest.mark.parametrize("size", [(0, 28), (1064, 617), (14, 28)])
def test_input_sizes_that_do_not_fit_are_refused(size, fp32) -> None:
    with pytest.raises(ModelError, match="expected multiples of 28, such as 1064x616"):
        Metric3D(SPEC, Measure(), fp32, size)
