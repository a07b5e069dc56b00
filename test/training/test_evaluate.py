# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.datasets.dataset import Item, LabelledFrame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.networks.tiny import TinyDepthNet
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.training.evaluate import predict, real, shipped
from mono_depth_ros.world.world import World


def test_scale_and_affine_fits_can_only_help() -> None:
    ramp = np.linspace(1.0, 3.0, 64)[None].repeat(48, 0)
    rgb = np.full((48, 64, 3), (200, 0, 0), np.uint8)
    frame = LabelledFrame(Item("a", Path("a.png"), Path("a.png")), rgb, ramp, Camera(64, 48, 585, 585, 320, 240))
    torch.manual_seed(0)
    found = real(shipped(TinyDepthNet().eval()), [frame])
    assert found["frames"] == 1
    assert found["metric"]["abs_rel"] == pytest.approx(1.3, abs=0.3)  # 4 m everywhere, untrained
    assert found["median_scaled"]["abs_rel"] < 0.5 * found["metric"]["abs_rel"]
    assert found["affine_inverse"]["silog"] <= found["metric"]["silog"] + 0.02


def test_depth_is_scored_where_the_model_says_sky_and_everything_else_is_its_own_answer() -> None:
    world, camera = World.generate("street", 5), Camera.from_fov((320, 240), 70.0)
    rgb = world.render(camera, world.path().pose(0.0), normals=False).rgb
    model = TinyModel(EngineOptions(torch.device("cpu")))
    (shown,) = model.predict(torch.from_numpy(rgb)[None], [camera])
    depth, sky = predict(model, rgb, camera)
    assert 0.02 < sky.mean() < 0.9 and np.isfinite(depth).all()
    np.testing.assert_array_equal(np.where(sky, np.inf, depth), shown.values.numpy())
