# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 against its authors' code.

`authors.npz` holds every 20th row and column of what `infer_image` of github.com/DepthAnything/Depth-Anything-V2
(commit a561b84; `metric_depth/` with max_depth 20 for the metric ones) returned, run on a CPU with torch 2.13.0, OpenCV
4.14.0 and without xformers, parameters set by `official_weight` of ../conftest.py:

- `KIND_kitti`, `KIND_nyu`, `KIND_nyu_640x360`: the small network (encoder "vits"), on frame 0000000050.png of KITTI
  (1242x375), on rgb_00050.jpg of NYUv2 (640x480), and on that one resized to 640x360 by cv2.resize with INTER_AREA.
- `KIND_pattern_WxH`: `pattern_image` of ../conftest.py, through the authors' classes built narrow and shallow
  (DinoVisionTransformer: embed_dim 48, depth 4, num_heads 3, the other arguments as in `dinov2.DINOv2`; DPTHead:
  features 32, out_channels 16 24 32 48; all four blocks tapped).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.models.families.depth_anything_v2 import DepthAnythingV2, load, read
from mono_depth_ros.models.networks.vit import resample_positions
from mono_depth_ros.models.processing import SizeRule
from mono_depth_ros.models.resample import resize_images_torch

FRAMES = ("kitti", "nyu", "nyu_640x360")


@pytest.fixture(scope="module")
def authors() -> dict[str, np.ndarray]:
    return dict(np.load(Path(__file__).parent / "authors.npz"))


@pytest.fixture(scope="module")
def frames(real_data: Path) -> dict[str, np.ndarray]:
    """(H, W, 3) uint8 RGB."""
    kitti = cv2.imread(str(real_data / "kitti_depth" / "rgb" / "0000000050.png"))
    nyu = cv2.imread(str(real_data / "nyu_depth" / "rgb" / "rgb_00050.jpg"))
    if kitti is None or nyu is None:
        pytest.skip(f"no KITTI and NYUv2 frames in {real_data}")
    bgr = {"kitti": kitti, "nyu": nyu, "nyu_640x360": cv2.resize(nyu, (640, 360), interpolation=cv2.INTER_AREA)}
    return {name: cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for name, image in bgr.items()}


@pytest.fixture(scope="module")
def official(small_pth: Path, fp32, tmp_path_factory) -> dict[str, DepthAnythingV2]:
    """The small network from files as the authors publish them."""
    metric = tmp_path_factory.mktemp("metric") / "depth_anything_v2_metric_hypersim_vits.pth"
    shutil.copy(small_pth, metric)
    return {"relative": load(small_pth, fp32), "metric": load(metric, fp32)}


@pytest.fixture(scope="module")
def narrow(directories, fp32) -> dict[str, DepthAnythingV2]:
    return {kind: load(directory, fp32) for kind, directory in directories.items()}


def difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.abs(found[::20, ::20] / expected - 1)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """The bars are 1e-3 and 1e-4; what is reached is 4e-5 and 2e-6."""
    relative = difference(found, expected)
    assert relative.max() <= 2e-4 and relative.mean() <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_official_files_equal_the_authors_code(official, frames, authors, predict, kind: str, frame: str) -> None:
    assert_same(predict(official[kind], frames[frame]), authors[f"{kind}_{frame}"])


@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_directories_are_the_same_network(checkpoint, small_pth: Path, kind: str, fp32, tmp_path: Path) -> None:
    """Bit for bit, so what holds for the .pth holds for the directory."""
    changes = {"depth_estimation_type": "metric", "max_depth": 20} if kind == "metric" else {}
    directory = read(checkpoint(small=True, **changes)).network().state_dict()
    name = "depth_anything_v2_vits.pth" if kind == "relative" else "depth_anything_v2_metric_hypersim_vits.pth"
    shutil.copy(small_pth, tmp_path / name)
    file = read(tmp_path / name).network().state_dict()
    assert directory.keys() == file.keys()
    assert all(torch.equal(directory[key], file[key]) for key in file)


def test_a_directory_equals_the_authors_code(checkpoint, frames, authors, predict, fp32) -> None:
    model = load(checkpoint(small=True), fp32)
    assert_same(predict(model, frames["nyu_640x360"]), authors["relative_nyu_640x360"])


@pytest.mark.parametrize("size", [(640, 360), (250, 333)])
@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_a_narrow_network_equals_the_authors_code(narrow, authors, pattern, predict, kind: str, size) -> None:
    assert_same(predict(narrow[kind], pattern(*size)), authors[f"{kind}_pattern_{size[0]}x{size[1]}"])


def test_the_resampling_of_a_gpu_equals_it_too(narrow, pattern, authors, predict, monkeypatch) -> None:
    monkeypatch.setattr("mono_depth_ros.models.preprocess.resize_images", resize_images_torch)
    assert_same(predict(narrow["relative"], pattern(640, 360)), authors["relative_pattern_640x360"])


@pytest.mark.parametrize("what", ["input", "outputs"])
def test_processing_that_differs_is_seen(narrow, authors, pattern, predict, monkeypatch, what: str) -> None:
    """As transformers scales, as little as possible, so that 640x360 is read at 518x294; and as it returns depth."""
    processing = narrow["relative"].processing
    changed = {
        "input": replace(processing.input, size=SizeRule(fixed=(518, 294))),
        "outputs": replace(processing.outputs, resize="cubic"),
    }
    monkeypatch.setattr(narrow["relative"], "processing", replace(processing, **{what: changed[what]}))
    found = predict(narrow["relative"], pattern(640, 360))
    assert difference(found, authors["relative_pattern_640x360"]).max() > 2e-3


def test_position_embeddings_that_differ_are_seen(narrow, authors, pattern, predict, monkeypatch) -> None:
    """Without the authors' offset of 0.1, as transformers resamples them."""
    monkeypatch.setattr(
        "mono_depth_ros.models.networks.vit.resample_positions",
        lambda table, rows, columns, offset: resample_positions(table, rows, columns, 0.0),
    )
    found = predict(narrow["relative"], pattern(640, 360))
    assert difference(found, authors["relative_pattern_640x360"]).max() > 2e-3


def test_blocks_that_differ_are_seen(narrow, authors, pattern, predict, monkeypatch) -> None:
    """A head that reads other blocks, as that of Depth Anything V1 does."""
    encoder = narrow["relative"].run._module.pretrained
    monkeypatch.setattr(encoder, "blocks", encoder.blocks[::-1])
    found = predict(narrow["relative"], pattern(640, 360))
    assert difference(found, authors["relative_pattern_640x360"]).max() > 2e-3
