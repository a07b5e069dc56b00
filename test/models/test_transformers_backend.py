# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 against the authors' code, and checkpoints that are not what they should be.

`official_depth_anything_v2.npz` holds every 20th row and column of what `infer_image` of
github.com/DepthAnything/Depth-Anything-V2 (commit a561b84; `metric_depth/` for the metric ones) returned for
`pattern_image` and for a NYUv2 frame. The authors' classes were built narrow and shallow (DinoVisionTransformer:
embed_dim 48, depth 4, num_heads 3, the other arguments as in `dinov2.DINOv2`; DPTHead: features 32, out_channels 16 24
32 48; all four blocks tapped; max_depth 20), their parameters set by `official_weight` of conftest.py, and run on a CPU
with torch 2.13.0, OpenCV 4.14.0 and without xformers.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file

from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.resize import resize_cubic_torch
from mono_depth_ros.models.transformers_backend import DepthAnythingV2, network_size, resample_positions
from mono_depth_ros.prediction import DepthKind

CPU = torch.device("cpu")
HERE = Path(__file__).parent
DATA = Path(os.environ.get("MONO_DEPTH_DATA", HERE.parents[2] / "shared" / "data"))
NYU = DATA / "nyu_depth" / "rgb" / "rgb_00050.jpg"
METRIC = {"depth_estimation_type": "metric", "max_depth": 20}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(HERE / "official_depth_anything_v2.npz"))


@pytest.fixture(scope="module")
def directories(checkpoint) -> dict[str, Path]:
    return {"relative": checkpoint(), "metric": checkpoint(**METRIC)}


@pytest.fixture(scope="module")
def models(directories) -> dict[str, DepthAnythingV2]:
    return {kind: DepthAnythingV2(directory, CPU) for kind, directory in directories.items()}


@pytest.fixture
def broken(directories, tmp_path: Path) -> Callable[..., Path]:
    """`broken(changes of config.json)`: a copy of the relative checkpoint, to be broken."""

    def copy(**changes: object) -> Path:
        directory = tmp_path / "checkpoint"
        shutil.copytree(directories["relative"], directory)
        path = directory / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return directory

    return copy


def predict(model: DepthAnythingV2, image: np.ndarray) -> torch.Tensor:
    height, width = image.shape[:2]
    (prediction,) = model.predict(torch.from_numpy(image)[None], [Camera.pinhole(width, height, 60)])
    assert prediction.values.shape == (height, width)
    assert prediction.kind is model.spec.kind
    return prediction.values


def assert_same(found: torch.Tensor, expected: np.ndarray) -> None:
    difference = np.abs(found.numpy()[::20, ::20] / expected - 1)
    assert difference.max() <= 1e-3 and difference.mean() <= 1e-4


@pytest.mark.parametrize("size", [(640, 360), (250, 333)])
@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_equals_the_authors_code(models, golden, pattern, kind: str, size: tuple[int, int]) -> None:
    assert_same(predict(models[kind], pattern(*size)), golden[f"{kind}_pattern_{size[0]}x{size[1]}"])


@pytest.mark.skipif(not NYU.is_file(), reason=f"no {NYU.name} (set MONO_DEPTH_DATA)")
def test_equals_the_authors_code_on_a_real_frame(models, golden) -> None:
    image = cv2.cvtColor(cv2.imread(str(NYU)), cv2.COLOR_BGR2RGB)
    assert_same(predict(models["relative"], image), golden["relative_nyu_640x480"])


def test_the_path_of_a_gpu_equals_it_too(models, golden, pattern, monkeypatch) -> None:
    monkeypatch.setattr("mono_depth_ros.models.transformers_backend.resize_cubic", resize_cubic_torch)
    assert_same(predict(models["relative"], pattern(640, 360)), golden["relative_pattern_640x360"])


def test_the_comparison_can_fail(models, golden, pattern) -> None:
    """As transformers resamples position embeddings, the authors' numbers are missed by far."""
    embeddings = models["relative"].network.backbone.embeddings
    ours = embeddings.__dict__.pop("interpolate_pos_encoding")
    try:
        found = predict(models["relative"], pattern(640, 360)).numpy()[::20, ::20]
    finally:
        embeddings.interpolate_pos_encoding = ours
    assert np.abs(found / golden["relative_pattern_640x360"] - 1).max() > 5e-3


def test_positions_at_the_trained_size_are_the_table() -> None:
    table = torch.rand(1, 1 + 37 * 37, 4)
    assert torch.equal(resample_positions(table, 37, 37), table)
    assert resample_positions(table, 37, 66).shape == (1, 1 + 37 * 66, 4)
    assert torch.equal(resample_positions(table, 37, 66)[:, 0], table[:, 0])


def test_what_the_checkpoint_says_is_the_spec(models) -> None:
    relative, metric = models["relative"].spec, models["metric"].spec
    assert (relative.kind, relative.max_depth_m) == (DepthKind.INVERSE_AFFINE, None)
    assert (metric.kind, metric.max_depth_m) == (DepthKind.METRIC, 20.0)
    assert not metric.needs_camera and metric.licence == "not stated"


