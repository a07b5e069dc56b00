# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import gc
import math
import weakref

import numpy as np
import pytest
import torch

from mono_depth_ros.config import DepthConfig
from mono_depth_ros.errors import CameraError, ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.prediction import DepthKind, DepthPrediction

CAMERA = Camera(64, 48, 60.0, 60.0, 31.5, 23.5)


class Red:
    """Depth is the red channel in decimetres; 255 is sky."""

    def __init__(self, kind: DepthKind = DepthKind.METRIC) -> None:
        self.spec, self.device = ModelSpec("red", "test", kind, "none"), torch.device("cpu")

    def predict(self, rgb, cameras):
        self.cameras = cameras
        red = rgb[..., 0].float() / 10
        return [DepthPrediction(torch.where(image == 25.5, math.inf, image), self.spec.kind) for image in red]


def picture() -> np.ndarray:
    rgb = np.full((48, 64, 3), 20, np.uint8)
    rgb[:, 32:] = 60  # a jump from 2 m to 6 m
    rgb[:8] = 255
    return rgb


def test_depth_keeps_sky_and_marks_what_is_out_of_range():
    frame = Pipeline(Red(), DepthConfig(min_depth=3.0, max_depth=10.0)).estimate(picture(), CAMERA)
    assert frame.depth.shape == (48, 64) and frame.depth.dtype == torch.float32
    assert torch.isinf(frame.depth[0, 0]) and torch.isnan(frame.depth[20, 5]) and frame.depth[20, 50] == 6.0


def test_cloud_is_organised_coloured_and_without_flying_pixels_or_sky():
    frame = Pipeline(Red()).estimate(picture(), CAMERA)
    cloud = frame.packed_cloud()
    assert cloud.shape == (48, 64, 4)
    np.testing.assert_allclose(cloud[30, 10, :3], [2 * (10 - 31.5) / 60, 2 * (30 - 23.5) / 60, 2.0], rtol=1e-6)
    assert cloud[30, 10, 3:].numpy().view(np.uint32)[0] == 20 * 0x010101
    assert torch.isnan(cloud[0, 0, :3]).all() and torch.isnan(cloud[30, 31:33, 2]).all()
    kept = Pipeline(Red(), DepthConfig(edge_ratio=0.0)).estimate(picture(), CAMERA).packed_cloud()
    assert torch.isfinite(kept[30, 31:33, 2]).all()


def test_stride_keeps_the_points_of_the_pixels_it_keeps():
    full = Pipeline(Red()).estimate(picture(), CAMERA).packed_cloud()
    strided = Pipeline(Red(), DepthConfig(stride=3)).estimate(picture(), CAMERA).packed_cloud()
    assert strided.shape == (16, 22, 4)
    np.testing.assert_array_equal(strided.numpy(), full[::3, ::3].numpy())


def test_into_rectifies_the_image_before_the_network_sees_it():
    raw = Camera(64, 48, 60.0, 60.0, 31.5, 23.5, "plumb_bob", (-0.3, 0.1, 0.0, 0.0, 0.0))
    model = Red()
    frame = Pipeline(model).estimate(picture(), raw, into=CAMERA)
    assert frame.camera == CAMERA and model.cameras == [CAMERA]
    assert not np.array_equal(frame.rgb.numpy(), picture())


def test_relative_depth_gives_no_metres_but_a_picture():
    frame = Pipeline(Red(DepthKind.INVERSE_AFFINE)).estimate(picture(), CAMERA)
    with pytest.raises(ModelError, match="no metres"):
        _ = frame.depth
    with pytest.raises(ModelError, match="no metres"):
        frame.packed_cloud()
    assert frame.picture().shape == (48, 64, 3) and frame.picture().dtype == torch.uint8


@pytest.mark.parametrize("kind", [DepthKind.METRIC, DepthKind.AFFINE, DepthKind.SCALE])
def test_near_is_warm_far_is_cold_unknown_is_black(kind):
    rgb = picture()
    rgb[20, 20] = 0  # no depth at all
    frame = Pipeline(Red(kind), DepthConfig(max_depth=10.0)).estimate(rgb, CAMERA)
    if kind is DepthKind.AFFINE:  # to which 0 is no different from other values
        values = torch.where(frame.prediction.values == 0, math.nan, frame.prediction.values)
        frame = dataclasses.replace(frame, prediction=DepthPrediction(values, kind))
    sky, near, far, unknown = (frame.picture()[at].tolist() for at in ((2, 30), (20, 5), (20, 50), (20, 20)))
    assert near[0] > near[2] and far[2] > far[0] and unknown == [0, 0, 0]
    assert sky[2] > sky[0] or (kind is not DepthKind.AFFINE and sum(sky) < sum(far))


