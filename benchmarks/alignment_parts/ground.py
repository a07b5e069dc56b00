# SPDX-License-Identifier: Apache-2.0
"""The floor as the reference: what scale the true camera height gives, in the synthetic world and on KITTI."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alignment_parts.row import row
from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.ground import ground_samples
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.datasets.samples import kitti_depth
from mono_depth_ros.errors import FitError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.world import KINDS, World

CAMERA = Camera.from_fov((320, 240), 70.0)
WORLDS, VIEWS = 4, 10  # of each kind of scene, and of each world: half of them on its drive
SHOWS_FLOOR = 0.05  # of the pixels
KITTI_HEIGHT_M = 1.65
GLOBAL = AlignConfig(local=False)


@dataclass(frozen=True, eq=False)
class View:
    """A frame of the synthetic world. up: (3,) in the optical frame; height: above the floor, m; floor: its share."""

    rgb: np.ndarray
    depth: np.ndarray
    up: np.ndarray
    height: float
    floor: float


@dataclass
class Outcomes:
    """Relative errors of the scale, NaN where the floor was refused."""

    errors: list[float]

    def within(self, limit: float) -> float:
        """Part of the frames."""
        return float(np.mean(np.abs(self.errors) <= limit))

    def refused(self) -> float:
        """Part of the frames."""
        return float(np.mean(np.isnan(self.errors)))


def rows(data: Path | None = None) -> list[dict[str, Any]]:
    """One dict a figure: name, measured, asked (None: for information), unit, holds (None: nothing asked).

    Args:
        data: folder with `kitti_depth`; without it that figure is left out.
    """
    views = list(_views(looking_up=False))
    shown = [view for view in views if view.floor >= SHOWS_FLOOR]
    without = [view for view in _views(looking_up=True) if view.floor < 0.001]
    found = [
        *_planted("metric prediction, pitch unknown", shown, relative=False, known=False, asked=0.9),
        *_planted("relative prediction, pitch known", shown, relative=True, known=True, asked=0.9),
        *_planted("metric prediction, pitch known", shown, relative=False, known=True, asked=None),
        *_without_floor(without),
        *_tiny(shown),
    ]
    if data is not None and (data / "kitti_depth").is_dir():
        found.append(_kitti(data / "kitti_depth"))
    found.append(_time())
    return found


def _planted(name: str, views: list[View], *, relative: bool, known: bool, asked: float | None) -> list[dict[str, Any]]:
    """Truth times an unknown factor from 0.3 to 3, or an unknown affine of inverse depth."""
    rng = np.random.default_rng(0)
    outcome = Outcomes([])
    for view in views:
        scale, shift = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))), float(rng.uniform(-0.5, 0.5))
        prediction = _relative(view.depth, scale, shift) if relative else _metric(view.depth / scale)
        found = _scale(prediction, CAMERA, view.height, view.up if known else None)
        outcome.errors.append(found / scale - 1.0)
    share = outcome.within(0.03)
    title = f"ground, {name}: scale within 3 %, of {len(views)} frames that show floor"
    return [
        row(
            title,
            100 * share,
            None if asked is None else f">= {100 * asked:g}",
            "%",
            None if asked is None else share >= asked,
        )
    ]


def _without_floor(views: list[View]) -> list[dict[str, Any]]:
    found = []
    for name, relative, known in (
        ("metric, pitch unknown", False, False),
        ("metric, pitch known", False, True),
        ("relative, pitch known", True, True),
    ):
        errors = [
            _scale(
                _relative(view.depth, 2.0, 0.3) if relative else _metric(view.depth),
                CAMERA,
                view.height,
                view.up if known else None,
            )
            for view in views
        ]
        title = f"ground, {name}: refused, of {len(views)} frames without floor"
        found.append(row(title, 100 * Outcomes(errors).refused(), None, "%", None))
    return found


def _tiny(views: list[View]) -> list[dict[str, Any]]:
    """What a network's own errors make of it: its depth on the floor, put right by the floor, against the truth."""
    model = TinyModel(EngineOptions(torch.device("cpu")))
    predictions = [model.predict(torch.from_numpy(view.rgb)[None], [CAMERA])[0] for view in views]
    found = []
    for name, known in (("pitch unknown", False), ("pitch known", True)):
        outcome = Outcomes([])
        for view, prediction in zip(views, predictions, strict=True):
            try:
                samples = ground_samples(prediction, CAMERA, view.height, view.up if known else None)
            except FitError:
                outcome.errors.append(float("nan"))
                continue
            truth = view.depth[samples.rows, samples.columns]
            outcome.errors.append(float(np.median(samples.depth / truth)) - 1.0)
        title = f"ground, prediction of tiny, {name}: depth of the floor within 10 % of the truth"
        found.append(row(title, 100 * outcome.within(0.1), None, "%", None))
        found.append(row(f"ground, prediction of tiny, {name}: refused", 100 * outcome.refused(), None, "%", None))
    return found


