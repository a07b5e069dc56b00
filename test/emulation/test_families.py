# SPDX-License-Identifier: Apache-2.0
"""Families on CUDA: recorded whole, in which no copy and no wait may be, with the CPU's values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fake_cuda import fake_cuda
from mono_depth_ros.models import engine_model, families
from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import check_frame
from mono_depth_ros.models.families.depth_anything_v2 import RELATIVE, DepthAnythingV2
from mono_depth_ros.models.families.metric3d_v2 import Metric3D
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.loading import loader
from mono_depth_ros.models.networks import depth_anything, metric3d, metric3d_encoder
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.runtime.selfcheck import absrel
from mono_depth_ros.prediction import DepthPrediction

try:
    from mono_depth_ros.models.parity import transformers_checkpoints
except ImportError:
    transformers_checkpoints = None

CUDA = torch.device("cuda", 0)
TOLERANCE = {"fp32": 1e-2, "fp16": 3e-2}
"""OpenCV's resizing on the CPU rounds other than torch's does."""
SLOW = ("DPT hybrid", "ZoeDepth", "ZoeDepth NK")
"""Families that read no small images, for which half precision and batches take long on a CPU."""
NARROW = VitSize(48, 4, 3, (0, 1, 2, 3))
TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DPT": ("dpt", {}),
    "DPT hybrid": ("dpt", {"hybrid": True}),
    "GLPN": ("glpn", {}),
    "ZoeDepth": ("zoedepth", {}),
    "ZoeDepth NK": ("zoedepth", {"heads": ("nyu", "kitti")}),
    "Depth Pro": ("depth_pro", {}),
}


def seeded(make: Callable[[], nn.Module]) -> Any:
    """A network whose weights are those of every other one that is made so."""
    torch.manual_seed(0)
    module = make().eval().requires_grad_(False)
    for value in module.parameters():
        value.mul_(1.5 if value.ndim > 1 else 1)
    return module


def tiny(options: EngineOptions, _: Path) -> DepthModel:
    return TinyModel(options)


def depth_anything_v2(options: EngineOptions, _: Path) -> DepthModel:
    size = depth_anything.NetworkSize(NARROW, (16, 24, 32, 48), 32)
    spec = ModelSpec.of(CATALOGUE["depth_anything_v2_metric_indoor_small"])
    return DepthAnythingV2(spec, seeded(lambda: depth_anything.DepthAnythingNetwork(size, 20.0)), options)


def metric3d_v2(options: EngineOptions, _: Path) -> DepthModel:
    size = metric3d_encoder.NetworkSize(VitSize(48, 4, 3, (3,) * 4), False, (16, 24, 48), (48, 24, 16), 12, 2)
    spec = ModelSpec.of(CATALOGUE["metric3d_v2_small"])
    return Metric3D(spec, seeded(lambda: metric3d.Metric3DNetwork(size)), options, (168, 112))


def of_transformers(family: str, changes: dict[str, Any]) -> Callable[[EngineOptions, Path], DepthModel]:
    def make(options: EngineOptions, folder: Path) -> DepthModel:
        if not any(folder.iterdir()):
            if transformers_checkpoints is None:
                pytest.skip("needs the package transformers")
            transformers_checkpoints.save(folder, family, **changes)
            _read_small(folder / "preprocessor_config.json", changes)
        return loader(family)(folder, options, None)

    return make


def _read_small(path: Path, changes: dict[str, Any]) -> None:
    """Half precision is slow on a CPU."""
    values = json.loads(path.read_text())
    if values.get("size") == {"height": 384, "width": 384} and not changes.get("hybrid"):
        values["size"] = {"height": 96, "width": 96}
    path.write_text(json.dumps(values))


FAMILIES: dict[str, Callable[[EngineOptions, Path], DepthModel]] = {
    "tiny": tiny,
    "Depth Anything V2": depth_anything_v2,
    "Metric3D v2": metric3d_v2,
    **{name: of_transformers(*how) for name, how in TRANSFORMERS.items()},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_family(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    image = replace(RELATIVE.input, size=replace(RELATIVE.input.size, shorter_side=84))
    monkeypatch.setattr(families.depth_anything_v2, "RELATIVE", replace(RELATIVE, input=image))
    monkeypatch.setattr(engine_model, "CHECK_SIZES", ((96, 64), (96, 64)))
    rgb, camera = check_frame(160, 120)
    images, cameras = torch.cat([rgb, 255 - rgb.flip(2), rgb.flip(1)]), [*camera] * 3
    right = FAMILIES[name](EngineOptions(torch.device("cpu"), "torch", "fp32"), tmp_path).predict(images, cameras)
    # Not before: transformers makes weights in a way that the emulation does not follow.
    with fake_cuda() as gpu:
        for precision in ("fp32",) if name in SLOW else TOLERANCE:
            recorded = len(gpu.captures)
            model = FAMILIES[name](EngineOptions(CUDA, "torch", precision), tmp_path)
            for count in (1,) if name in SLOW or precision == "fp16" else (3, 1):
                found = model.predict(images[-count:], cameras[-count:])
                for one, other in zip(found, right[-count:], strict=True):
                    assert_same(one, other, TOLERANCE[precision])
            assert len(gpu.captures) > recorded and all(record.ended and record.kernels for record in gpu.captures)
    assert not [record for record in caplog.records if "record" in record.message], "none runs without a recording"


def assert_same(one: DepthPrediction, other: DepthPrediction, tolerance: float) -> None:
    for part in ("values", "normals", "confidence", "uncertainty"):
        value, expected = getattr(one, part), getattr(other, part)
        assert (value is None) is (expected is None)
        assert value is None or (value.device == CUDA and value.shape == expected.shape), part
    values = one.values.cpu()
    known = values.isfinite() & other.values.isfinite()
    assert known.sum() >= 0.99 * other.values.isfinite().sum()
    assert absrel(values[known], other.values[known]) < tolerance