def test_what_relative_depth_is_called():
    affine, scale = (Pipeline(Red(kind)).estimate(picture(), CAMERA) for kind in (DepthKind.AFFINE, DepthKind.SCALE))
    assert set(affine.numpy()) == set(scale.numpy()) == {"rgb", "relative_depth"}
    assert scale.inverse_depth[20, 5] == 0.5 and affine.nearness[20, 5] == -2.0
    with pytest.raises(ModelError, match="relative depth with an unknown shift, of which there is no inverse depth"):
        _ = affine.inverse_depth
    with pytest.raises(ModelError, match="gives relative depth, which has no metres"):
        _ = affine.depth


def test_an_image_of_another_size_than_its_camera_is_refused():
    with pytest.raises(CameraError, match="64x48, its camera is 32x24") as caught:
        Pipeline(Red()).estimate(picture(), CAMERA.resized(32, 24))
    assert caught.value.reason == "camera_info_size"


def test_a_read_only_image_is_taken():
    rgb = picture()
    rgb.flags.writeable = False
    assert Pipeline(Red()).estimate(rgb, CAMERA).depth.shape == (48, 64)


def test_a_batch_groups_by_size_keeps_the_order_and_names_the_guilty_one():
    model = Red()
    sizes, predict = [], model.predict

    def picky(rgb, cameras):
        sizes.append(tuple(rgb.shape[:3]))
        if (rgb[:, 0, 0, 0] == 7).any():
            raise ImageError("not this one", "image_shape")
        return predict(rgb, cameras)

    model.predict = picky
    small, bad = np.full((24, 32, 3), 50, np.uint8), picture()
    bad[0, 0, 0] = 7
    wrong = Shot(picture(), CAMERA.resized(32, 24))
    shots = [Shot(picture(), CAMERA), Shot(small, CAMERA.resized(32, 24)), Shot(bad, CAMERA), wrong]
    first, second, third, fourth = Pipeline(model).estimate_batch(shots)
    assert first.depth[40, 0] == 2.0 and second.depth.shape == (24, 32) and (second.depth == 5.0).all()
    assert third.reason == "image_shape" and fourth.reason == "camera_info_size"
    assert sizes == [(2, 48, 64), (1, 48, 64), (1, 48, 64), (1, 24, 32)]
    assert Pipeline(model).estimate_batch([]) == []


def test_normals_are_those_of_the_depth_or_the_models_own_and_unknown_where_the_depth_is():
    frame = Pipeline(Red(), DepthConfig(max_depth=5.0)).estimate(picture(), CAMERA)
    assert frame.normals[20, 10].tolist() == pytest.approx([0, 0, -1], abs=1e-3)
    assert torch.isnan(frame.normals[20, 50]).all() and torch.isnan(frame.normals[0, 0]).all()
    own = torch.zeros(48, 64, 3)
    own[..., 1] = -1.0
    given = dataclasses.replace(frame.prediction, normals=own)
    frame = Frame(frame.rgb, frame.camera, given, frame.config)
    assert frame.normals[20, 10].tolist() == [0, -1, 0] and torch.isnan(frame.normals[20, 50]).all()


def test_a_cloud_with_normals_has_eight_numbers_a_point():
    plain = Pipeline(Red()).estimate(picture(), CAMERA).packed_cloud()
    cloud = Pipeline(Red(), DepthConfig(cloud_normals=True, stride=2)).estimate(picture(), CAMERA).packed_cloud()
    assert cloud.shape == (24, 32, 8) and torch.equal(cloud[..., 3], plain[::2, ::2, 3])
    wall = cloud[15, 5]
    assert wall[4:7].tolist() == pytest.approx([0, 0, -1], abs=1e-3) and wall[7] == pytest.approx(0, abs=1e-6)
    assert torch.isnan(cloud[0, 0, [0, 1, 2, 4, 5, 6, 7]]).all()


def test_a_relative_model_without_normals_has_none():
    with pytest.raises(ModelError, match="no metres"):
        _ = Pipeline(Red(DepthKind.INVERSE_AFFINE)).estimate(picture(), CAMERA).normals


def test_a_batch_that_is_too_much_for_the_model_goes_one_by_one():
    model = Red()
    predict = model.predict

    def small(rgb, cameras):
        if len(rgb) > 1 or (rgb[:, 0, 0, 0] == 7).any():
            raise RuntimeError("out of memory")
        return predict(rgb, cameras)

    model.predict = small
    hard = picture()
    hard[0, 0, 0] = 7
    first, second = Pipeline(model).estimate_batch([Shot(picture(), CAMERA), Shot(hard, CAMERA)])
    assert first.depth[40, 0] == 2.0 and isinstance(second, RuntimeError)


