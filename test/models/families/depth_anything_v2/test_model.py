# SPDX-License-Identifier: Apache-2.0
"""Batches, sizes, and the graph that other engines run."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import CameraError, ImageError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families.depth_anything_v2 import RELATIVE, load, read
from mono_depth_ros.models.preprocess import layout, normalised
from mono_depth_ros.models.resample import resize_images, resize_images_torch


@pytest.fixture(scope="module")
def metric(directories, fp32):
    return load(directories["metric"], fp32)


def test_a_batch_equals_its_frames(metric, pattern, predict) -> None:
    images = np.stack([pattern(320, 240), pattern(320, 240)[::-1]])
    together = metric.predict(torch.from_numpy(images), [Camera.from_fov((320, 240), 60)] * 2)
    for image, batched in zip(images, together, strict=True):
        np.testing.assert_allclose(predict(metric, image.copy()), batched.values.numpy(), rtol=1e-4)
    assert not torch.equal(together[0].values, together[1].values)


def test_preprocess_is_the_authors_arithmetic(metric, pattern) -> None:
    """Resized at /255, then normalised; neither the image nor its layout matters."""
    rgb = torch.from_numpy(pattern(250, 333))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = ((resize_images(rgb[None].float() / 255, (518, 686), "cubic")[0] - mean) / std).permute(2, 0, 1)
    (found,) = metric.preprocess(rgb[None], [])
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found[0], expected, rtol=0, atol=5e-6)
    on_a_gpu = resize_images_torch(normalised(rgb[None], RELATIVE.input), (518, 686), "cubic").permute(0, 3, 1, 2)
    torch.testing.assert_close(on_a_gpu[0], expected, rtol=0, atol=4e-4)
    (turned,) = metric.preprocess(rgb.transpose(0, 1).contiguous().transpose(0, 1)[None], [])
    assert torch.equal(turned, found)


def test_depth_is_metres_within_the_range(metric, pattern, predict) -> None:
    values = predict(metric, pattern(160, 120))
    assert values.dtype == np.float32 and 0 < values.min() < values.max() < 20


def test_images_of_extreme_shape_are_refused(metric) -> None:
    assert layout(1242, 375, RELATIVE.input).content == (1722, 518)
    assert layout(640, 360, RELATIVE.input).content == (924, 518)
    with pytest.raises(ImageError, match="640x40 and would be read at 8288x518") as caught:
        metric.predict(torch.zeros(1, 40, 640, 3, dtype=torch.uint8), [Camera.from_fov((640, 40), 60)])
    assert caught.value.reason == "image_shape"


def test_a_camera_of_another_size_is_refused(metric) -> None:
    with pytest.raises(CameraError, match="expected the same size"):
        metric.predict(torch.zeros(1, 40, 64, 3, dtype=torch.uint8), [Camera.from_fov((64, 48), 60)])


def test_the_processing_is_quick(metric, pattern) -> None:
    """About 1 ms in all for 640x480; the small network takes over 100 ms. The best of several, with room for noise."""
    rgb, cameras = torch.from_numpy(pattern(640, 480))[None], [Camera.from_fov((640, 480), 60)]
    output = (torch.rand(1, 518, 686),)
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        metric.preprocess(rgb, cameras)
        metric.postprocess(output, cameras)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.007


@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_ready_for_inference_is_the_same_function(directories, kind: str) -> None:
    network = read(directories[kind]).network()
    image = torch.randn(2, 3, 14 * 5, 14 * 8, generator=torch.Generator().manual_seed(0))
    before = network(image)
    torch.testing.assert_close(network.optimise()(image), before, rtol=1e-4, atol=1e-5)
    assert not any(name.endswith("gamma") for name, _ in network.named_parameters())


def test_exported_once_it_serves_every_size(directories) -> None:
    """The graph that ONNX engines get; run here by torch itself."""
    network = read(directories["relative"]).network().optimise()
    batch, rows, columns = (torch.export.Dim(name, min=1, max=512) for name in ("batch", "rows", "columns"))
    example = torch.zeros(2, 3, 14 * 5, 14 * 8)
    exported = torch.export.export(network, (example,), dynamic_shapes=({0: batch, 2: 14 * rows, 3: 14 * columns},))
    for shape in ((1, 3, 14 * 37, 14 * 37), (3, 3, 14 * 4, 14 * 9)):
        image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(exported.module()(image), network(image), rtol=1e-4, atol=1e-5)
