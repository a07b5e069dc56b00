# SPDX-License-Identifier: Apache-2.0
"""Files of the authors' own exporters, recognised and run by the contract of their names, against the authors' code.

They are made where MONO_DEPTH_AUTHORS names a folder with their repositories: see authors_exports.py. What the authors'
torch code gives with the same weights is in `authors.npz` of each family's tests. Small graphs with the same inputs and
outputs stand in elsewhere: test_documented.py, and test_inspecting.py of the tools.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families.onnx import OnnxModel, load
from mono_depth_ros.models.families.onnx_graph import read_graph
from mono_depth_ros.models.families.onnx_known import contract_for
from mono_depth_ros.models.processing import contract_path
from mono_depth_ros.models.runtime.engine import EngineOptions

HERE = Path(__file__).parent
AUTHORS = os.environ.get("MONO_DEPTH_AUTHORS", "")
CAMERAS = {
    "kitti": Camera(1242, 375, 707.0493, 707.0493, 604.0814, 180.5066),
    "nyu": Camera(640, 480, 518.8579, 519.46961, 325.58245, 253.73617),
}
CPU = EngineOptions(torch.device("cpu"), "onnxruntime", "fp32")
Exported = Callable[..., OnnxModel]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AUTHORS, reason="no exporters of the authors: MONO_DEPTH_AUTHORS names none"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, real_data: Path) -> Exported:
    """`exported(export, file, title)`: the file by the contract that its names suggest, which is that of `title`."""
    made: dict[str, Path] = {}

    def make(export: str, file: str, title: str, kind: str = "", tokens: int = 0) -> OnnxModel:
        if export not in made:
            folder = made[export] = tmp_path_factory.mktemp(export)
            command = [sys.executable, str(HERE / "authors_exports.py"), export, AUTHORS, str(folder), str(real_data)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-3000:]
        path = made[export] / f"{file}.onnx"
        contract = contract_for(read_graph(path))
        assert contract.title == title and contract.undecided == (("kind",) if kind else ())
        processing = replace(contract.processing, kind=kind) if kind else contract.processing
        processing = replace(processing, constants={"num_tokens": tokens}) if tokens else processing
        processing.write(contract_path(path))
        return load(path, CPU)

    return make


def assert_same(found: torch.Tensor, expected: np.ndarray, mean: float = 1e-4, largest: float = 1e-3) -> None:
    difference = np.abs(found.numpy() / expected - 1)
    assert difference.mean() <= mean and difference.max() <= largest, (difference.mean(), difference.max())


def authors(family: str, key: str) -> np.ndarray:
    """What the authors' torch code gave, every so many pixels: see the family's tests."""
    return np.asarray(np.load(HERE.parent / family / "authors.npz")[key])


@pytest.mark.parametrize("name", CAMERAS)
def test_metric3d_v2(exported: Exported, picture, name: str) -> None:
    model = exported("metric3d_v2", "metric3d_v2", "Metric3D v2")
    (found,) = model.predict(torch.from_numpy(picture(name))[None], [CAMERAS[name]])
    assert_same(found.values[::15, ::15], authors("metric3d_v2", f"small_{name}_depth"))


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_depth_anything_v2(exported: Exported, picture, kind: str, name: str) -> None:
    """Against the exporter's network, which resamples its positions without the authors' offset of 0.1."""
    value = {"relative": "inverse_affine"}.get(kind, kind)
    model = exported("depth_anything_v2", f"depth_anything_v2_{kind}", "Depth Anything V2, relative", value)
    (found,) = model.predict(torch.from_numpy(picture(name))[None], [CAMERAS[name]])
    theirs = np.load(Path(model.network.path).with_name("depth_anything_v2.npz"))[f"{kind}_{name}"]
    assert_same(found.values, theirs)
    assert_same(found.values[::20, ::20], authors("depth_anything_v2", f"{kind}_{name}"), 0.02, 0.2)


@pytest.mark.parametrize("name", CAMERAS)
def test_moge_2(exported: Exported, picture, name: str) -> None:
    """Points before their shift, of which noise has none; the export resizes without antialiasing, `infer` with it."""
    model = exported("moge_2", "moge_2", "MoGe-2", tokens=200)
    outputs = model.run(*model.preprocess(torch.from_numpy(picture(name))[None], [CAMERAS[name]]))
    found = dict(zip(model.processing.outputs.wanted.values(), outputs, strict=True))
    theirs = np.load(Path(model.network.path).with_name("moge_2.npz"))
    assert_same(found["points"][..., 2], theirs[f"points_{name}"][..., 2])
    assert_same(found["metric_scale"], theirs[f"metric_scale_{name}"])
    assert np.abs(found["mask"].numpy() - theirs[f"mask_{name}"]).max() <= 1e-4
    assert_same(found["points"][0, ::20, ::20, 2], authors("moge_2", f"points_{name}")[..., 2], 0.01, 0.1)


@pytest.mark.parametrize("name", CAMERAS)
def test_unidepth_v2(exported: Exported, picture, name: str) -> None:
    """The rays here are those of the pixels; `infer` scales all of K by one factor, at this size 4 % off."""
    model = exported("unidepth_v2", f"unidepth_v2_{name}", "UniDepthV2")
    image = picture(name)
    height, width = image.shape[:2]
    camera = Camera(width, height, 0.9 * width, 0.95 * width, 0.48 * width, 0.53 * height)
    (found,) = model.predict(torch.from_numpy(image)[None], [camera])
    assert_same(found.values[::20, ::20], authors("unidepth_v2", f"depth_{name}"), 0.02, 0.1)


@pytest.mark.parametrize("name", CAMERAS)
def test_depth_anything_3(exported: Exported, picture, name: str) -> None:
    model = exported("depth_anything_3", f"depth_anything_3_{name}", "Depth Anything 3, metric")
    outputs = model.run(*model.preprocess(torch.from_numpy(picture(name))[None], [CAMERAS[name]]))
    for key, value in zip(("depth", "sky"), outputs, strict=True):
        assert_same(value.reshape(value.shape[-2:])[::14, ::14], authors("depth_anything_3", f"{key}_{name}"))
