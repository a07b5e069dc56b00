# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import CameraError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.families.tiny import TINY_WEIGHTS, TinyModel, input_size, load_tiny, postprocess, save_tiny
from mono_depth_ros.models.networks.tiny import TinyDepthNet
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind

CPU = torch.device("cpu")
CAMERA = Camera.from_fov((320, 240), 70)
FISHEYE = Camera(320, 240, 100.0, 100.0, 159.5, 119.5, "equidistant", (0.0, 0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """Random weights with a lively head, so that every input matters."""
    torch.manual_seed(0)
    network = TinyDepthNet()
    torch.nn.init.normal_(network.head.weight, std=1.0)
    path = tmp_path_factory.mktemp("tiny") / "random.safetensors"
    save_tiny(network, path)
    return TinyModel(EngineOptions(CPU), path)


def noise(width: int = 320, height: int = 240, n: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8, generator=generator)


def test_prediction_is_metric_at_the_source_size(model: TinyModel) -> None:
    (prediction,) = model.predict(noise(), [CAMERA])
    assert prediction.kind is DepthKind.METRIC
    assert prediction.values.shape == (240, 320)
    assert prediction.values.dtype == torch.float32 and prediction.values.device == model.device == CPU
    seen = prediction.values[~prediction.values.isposinf()]
    assert seen.numel() and (seen > 0).all() and seen.isfinite().all()


def test_the_same_frame_gives_the_same_bits(model: TinyModel) -> None:
    first, second = (model.predict(noise(), [CAMERA])[0].values for _ in range(2))
    assert torch.equal(first, second)


def test_a_batch_equals_its_frames(model: TinyModel) -> None:
    images, cameras = noise(n=2), [CAMERA, Camera.from_fov((320, 240), 100)]
    together = model.predict(images, cameras)
    for image, camera, batched in zip(images, cameras, together, strict=True):
        (alone,) = model.predict(image[None], [camera])
        torch.testing.assert_close(batched.values, alone.values, rtol=1e-4, atol=0)
        assert torch.equal(batched.values.isposinf(), alone.values.isposinf())


def test_the_camera_matters(model: TinyModel) -> None:
    image = noise()
    (narrow,), (wide,) = (model.predict(image, [Camera.from_fov((320, 240), fov)]) for fov in (40, 100))
    ratio = narrow.values / wide.values
    ratio = ratio[ratio.isfinite() & (ratio > 0)]  # not where one of them sees sky
    assert (ratio - 1).abs().mean() > 0.02


@pytest.mark.parametrize("size", [(640, 480), (1242, 375), (33, 17), (240, 320), (1, 1)])
def test_resolution_may_change_between_frames(model: TinyModel, size: tuple[int, int]) -> None:
    (prediction,) = model.predict(noise(*size), [Camera.from_fov(size, 70)])
    assert prediction.values.shape == (size[1], size[0])
    assert not prediction.values.isnan().any()


def test_the_network_sees_colours_and_rays_of_the_small_image(model: TinyModel) -> None:
    grey = torch.full((1, 480, 640, 3), 51, dtype=torch.uint8)
    camera = Camera(640, 480, 500.0, 510.0, 300.0, 250.0)
    image, grid = model.preprocess(grey, [camera])
    assert image.shape == (1, 3, 192, 256) and grid.shape == (1, 2, 192, 256)
    assert torch.equal(image, torch.full_like(image, 0.2))
    # The centre of small pixel (0, 0) lies at (0.75, 0.75) of the large image: 2.5 pixels wide, centres at integers.
    expected = torch.tensor([(0.75 - 300) / 500, (0.75 - 250) / 510])
    torch.testing.assert_close(grid[0, :, 0, 0], expected)


def test_a_plane_survives_upsampling() -> None:
    camera = Camera.from_fov((640, 480), 70)

    def plane(seen_by: Camera) -> torch.Tensor:
        x, y = rays(seen_by).unbind(-1)
        return 1 / (0.2 + 0.1 * x + 0.3 * y.abs().clamp(max=0))  # n . (x, y, 1) z = 1

    log_depth = plane(camera.resized(256, 192)).log()
    found = postprocess(log_depth[None], torch.full_like(log_depth, -1)[None], camera, CPU)
    inner = slice(2, -2)  # half a small pixel of border is extrapolated
    torch.testing.assert_close(found.values[inner, inner], plane(camera)[inner, inner], rtol=1e-5, atol=0)
    assert not found.values.isinf().any()


def test_sky_is_infinite() -> None:
    log_depth, sky_logit = torch.zeros(1, 24, 32), torch.full((1, 24, 32), -1.0)
    sky_logit[:, :12] = 1.0
    found = postprocess(log_depth, sky_logit, Camera.from_fov((320, 240), 70), CPU)
    assert (found.values[:120] == torch.inf).all() and (found.values[120:] == 1).all()


def test_pixels_without_a_usable_ray_are_unknown(model: TinyModel) -> None:
    (prediction,) = model.predict(noise(), [FISHEYE])
    unseen = ~(rays(FISHEYE).abs() <= 4).all(dim=-1)
    assert rays(FISHEYE).isnan().any() and not unseen.all()
    assert torch.equal(prediction.values.isnan(), unseen)
    _, grid = model.preprocess(noise(), [FISHEYE])
    assert grid.abs().max() <= 4


def test_distortion_reaches_the_network(model: TinyModel) -> None:
    bent = Camera(320, 240, 200.0, 200.0, 159.5, 119.5, "plumb_bob", (-0.3, 0.1, 0.0, 0.0, 0.0))
    _, grids = model.preprocess(noise(n=2), [bent, replace(bent, model="none", distortion=())])
    torch.testing.assert_close(grids[0], rays(bent.resized(256, 192)).permute(2, 0, 1))
    assert (grids[0] - grids[1]).abs().max() > 0.02


@pytest.mark.parametrize(
    "rgb",
    [
        torch.zeros(240, 320, 3, dtype=torch.uint8),
        torch.zeros(1, 3, 240, 320, dtype=torch.uint8),
        torch.zeros(1, 240, 320, 3),
        torch.zeros(1, 0, 320, 3, dtype=torch.uint8),
    ],
    ids=["no batch", "planes first", "float", "empty"],
)
def test_other_tensors_are_refused(model: TinyModel, rgb: torch.Tensor) -> None:
    with pytest.raises(ModelError, match=r"rgb is .* expected \(N, H, W, 3\) torch.uint8"):
        model.predict(rgb, [CAMERA])


def test_cameras_must_fit_the_images(model: TinyModel) -> None:
    with pytest.raises(ModelError, match="found 1 cameras for 2 images"):
        model.predict(noise(n=2), [CAMERA])
    with pytest.raises(CameraError, match="image is 320x240, its camera 640x480") as caught:
        model.predict(noise(), [Camera.from_fov((640, 480), 70)])
    assert caught.value.reason == "camera_info_size"


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file .*gone\.safetensors"):
        TinyModel(EngineOptions(CPU), tmp_path / "gone.safetensors")


@pytest.mark.skipif(not TINY_WEIGHTS.is_file(), reason="tiny.safetensors is not in the package yet")
def test_the_shipped_weights_load() -> None:
    (prediction,) = TinyModel(EngineOptions(CPU)).predict(noise(), [CAMERA])
    assert prediction.values.shape == (240, 320)


def test_input_size_is_a_multiple_of_32_of_about_one_area() -> None:
    assert input_size(640, 480) == (256, 192)
    assert input_size(256, 192) == (256, 192)
    assert input_size(1920, 1080) == (288, 160)
    assert input_size(1242, 375) == (416, 128)
    assert input_size(480, 640) == (192, 256)
    assert input_size(10_000, 1) == (22176, 32)
    with pytest.raises(ModelError, match="0x480"):
        input_size(0, 480)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no file"):
        load_tiny(tmp_path / "absent.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="does not fit"):
        load_tiny(tmp_path / "broken.safetensors")
