# SPDX-License-Identifier: Apache-2.0
"""Frames of the synthetic world: some against forgetting, others to measure it. Rendered once, then kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mono_depth_ros.cache import cache_folder
from mono_depth_ros.training.adapt.example import Example
from mono_depth_ros.training.config import VALIDATION_SEED
from mono_depth_ros.training.pool import KINDS, Pool, PoolSpec, render_pool

VIEWS = 3
HELD_OUT_FRAMES = 100
_SIZE, _HFOV_DEG, _SHIFT = (256, 192), (45.0, 105.0), 0.05  # as `tiny` was trained
_FIRST, _HELD_OUT = 3_000_000, VALIDATION_SEED + 2_000_000
"""Worlds that no training of `tiny` has seen, so that they teach something, and others that none ever sees."""


def replay(frames: int, workers: int, progress: bool = True) -> list[Example]:
    """So many frames to learn from beside those of the user."""
    return _examples(_rendered(PoolSpec(frames, VIEWS, *_SIZE, _FIRST, KINDS, _HFOV_DEG, _SHIFT), workers, progress))


def held_out(workers: int, progress: bool = True, frames: int = HELD_OUT_FRAMES) -> list[Example]:
    """Frames of worlds that nothing learns from: what a network has forgotten shows there."""
    return _examples(_rendered(PoolSpec(frames, 1, *_SIZE, _HELD_OUT, KINDS, _HFOV_DEG, _SHIFT), workers, progress))


def _rendered(spec: PoolSpec, workers: int, progress: bool) -> Pool:
    folder: Path = cache_folder("replay") / f"{spec.first_seed}_{spec.frames}_{spec.views}"
    return render_pool(folder, spec, workers, progress)


def _examples(pool: Pool) -> list[Example]:
    none = np.empty((0, 3), np.float32)
    return [
        Example(
            f"{pool.kinds[int(pool.meta[k]['kind'])]} {int(pool.meta[k]['seed'])}", "synthetic", k, 0.0,
            np.asarray(pool.rgb[k]), pool.camera(k), none, none[:, 0], np.asarray(pool.depth[k]),
        )
        for k in range(len(pool))
    ]  # fmt: skip
