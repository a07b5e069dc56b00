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
def exported(tmp_path_factory) -> Exported:
    """`exported(export, file, title)`: the file by the contract that its names suggest, which is that of `title`."""
    made: dict[str, Path] = {}

    def make(export: str, file: str, title: str, kind: str = "", tokens: int = 0) -> OnnxModel:
        if export not in made:
            folder = made[export] = tmp_path_factory.mktemp(export)
            command = [sys.executable, str(HERE / "authors_exports.py"), export, AUTHORS, str(folder)]
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


def relative(found: torch.Tensor, family: str, key: str, step: int) -> np.ndarray:
    """Relative differences to the authors' torch code."""
    expected = np.load(HERE.parent / family / "authors.npz")[key]
    return np.abs(found.numpy()[::step, ::step] / expected - 1)


@pytest.mark.parametrize("name", CAMERAS)
def test_metric3d_v2(exported: Exported, picture, name: str) -> None:
    model = exported("metric3d_v2", "metric3d_v2", "Metric3D v2")
    (found,) = model.predict(torch.from_numpy(picture(name))[None], [CAMERAS[name]])
    difference = relative(found.values, "metric3d_v2", f"small_{name}_depth", 15)
    assert difference.mean() <= 1e-4 and difference.max() <= 1e-3


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_depth_anything_v2(exported: Exported, picture, kind: str, name: str) -> None:
    model = exported(
        "depth_anything_v2",
        f"depth_anything_v2_{kind}",
        "Depth Anything V2, relative",
        {"relative": "inverse_affine"}.get(kind, kind),
    )
    (found,) = model.predict(torch.from_numpy(picture(name))[None], [CAMERAS[name]])
    difference = relative(found.values, "depth_anything_v2", f"{kind}_{name}", 20)
    assert difference.mean() <= 1e-4 and difference.max() <= 1e-3


@pytest.mark.parametrize("name", CAMERAS)
def test_moge_2(exported: Exported, picture, name: str) -> None:
    """Points before their shift, of which noise has none; the export resizes without antialiasing."""
    model = exported("moge_2", "moge_2", "MoGe-2", tokens=200)
    outputs = model.run(*model.preprocess(torch.from_numpy(picture(name))[None], [CAMERAS[name]]))
    found = dict(zip(model.processing.outputs.wanted.values(), outputs, strict=True))
    expected = np.load(HERE.parent / "moge_2" / "authors.npz")
    z = np.abs(found["points"][0, ::20, ::20, 2].numpy() / expected[f"points_{name}"][..., 2] - 1)
    assert z.mean() <= 0.02 and z.max() <= 0.2
    assert float(found["metric_scale"][0]) == pytest.approx(float(expected[f"scale_{name}"][0]), rel=0.1)


@pytest.mark.parametrize("name", CAMERAS)
def test_unidepth_v2(exported: Exported, picture, name: str) -> None:
    model = exported("unidepth_v2", f"unidepth_v2_{name}", "UniDepthV2")
    image = picture(name)
    height, width = image.shape[:2]
    camera = Camera(width, height, 0.9 * width, 0.95 * width, 0.48 * width, 0.53 * height)
    (found,) = model.predict(torch.from_numpy(image)[None], [camera])
    difference = relative(found.values, "unidepth_v2", f"depth_{name}", 20)
    assert difference.mean() <= 1e-2


@pytest.mark.parametrize("name", CAMERAS)
def test_depth_anything_3(exported: Exported, picture, name: str) -> None:
    model = exported("depth_anything_3", f"depth_anything_3_{name}", "Depth Anything 3, metric")
    outputs = model.run(*model.preprocess(torch.from_numpy(picture(name))[None], [CAMERAS[name]]))
    for key, value in zip(("depth", "sky"), outputs, strict=True):
        difference = relative(value.reshape(value.shape[-2:]), "depth_anything_3", f"{key}_{name}", 14)
        assert difference.mean() <= 1e-4 and difference.max() <= 1e-3, key