def test_a_batch_equals_its_frames(models, pattern) -> None:
    images = torch.from_numpy(np.stack([pattern(320, 240), pattern(320, 240)[::-1]]).copy())
    together = models["metric"].predict(images, [Camera.pinhole(320, 240, 60)] * 2)
    for image, batched in zip(images, together, strict=True):
        torch.testing.assert_close(predict(models["metric"], image.numpy()), batched.values, rtol=1e-4, atol=0)
    assert not torch.equal(together[0].values, together[1].values)


@pytest.mark.parametrize("max_depth", [None, 1, 80])
def test_relative_output_ignores_max_depth(broken, models, pattern, max_depth: int | None) -> None:
    model = DepthAnythingV2(broken(max_depth=max_depth), CPU)
    assert torch.equal(predict(model, pattern(128, 96)), predict(models["relative"], pattern(128, 96)))


def test_max_depth_scales_metric_output(checkpoint, models, pattern) -> None:
    path = checkpoint(**METRIC) / "config.json"
    path.write_text(path.read_text().replace('"max_depth": 20', '"max_depth": 7.5'))
    model = DepthAnythingV2(path.parent, CPU)
    assert model.spec.max_depth_m == 7.5
    expected = predict(models["metric"], pattern(128, 96)) * (7.5 / 20)
    torch.testing.assert_close(predict(model, pattern(128, 96)), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert"}, "model_type 'bert', expected 'depth_anything'"),
        ({"backbone_config": {"model_type": "swin"}}, "'swin'.*expected a backbone_config of model_type 'dinov2'"),
        ({"backbone": "facebook/dinov2-small"}, "backbone 'facebook/dinov2-small', expected"),
        ({"depth_estimation_type": "log"}, "'log', expected 'relative' or 'metric'"),
        ({"depth_estimation_type": "metric", "max_depth": None}, "max_depth None, expected metres"),
        ({"depth_estimation_type": "metric", "max_depth": -20}, "max_depth -20, expected metres"),
        (
            {"neck_hidden_sizes": [16, 24, 40, 48]},
            r"neck\.convs\.2\.weight is \(32, 32, 3, 3\), expected \(32, 40, 3, 3\)",
        ),
        ({"fusion_hidden_size": "wide"}, "expected whole safetensors that fit config.json"),
    ],
)
def test_configs_that_do_not_fit_are_refused(broken, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        DepthAnythingV2(broken(**changes), CPU)


def test_missing_and_unreadable_configs_are_refused(broken, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"empty holds nothing, expected config\.json and \*\.safetensors"):
        DepthAnythingV2(empty, CPU)
    directory = broken()
    (directory / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        DepthAnythingV2(directory, CPU)
    (directory / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="model_type None"):
        DepthAnythingV2(directory, CPU)


@pytest.mark.parametrize("keep", [0, 4, 1000, -4])
def test_truncated_weights_are_refused(broken, keep: int) -> None:
    path = broken() / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match="weights cannot be loaded, expected whole safetensors"):
        DepthAnythingV2(path.parent, CPU)


def test_a_missing_tensor_is_refused_not_made_up(broken) -> None:
    path = broken() / "model.safetensors"
    weights = load_file(path)
    del weights["head.conv3.bias"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 missing weights \(head\.conv3\.bias\)"):
        DepthAnythingV2(path.parent, CPU)


def test_tensors_of_something_else_are_refused(broken) -> None:
    path = broken() / "model.safetensors"
    save_file({**load_file(path), "classifier.weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 unexpected weights \(classifier\.weight\)"):
        DepthAnythingV2(path.parent, CPU)


def test_the_mask_token_may_be_absent(broken, models, pattern) -> None:
    path = broken() / "model.safetensors"
    weights = load_file(path)
    del weights["backbone.embeddings.mask_token"]
    save_file(weights, path, metadata={"format": "pt"})
    image = pattern(128, 96)
    assert torch.equal(predict(DepthAnythingV2(path.parent, CPU), image), predict(models["relative"], image))


def test_pickles_are_never_read(broken) -> None:
    path = broken() / "model.safetensors"
    path.rename(path.with_name("pytorch_model.bin"))
    with pytest.raises(ModelError, match=r"only pytorch_model\.bin, which can run code.*expected model\.safetensors"):
        DepthAnythingV2(path.parent, CPU)


def test_git_lfs_pointers_are_named(broken) -> None:
    path = broken() / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ModelError, match=r"Git LFS pointer.*git lfs pull"):
        DepthAnythingV2(path.parent, CPU)


def test_without_transformers_the_pip_line_is_named(directories, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install 'mono_depth_ros\[transformers\]'"):
        DepthAnythingV2(directories["relative"], CPU)


def test_images_of_extreme_shape_are_refused() -> None:
    assert network_size(1242, 375) == (1722, 518)
    with pytest.raises(ImageError, match="640x40 and would be read at 8288x518") as caught:
        network_size(640, 40)
    assert caught.value.reason == "image_shape"
