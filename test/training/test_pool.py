# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.training.config import VALIDATION_SEED, TrainConfig
from mono_depth_ros.training.pool import Pool, open_pool, pool_spec, render_pool, render_world, sample_camera

SMALL = TrainConfig(frames=5, views=2, validation_frames=3, width=64, height=48)


@pytest.mark.slow
def test_rendered_resumed_and_the_same_again(tmp_path: Path) -> None:
    spec = pool_spec(SMALL, validation=False)
    pool = render_pool(tmp_path, spec, workers=1, progress=False)
    assert pool.rgb.shape == (5, 48, 64, 3)
    assert (pool.rgb.reshape(5, -1).std(1) > 1).all()
    for number in range(spec.worlds):  # the same bytes from the same seed, in another process
        for view, (rgb, depth, camera) in enumerate(render_world(spec, number)):
            if (index := 2 * number + view) < 5:
                assert (pool.rgb[index] == rgb).all()
                np.testing.assert_array_equal(pool.depth[index], depth.astype(np.float16))
                assert pool.camera(index) == camera
    (np.load(tmp_path / "rgb.npy", mmap_mode="r+"))[2:4] = 0
    (np.load(tmp_path / "done.npy", mmap_mode="r+"))[1] = False
    with pytest.raises(DataError, match="unfinished: 2 of 3"):
        open_pool(tmp_path, spec.kinds)
    before = np.array(pool.rgb[0])
    resumed = render_pool(tmp_path, spec, workers=1, progress=False)
    assert (resumed.rgb[2:4].reshape(2, -1).std(1) > 1).all()
    assert (resumed.rgb[0] == before).all()
    with pytest.raises(DataError, match="another run"):
        render_pool(tmp_path, pool_spec(TrainConfig(frames=7, width=64, height=48), False), 1, False)


def test_held_out_worlds_are_never_training_worlds() -> None:
    held_out = pool_spec(SMALL, validation=True)
    assert held_out.first_seed == VALIDATION_SEED
    assert held_out.views == 1
    assert pool_spec(TrainConfig(seed=99), validation=False).first_seed + 100_000 <= VALIDATION_SEED
    with pytest.raises(DataError, match="expected below 10000000"):
        pool_spec(TrainConfig(seed=100), validation=False)


def test_cameras_vary_within_the_range() -> None:
    spec, rng = pool_spec(TrainConfig(), False), np.random.default_rng(0)
    cameras = [sample_camera(spec, rng) for _ in range(200)]
    fields = [2 * np.degrees(np.arctan(128 / camera.fx)) for camera in cameras]
    assert min(fields) > 45
    assert max(fields) < 105
    assert max(fields) - min(fields) > 50
    assert max(abs(camera.cx - 127.5) for camera in cameras) <= 0.05 * 256


def test_a_missing_pool_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rgb, depth, meta, done missing"):
        open_pool(tmp_path / "none", ())


def test_camera_of_a_frame() -> None:
    from mono_depth_ros.training.pool import META

    meta = np.zeros(1, META)
    meta[0] = (50, 51, 30, 20, 0, 7)
    camera = Pool(np.zeros((1, 48, 64, 3), np.uint8), np.zeros((1, 48, 64), np.float16), meta, ("toy",)).camera(0)
    assert (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy) == (64, 48, 50, 51, 30, 20)
