# SPDX-License-Identifier: Apache-2.0
"""Real frames with known depth, with what their sensors gave: beams of a lidar, a stereo pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alignment_parts.baselines import nearest
from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.alignment.samples import samples_from_depth
from mono_depth_ros.datasets.dataset import LabelledFrame
from mono_depth_ros.datasets.samples import kitti_depth, nyu_depth, seven_scenes_frames
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import rigid_from_matrix, transform_points
from mono_depth_ros.media.points import read_points

Depth = NDArray[np.float32]

SEVEN_SCENES_EVERY = 19  # of 150 frames: 8
PRIOR_BLUR_PX, PRIOR_ERROR, PRIOR_KNOTS = 2.0, 0.15, (4, 5)


@dataclass(frozen=True, eq=False)
class Scene:
    """One frame.

    Attributes:
        rgb: (H, W, 3) uint8. camera: a pinhole. truth: (H, W) float32 metres, NaN unknown.
        cloud, beams, cam_from_lidar: where a lidar gave the truth, its points (N, 3) in metres in its own frame, the
            beam of each, and the transform (4, 4).
        right, baseline_m, offset_px: the right image of a stereo pair, and cx of the left less that of the right.
    """

    rgb: NDArray[np.uint8]
    camera: Camera
    truth: Depth
    cloud: NDArray[np.float32] | None = None
    beams: NDArray[np.int64] | None = None
    cam_from_lidar: NDArray[np.float64] | None = None
    right: NDArray[np.uint8] | None = None
    baseline_m: float = 0.0
    offset_px: float = 0.0


def good_prior(scene: Scene, seed: int) -> Depth:
    """(H, W) metres: the truth, filled, blurred by 2 px and with a smooth error of up to 15 %."""
    filled = nearest(samples_from_depth(scene.truth))
    field = cv2.resize(
        np.random.default_rng([seed, 15]).uniform(-1.0, 1.0, PRIOR_KNOTS),
        filled.shape[::-1],
        interpolation=cv2.INTER_CUBIC,
    )
    blurred = cv2.GaussianBlur(filled, (0, 0), PRIOR_BLUR_PX)
    found: Depth = (blurred * (1 + PRIOR_ERROR * field / np.abs(field).max())).astype(np.float32)
    return found


def _dense(frames: Iterable[LabelledFrame]) -> Iterator[Scene]:
    for frame in frames:
        assert frame.camera is not None
        yield Scene(frame.rgb, frame.camera, frame.truth.astype(np.float32))


def _kitti_lidar(folder: Path) -> Iterator[Scene]:
    """Points seen past the edge of something nearer are no truth, as the alignment drops them."""
    for path in sorted((folder / "velodyne").glob("*.bin")):
        rgb = _image(folder / "image_2" / f"{path.stem}.png")
        camera, cam_from_velodyne = _calibration(folder / "calib" / f"{path.stem}.txt", rgb.shape[1], rgb.shape[0])
        cloud = read_points(path)
        samples = samples_from_points(transform_points(cam_from_velodyne, cloud), camera)
        truth = np.full((camera.height, camera.width), np.nan, dtype=np.float32)
        truth[samples.rows, samples.columns] = samples.depth
        yield Scene(rgb, camera, truth, cloud, kitti_beams(cloud), cam_from_velodyne)


def kitti_beams(cloud: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) 0 is the uppermost of the 64: the file has one after the other, each from straight ahead to the left."""
    azimuth = np.arctan2(cloud[:, 1], cloud[:, 0]) % (2 * np.pi)
    found: NDArray[np.int64] = np.r_[0, np.cumsum(np.diff(azimuth) < -np.pi)]
    return found


def _middlebury(folder: Path) -> Iterator[Scene]:
    left = _image(folder / "motorcycle_left.png")
    disparity = np.load(folder / "motorcycle_disp.npz")["arr_0"].astype(np.float32)
    camera = Camera(left.shape[1], left.shape[0], 994.978, 994.978, 311.193, 254.877)
    baseline, offset = 0.193001, 31.086
    truth = np.where(np.isfinite(disparity), baseline * 994.978 / (disparity + offset), np.nan).astype(np.float32)
    right = _image(folder / "motorcycle_right.png")
    yield Scene(left, camera, truth, right=right, baseline_m=baseline, offset_px=-offset)


READERS: dict[str, Callable[[Path], Iterator[Scene]]] = {
    "seven_scenes": lambda folder: _dense(seven_scenes_frames(folder, SEVEN_SCENES_EVERY)),  # registered
    "nyu_depth": lambda folder: _dense(nyu_depth(folder)),
    "kitti_lidar": _kitti_lidar,  # one sweep
    "kitti_depth": lambda folder: _dense(kitti_depth(folder)),  # several sweeps, accumulated
    "middlebury": _middlebury,
}
"""By the name of the folder."""


def _image(path: Path) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DataError(f"cannot read {path} as an image")
    found: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return found


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
