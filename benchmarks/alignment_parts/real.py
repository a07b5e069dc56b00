# SPDX-License-Identifier: Apache-2.0
"""Real frames: the global fit and the local correction of `tiny`, beside interpolation that sees no image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from alignment_parts.baselines import METHODS
from alignment_parts.row import row
from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import AlignConfig, ModelConfig
from mono_depth_ros.datasets.dataset import LabelledFrame
from mono_depth_ros.datasets.samples import kitti_depth, nyu_depth, seven_scenes_frames
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import rigid_from_matrix, transform_points
from mono_depth_ros.media.points import read_points
from mono_depth_ros.metrics import MetricsSum
from mono_depth_ros.models.loading import load_model

DRAWS = {50: 8, 500: 3, 5000: 1}
"""Choices of points in each frame, for each number of points: few points are luck."""

MODEL = "tiny"
SEVEN_SCENES_EVERY = 19  # of 150 frames: 8
WORSE, FALLS_BACK = 1.05, 50
EVERYTHING = AlignConfig(held_out=0.0)
"""Every point is fitted; the error is measured on all other pixels with known depth."""


@dataclass(frozen=True, eq=False)
class Frame:
    """rgb (H, W, 3) uint8, the pinhole camera, and all pixels with known depth."""

    rgb: NDArray[np.uint8]
    camera: Camera
    known: Samples


def rows(data: Path | None = None) -> list[dict[str, Any]]:
    """One dict a figure: AbsRel of every method, by data set and number of points, pooled over all other pixels.

    Args:
        data: folder with `seven_scenes`, `nyu_depth`, `kitti_lidar`, `kitti_depth`; what is not there is left out.
    """
    present = [name for name in _READERS if data is not None and (data / name).is_dir()]
    if data is None or not present:
        return []
    model = load_model(ModelConfig(model=MODEL))
    found = []
    for name in present:
        frames = list(_READERS[name](data / name))
        predicted = [model.predict(torch.from_numpy(frame.rgb)[None], [frame.camera])[0] for frame in frames]
        for count in DRAWS:
            title = f"{name}, {len(frames)} frames, {count} points"
            found += _judged(title, count, _errors(frames, predicted, count))
    return found


def _errors(frames: list[Frame], predicted: list[Any], count: int) -> dict[str, float]:
    """AbsRel of each method, the same pixels for all: those with known depth, not drawn, and a finite prediction."""
    sums = {method: MetricsSum() for method in (*METHODS, "global", "local")}
    for index, (frame, prediction) in enumerate(zip(frames, predicted, strict=True)):
        for draw in range(DRAWS[count]):
            rng = np.random.default_rng([index, draw, count])
            drawn = np.zeros(len(frame.known), dtype=bool)
            drawn[rng.choice(len(drawn), count, replace=False)] = True
            given, asked = frame.known.select(drawn), frame.known.select(~drawn)
            aligned = align(prediction, given, EVERYTHING)
            whole = aligned.fit.apply(prediction).numpy()
            maps = {"global": whole, "local": aligned.apply(prediction).values.numpy()}
            maps.update({method: fill(given) for method, fill in METHODS.items()})
            finite = np.isfinite(whole[asked.rows, asked.columns])
            for method, depth in maps.items():
                sums[method].add(depth[asked.rows, asked.columns], asked.depth, finite)
    return {method: total.result().abs_rel for method, total in sums.items()}


def _judged(title: str, count: int, errors: dict[str, float]) -> list[dict[str, Any]]:
    found = [row(f"{title}: AbsRel of {method}", errors[method], None, "", None) for method in (*METHODS, "global")]
    if count <= FALLS_BACK:
        limit, words = errors["nearest"], "<= nearest"
    else:
        limit, words = WORSE * min(errors["nearest"], errors["linear"]), f"<= {WORSE:g} x better of nearest, linear"
    local = errors["local"]
    return [*found, row(f"{title}: AbsRel of local", local, f"{words}: {limit:.4f}", "", local <= limit)]


def _dense(frames: Iterable[LabelledFrame]) -> Iterator[Frame]:
    for frame in frames:
        assert frame.camera is not None
        yield Frame(frame.rgb, frame.camera, samples_from_depth(frame.truth.astype(np.float32)))


def _kitti_lidar(folder: Path) -> Iterator[Frame]:
    """Points seen past the edge of something nearer are dropped, as the alignment does (`project`)."""
    for path in sorted((folder / "velodyne").glob("*.bin")):
        bgr = cv2.imread(str(folder / "image_2" / f"{path.stem}.png"), cv2.IMREAD_COLOR)
        if bgr is None:
            raise DataError(f"cannot read {folder / 'image_2' / path.stem}.png as an image")
        camera, cam_from_velodyne = _calibration(folder / "calib" / f"{path.stem}.txt", bgr.shape[1], bgr.shape[0])
        points = transform_points(cam_from_velodyne, read_points(path))
        yield Frame(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), camera, samples_from_points(points, camera))


_READERS: dict[str, Callable[[Path], Iterator[Frame]]] = {
    "seven_scenes": lambda folder: _dense(seven_scenes_frames(folder, SEVEN_SCENES_EVERY)),
    "nyu_depth": lambda folder: _dense(nyu_depth(folder)),
    "kitti_lidar": _kitti_lidar,  # one sweep
    "kitti_depth": lambda folder: _dense(kitti_depth(folder)),  # several sweeps, accumulated
}
DATA_SETS = tuple(_READERS)
"""Names of the folders."""


def _calibration(path: Path, width: int, height: int) -> tuple[Camera, NDArray[np.float64]]:
    """The left colour camera and cam_from_velodyne (4, 4) of a KITTI object calibration (Geiger et al. 2012).

    P2 holds the camera's matrix K and, as K^-1 times its last column, where camera 0 lies in the colour camera's frame.
    """
    lines = (line.split(":") for line in path.read_text().splitlines() if line.strip())
    values = {name: np.array(numbers.split(), dtype=np.float64) for name, numbers in lines}
    p2 = values["P2"].reshape(3, 4)
    rectified = rigid_from_matrix(np.c_[values["R0_rect"].reshape(3, 3), np.linalg.solve(p2[:, :3], p2[:, 3])])
    cam_from_velodyne = rectified @ rigid_from_matrix(values["Tr_velo_to_cam"].reshape(3, 4))
    return Camera(width, height, p2[0, 0], p2[1, 1], p2[0, 2], p2[1, 2]), cam_from_velodyne
