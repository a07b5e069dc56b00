# SPDX-License-Identifier: Apache-2.0
"""Scale in time, with a lidar slower than the camera: how calm, how quick, and what calm costs on a drive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from alignment_parts.row import row
from mono_depth_ros.alignment.aligner import Aligned, Aligner
from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.tracker import curve_distance
from mono_depth_ros.config import AlignConfig, ReferenceConfig, TrackerConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world.lidar import SpinningLidar
from mono_depth_ros.world.world import World

CAMERA = Camera.from_fov((320, 240), 70.0)
CAMERA_HZ, LIDAR_EVERY = 30, 3  # the lidar is at 10 Hz
STATIC_S, JUMP, JUMPS = 10.0, 1.2, 20
WARM = 30  # images at the beginning that are not looked at: an estimate has to begin somewhere
WAVES, WAVE = (4, 3), 0.05  # errors of a prediction that are new in every image: in patches of a quarter of its width
DRIVES = (("room", 11), ("corridor", 12), ("street", 13))
DRIVE_S = 6.0
BANDWIDTHS = (0.0, 0.3, 1.0, 3.0)
S = 1_000_000_000


@dataclass(frozen=True, eq=False)
class Shot:
    """One image: its prediction, and a lidar's samples with those of every third."""

    stamp_ns: int
    prediction: DepthPrediction
    samples: Samples | None


def rows() -> list[dict[str, Any]]:
    """One dict a figure: name, measured, asked (None: for information), unit, holds (None: nothing asked)."""
    found = []
    for kind in (DepthKind.METRIC, DepthKind.INVERSE_AFFINE):
        name = "metric prediction" if kind is DepthKind.METRIC else "relative prediction"
        found += _static(name, kind)
        found += _jump(name, kind)
    return [*found, *_drives()]


def _static(name: str, kind: DepthKind) -> list[dict[str, Any]]:
    shots = list(_shots(kind, STATIC_S, 0))
    filtered, single = _run(shots, 1.0), _run(shots, 0.0)
    share = float(np.mean([one.prediction is not None and one.state == "aligned" for one in filtered]))
    calm, restless = _change(filtered), _change(single)
    return [
        row(f"course, static, {name}: images aligned", 100 * share, ">= 100", "%", share == 1.0),
        row(f"course, static, {name}: change of a fit's scale from one to the next", 100 * restless, None, "%", None),
        row(f"course, static, {name}: that of the filtered scale", 100 * calm, None, "%", None),
        row(
            f"course, static, {name}: the second by the first", calm / restless, "<= 0.25", "", calm <= 0.25 * restless
        ),
    ]


def _jump(name: str, kind: DepthKind) -> list[dict[str, Any]]:
    """The prediction's depth falls by a fifth: how much of it is followed after one, two and three lidar frames."""
    followed = []
    for seed in range(JUMPS):
        shots = list(_shots(kind, 3.0, seed, jump_s=2.0))
        found = _run(shots, 1.0)
        start = 2 * CAMERA_HZ
        values = torch.linspace(0.2, 1.0, 50).numpy().astype(np.float64)
        before = found[start - 1].alignment
        after = [found[start + LIDAR_EVERY * (k + 1) - 1].alignment for k in range(3)]
        assert before is not None and all(after)
        followed.append(
            [curve_distance(one.fit, before.fit, values) / np.log(JUMP) for one in after if one is not None]
        )
    part = np.mean(followed, axis=0)
    return [
        row(
            f"course, jump of 20 %, {name}: followed after {k + 1} lidar frame{'s' if k else ''}, mean of {JUMPS}",
            100 * float(part[k]),
            "95 to 105" if k == 2 else None,
            "%",
            bool(0.95 <= part[k] <= 1.05) if k == 2 else None,
        )
        for k in range(3)
    ]


def _drives() -> list[dict[str, Any]]:
    """Error on held-out lidar points along a path, of the embedded model: what a longer memory costs."""
    model = TinyModel(EngineOptions(torch.device("cpu")))
    errors: dict[float, list[float]] = {bandwidth: [] for bandwidth in BANDWIDTHS}
    before: list[float] = []
    for kind, seed in DRIVES:
        world, lidar = World.generate(kind, seed), SpinningLidar()
        shots = []
        path, rate_hz = world.path(), CAMERA_HZ / LIDAR_EVERY
        for k in range(round(rate_hz * DRIVE_S)):
            t_s = k / rate_hz
            pose = path.pose(t_s)
            prediction = model.predict(torch.from_numpy(world.render(CAMERA, pose).rgb)[None], [CAMERA])[0]
            shots.append(Shot(int(t_s * S), prediction, _lidar(world, lidar, pose, k)))
        for bandwidth in BANDWIDTHS:
            found = [one.alignment for one in _run(shots, bandwidth)]
            errors[bandwidth] += [one.after.abs_rel for one in found if one is not None and one.after is not None]
        before += [one.before.abs_rel for one in found if one is not None and one.before is not None]
    title = f"course, drives of tiny in {', '.join(kind for kind, _ in DRIVES)}: held-out AbsRel"
    found_rows = [row(f"{title}, as predicted", float(np.mean(before)), None, "", None)]
    for bandwidth, values in errors.items():
        words = f"bandwidth {bandwidth:g} s" if bandwidth else "a fit an image"
        found_rows.append(row(f"{title}, {words}", float(np.mean(values)), None, "", None))
    return found_rows


def _run(shots: list[Shot], bandwidth: float) -> list[Aligned]:
    aligner = Aligner(AlignConfig(local=False), TrackerConfig(bandwidth=bandwidth))
    return [aligner.update(shot.prediction, shot.samples, shot.stamp_ns) for shot in shots]


def _change(found: list[Aligned]) -> float:
    """Mean |change of ln scale| from one image with a lidar frame to the next."""
    scales = [one.alignment.fit.scale for one in found[WARM::LIDAR_EVERY] if one.alignment is not None]
    return float(np.abs(np.diff(np.log(scales))).mean())


def _shots(kind: DepthKind, duration_s: float, seed: int, jump_s: float = np.inf) -> Iterator[Shot]:
    """A view that stands still; its lidar, with noise and dropouts; predictions with other errors in every image."""
    world, lidar, rng = World.generate("room", 21), SpinningLidar(), np.random.default_rng(seed)
    pose = world.path().pose(float(seed))
    depth = world.render(CAMERA, pose, normals=False).depth
    for k in range(round(duration_s * CAMERA_HZ)):
        t_s = k / CAMERA_HZ
        off = WAVE * cv2.resize(rng.normal(size=WAVES[::-1]), depth.shape[::-1], interpolation=cv2.INTER_CUBIC)
        values = depth * np.exp(off) / (1.3 * (JUMP if t_s >= jump_s else 1.0))
        if kind is DepthKind.INVERSE_AFFINE:
            values = (1.0 / values - 0.05) / 0.4
        prediction = DepthPrediction(torch.from_numpy(values.astype(np.float32)), kind)
        samples = _lidar(world, lidar, pose, 1000 * seed + k) if k % LIDAR_EVERY == 0 else None
        yield Shot(int(t_s * S), prediction, samples)


def _lidar(world: World, lidar: SpinningLidar, pose: np.ndarray, seed: int) -> Samples:
    scan = lidar.scan(world, pose @ lidar.camera_from_lidar, seed)
    points = scan.xyz.astype(np.float64) @ lidar.camera_from_lidar[:3, :3].T + lidar.camera_from_lidar[:3, 3]
    return samples_from_points(points, CAMERA, ReferenceConfig())
