# SPDX-License-Identifier: Apache-2.0
"""A pool of rendered frames on disk: four .npy files that are filled once, resumed if interrupted, then only mapped.

The workers are fresh processes that import this file and the world, one thread each.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.training.config import VALIDATION_SEED, TrainConfig

META = np.dtype([("fx", "f8"), ("fy", "f8"), ("cx", "f8"), ("cy", "f8"), ("kind", "u1"), ("seed", "i8")])
KINDS = ("room", "corridor", "warehouse", "street", "yard")
"""Of scenes that a network learns from, seen from a vehicle."""
BY_HAND = "hand-held "
"""Before the kind of a scene: seen from a hand, at any height and near."""
HAND_HELD = (BY_HAND + "clutter", BY_HAND + "room", BY_HAND + "clutter", BY_HAND + "corridor", BY_HAND + "clutter")
_FILES = ("rgb", "depth", "meta", "done")


@dataclass(frozen=True)
class Pool:
    """n frames, mapped from disk, read-only.

    rgb (n, H, W, 3) uint8; depth (n, H, W) float16 metres along z, +inf sky; meta (n,) `META`: the camera, the index of
    the kind of scene in `kinds`, the seed of the world.
    """

    rgb: np.ndarray
    depth: np.ndarray
    meta: np.ndarray
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.rgb.shape[0])

    def camera(self, index: int) -> Camera:
        """The camera of one frame."""
        height, width = self.rgb.shape[1:3]
        meta = self.meta[index]
        return Camera(width, height, float(meta["fx"]), float(meta["fy"]), float(meta["cx"]), float(meta["cy"]))


@dataclass(frozen=True)
class PoolSpec:
    """What a pool holds: `frames` frames, `views` of each world; worlds are numbered from `first_seed` on."""

    frames: int
    views: int
    width: int
    height: int
    first_seed: int
    kinds: tuple[str, ...]
    hfov_deg: tuple[float, float]
    centre_shift: float

    @property
    def worlds(self) -> int:
        return -(-self.frames // self.views)


def pool_spec(config: TrainConfig, validation: bool) -> PoolSpec:
    """The training pool (worlds from `seed` * 10^5, below 10^7) or the held-out one (worlds from 10^7 on)."""
    first = VALIDATION_SEED if validation else config.seed * 100_000
    frames = config.validation_frames if validation else config.frames
    if not validation and first + frames > VALIDATION_SEED:
        raise DataError(f"seed {config.seed} needs worlds up to {first + frames}, expected below {VALIDATION_SEED}")
    hfov = (config.hfov_min_deg, config.hfov_max_deg)
    views = 1 if validation else config.views
    return PoolSpec(frames, views, config.width, config.height, first, KINDS, hfov, config.centre_shift)


def sample_camera(spec: PoolSpec, rng: np.random.Generator) -> Camera:
    """A pinhole with a random field of view and principal point, square pixels."""
    base = Camera.from_fov((spec.width, spec.height), float(rng.uniform(*spec.hfov_deg)))
    shift_x, shift_y = rng.uniform(-spec.centre_shift, spec.centre_shift, 2)
    cx, cy = base.cx + float(shift_x) * spec.width, base.cy + float(shift_y) * spec.height
    return Camera(spec.width, spec.height, base.fx, base.fy, cx, cy)


def render_world(spec: PoolSpec, number: int) -> Iterable[tuple[np.ndarray, np.ndarray, Camera]]:
    """The (rgb uint8, depth float32, camera) of each view of world `number`; the same for the same spec and number."""
    from mono_depth_ros.world import World
    from mono_depth_ros.world.hand_held import hand_held_pose

    seed, kind = spec.first_seed + number, spec.kinds[number % len(spec.kinds)]
    world = World.generate(kind.removeprefix(BY_HAND), seed)
    rng = np.random.default_rng([seed, 1])
    for _ in range(spec.views):
        camera = sample_camera(spec, rng)
        pose = hand_held_pose(world, rng) if kind.startswith(BY_HAND) else world.random_pose(rng)
        frame = world.render(camera, pose, normals=False)
        yield frame.rgb, frame.depth, camera


def render_pool(folder: Path, spec: PoolSpec, workers: int, progress: bool = True) -> Pool:
    """Render what is missing of the pool in `folder` with `workers` processes; then map it. Ctrl-C loses nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    _allocate(folder, spec)
    done = np.load(folder / "done.npy", mmap_mode="r+")
    missing = [number for number in range(spec.worlds) if not done[number]]
    if missing:
        context = multiprocessing.get_context("spawn")
        with (
            ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as executor,
            tqdm(
                total=spec.worlds, initial=spec.worlds - len(missing), unit="world", disable=None if progress else True
            ) as bar,
        ):
            chunks = [missing[start : start + 16] for start in range(0, len(missing), 16)]
            futures = [executor.submit(_render_chunk, folder, spec, chunk) for chunk in chunks]
            try:
                for future in as_completed(futures):
                    numbers = future.result()
                    done[numbers] = True
                    bar.update(len(numbers))
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise
    return open_pool(folder, spec.kinds)


def open_pool(folder: Path, kinds: tuple[str, ...]) -> Pool:
    """Map a pool that `render_pool` has made. Raises DataError where files are missing or the pool is unfinished."""
    missing = [name for name in _FILES if not (folder / f"{name}.npy").is_file()]
    if missing:
        raise DataError(f"no pool of frames in {folder}: {', '.join(missing)} missing")
    arrays: dict[str, Any] = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES}
    if not arrays["done"].all():
        raise DataError(
            f"the pool in {folder} is unfinished: {int(arrays['done'].sum())} of {len(arrays['done'])} worlds"
        )
    return Pool(arrays["rgb"], arrays["depth"], arrays["meta"], kinds)


def _allocate(folder: Path, spec: PoolSpec) -> None:
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "rgb": ((spec.frames, spec.height, spec.width, 3), np.uint8),
        "depth": ((spec.frames, spec.height, spec.width), np.float16),
        "meta": ((spec.frames,), META),
        "done": ((spec.worlds,), np.bool_),
    }
    for name, (shape, dtype) in shapes.items():
        path = folder / f"{name}.npy"
        if not path.is_file():
            open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        found = np.load(path, mmap_mode="r").shape
        if found != shape:
            raise DataError(f"{path} has shape {found}, expected {shape}: it is of another run, choose another --work")


def _one_thread() -> None:
    """In each worker, before numba is imported: the processes are the parallelism."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"


def _render_chunk(folder: Path, spec: PoolSpec, numbers: list[int]) -> list[int]:
    rgb, depth, meta = (np.load(folder / f"{name}.npy", mmap_mode="r+") for name in ("rgb", "depth", "meta"))
    for number in numbers:
        for view, (image, truth, camera) in enumerate(render_world(spec, number)):
            index = number * spec.views + view
            if index >= spec.frames:
                break
            rgb[index], depth[index] = image, truth.astype(np.float16)
            kind, seed = number % len(spec.kinds), spec.first_seed + number
            meta[index] = (camera.fx, camera.fy, camera.cx, camera.cy, kind, seed)
    return numbers