class Limited(Red):
    """Takes so many images at once; holds something while it computes, as networks do."""

    def __init__(self, limit: int, error: str = "CUDA out of memory.") -> None:
        super().__init__()
        self.limit, self.error, self.sizes, self.held = limit, error, [], []

    def predict(self, rgb, cameras):
        self.sizes.append(len(rgb))
        assert not [item for item in self.held if item() is not None], "what failed before is still there"
        activations = rgb.float()
        self.held.append(weakref.ref(activations))
        if len(rgb) > self.limit:
            raise RuntimeError(self.error)
        return super().predict(rgb, cameras)


def test_a_batch_size_that_does_not_fit_is_remembered_and_said_once(caplog):
    model, shots = Limited(2), [Shot(picture(), CAMERA)] * 7
    gc.disable()
    try:
        pipeline = Pipeline(model)
        for sizes in ([7, 4, 2, 2, 2, 1], [2, 2, 2, 1]):
            model.sizes.clear()
            assert all(isinstance(frame, Frame) for frame in pipeline.estimate_batch(shots))
            assert model.sizes == sizes
        small = np.full((24, 32, 3), 50, np.uint8)
        pipeline.estimate_batch([Shot(small, CAMERA.resized(32, 24))] * 3)  # of another size: asked for itself
        assert model.sizes[4:] == [3, 2, 1]
    finally:
        gc.enable()
    assert [record.message for record in caplog.records] == [
        f"{found} do not fit into the memory of cpu at once: from now on they are computed in smaller batches"
        for found in ("7 images of 64x48", "3 images of 32x24")
    ]


def test_an_error_that_is_given_for_an_image_holds_nothing_of_the_others():
    gc.disable()
    try:
        model = Limited(0, "no memory at all")
        wrong, shot = Shot(picture(), CAMERA.resized(32, 24)), Shot(picture(), CAMERA)
        first, second, third = Pipeline(model).estimate_batch([shot, wrong, shot])
        assert str(first) == str(third) == "no memory at all" and second.reason == "camera_info_size"
        assert [item() for item in model.held] == [None] * 3
        assert first.__traceback__ is second.__traceback__ is None, "they hold the calls, and those all images"
    finally:
        gc.enable()


def test_a_lost_device_is_not_asked_again_image_by_image():
    model = Limited(0, "CUDA error: an illegal memory access was encountered")
    frames = Pipeline(model).estimate_batch([Shot(picture(), CAMERA)] * 3)
    assert model.sizes == [3] and [str(frame) for frame in frames] == [model.error] * 3


def depths(frames: list[Frame | Exception]) -> list[float]:
    return [float(frame.depth[0, 0]) for frame in frames]


def test_a_video_model_remembers_each_stream_by_itself(counting_model):
    """Of one stream the images of a batch follow each other; those of others, and stills, go beside them."""
    pipeline = Pipeline(counting_model)
    one, two = counting_model.memory(), counting_model.memory()
    small = np.zeros((24, 32, 3), np.uint8)
    shots = [
        Shot(picture(), None, memory=one),
        Shot(picture(), None, memory=one),
        Shot(picture(), None, memory=two),
        Shot(small, None),
        Shot(picture(), None),
        Shot(picture(), None, memory=one),
        Shot(picture(), None),
    ]
    assert depths(pipeline.estimate_batch(shots)) == [1, 2, 1, 1, 1, 3, 1]
    assert counting_model.batches == [4, 1, 1, 1]
    assert depths(pipeline.estimate_batch(shots[:1])) == [4]


def test_a_bad_image_leaves_the_memory_as_it_is(counting_model):
    pipeline, memory = Pipeline(counting_model), counting_model.memory()
    wrong = Shot(picture(), dataclasses.replace(CAMERA, width=9), memory=memory)
    found = pipeline.estimate_batch([Shot(picture(), None, memory=memory), wrong, Shot(picture(), None, memory=memory)])
    assert isinstance(found[1], CameraError) and depths([found[0], found[2]]) == [1, 2]


def test_a_stream_of_the_library(counting_model):
    model = Pipeline(counting_model)
    stream, other = model.stream(), model.stream()
    assert [float(stream(picture()).depth[0, 0]) for _ in range(3)] == [1, 2, 3]
    assert depths(stream.batch([picture(), picture()])) == [4, 5]
    assert float(other(picture()).depth[0, 0]) == float(model(picture()).depth[0, 0]) == 1
    assert float(stream(np.zeros((24, 32, 3), np.uint8)).depth[0, 0]) == 1, "another size is another stream"
    assert Pipeline(Red()).stream()(picture()).depth[20, 5] == 2