def _kitti(folder: Path) -> dict[str, Any]:
    errors = []
    for frame in kitti_depth(folder):
        assert frame.camera is not None
        for factor in (0.4, 1.0, 2.5):
            found = _scale(_metric(frame.truth / factor), frame.camera, KITTI_HEIGHT_M, None)
            errors.append(abs(found / factor - 1.0))
    worst = float(np.max(errors))
    return row(
        "ground, kitti_depth, pitch unknown: largest error of the scale", 100 * worst, "<= 5", "%", worst <= 0.05
    )


def _time() -> dict[str, Any]:
    """Of 640x480, one thread, median; the slower of the two kinds of prediction."""
    camera = Camera.from_fov((640, 480), 70.0)
    world = World.generate("room", 7)
    pose = world.path().pose(0.0)
    depth = world.render(camera, pose).depth
    rays(camera)  # cached from the first image on
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    medians = []
    for prediction, up in ((_metric(depth), None), (_relative(depth, 2.0, 0.3), pose[2, :3])):
        times = []
        for seed in range(15):
            start = time.perf_counter()
            ground_samples(prediction, camera, float(pose[2, 3]), up, seed)
            times.append(1e3 * (time.perf_counter() - start))
        medians.append(float(np.median(times)))
    torch.set_num_threads(threads)
    return row("ground, time of a 640x480 image", max(medians), "<= 15", "ms", max(medians) <= 15.0)


def _views(looking_up: bool) -> Iterator[View]:
    grid = rays(CAMERA).numpy().astype(np.float64)
    ray = np.concatenate([grid, np.ones((*grid.shape[:2], 1))], axis=-1)
    for kind in KINDS:
        for seed in range(WORLDS):
            world, rng = World.generate(kind, 2000 + seed), np.random.default_rng(seed)
            for k in range(VIEWS):
                pose = world.random_pose(rng) if k % 2 else world.path().pose(float(rng.uniform(0.0, 60.0)))
                if looking_up:
                    yaw = float(np.arctan2(pose[1, 2], pose[0, 2]))
                    x, y, z = pose[:3, 3].tolist()
                    pose = camera_pose(x, y, z, yaw, float(np.radians(rng.uniform(25.0, 38.0))))
                frame = world.render(CAMERA, pose)
                with np.errstate(invalid="ignore"):
                    above = (ray * frame.depth[..., None]) @ pose[2, :3] + pose[2, 3]
                    floor = (np.abs(above) < 0.025) & (frame.normals @ pose[2, :3] > 0.99)
                yield View(frame.rgb, frame.depth, pose[2, :3], float(pose[2, 3]), float(floor.mean()))


def _metric(depth: np.ndarray) -> DepthPrediction:
    return DepthPrediction(torch.from_numpy(depth.astype(np.float32)), DepthKind.METRIC)


def _relative(depth: np.ndarray, scale: float, shift: float) -> DepthPrediction:
    """x with 1/depth = shift + scale * x."""
    values = torch.from_numpy(((1.0 / depth - shift) / scale).astype(np.float32))
    return DepthPrediction(values, DepthKind.INVERSE_AFFINE)


def _scale(prediction: DepthPrediction, camera: Camera, height: float, up: np.ndarray | None) -> float:
    """What the alignment says the scale is; NaN: refused."""
    try:
        return float(align(prediction, ground_samples(prediction, camera, height, up), GLOBAL).fit.scale)
    except FitError:
        return float("nan")
