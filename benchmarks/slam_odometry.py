# SPDX-License-Identifier: Apache-2.0
"""RGB-D odometry of a folder in the layout of TUM RGB-D, by Open3D, and how far its way is from the truth, by evo."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.tools.bag.exports import TUM_PER_METRE

DEPTH_MAX_M = 8.0
ESTIMATE = "trajectory.txt"


@dataclass(frozen=True)
class Accuracy:
    """Of a trajectory.

    Attributes:
        ate_m: absolute trajectory error: root mean square of the distances of the positions from the true ones, after
            the rigid motion that fits best (Sturm et al. 2012, equation 2), the scale left as it is.
        scale: by which the trajectory would have to be multiplied (Umeyama 1991); 1 is right.
        ate_scaled_m: the error after that, the similarity that fits best.
        rpe_m: root mean square of the errors of the way that is made in one second (Sturm et al. 2012, equation 4).
        scale_drift: the scale of the second half by that of the first, less 1.
        length_m: of the true way. poses: compared. lost: images or steps without a result.
    """

    ate_m: float
    scale: float
    ate_scaled_m: float
    rpe_m: float
    scale_drift: float
    length_m: float
    poses: int
    lost: int = 0


def requirements() -> tuple[Any, Any]:
    """Open3D and evo.

    Raises:
        ConfigError: one of them is not installed.
    """
    try:
        import evo.core.metrics
        import evo.core.sync
        import evo.tools.file_interface
        import open3d
    except ImportError as error:
        raise ConfigError(f"odometry needs Open3D and evo: pip install open3d evo ({error})") from error
    return open3d, evo


def odometry(folder: Path) -> int:
    """Frame to frame through rgb/ and depth/: the motion that makes the brightness agree (Steinbruecker et al. 2011).

    With true depth that term is more exact in this world than Open3D's hybrid one, which is led by flat walls.

    Writes `trajectory.txt`, world from camera with the first camera as the world, in TUM's format.

    Returns:
        How many steps gave no result: there the camera is taken to stand still.

    Raises:
        DataError: fewer than two pairs of images. ConfigError: as `requirements`.
    """
    o3d, _ = requirements()
    pairs = [line.split() for line in (folder / "associations.txt").read_text().splitlines()]
    if len(pairs) < 2:
        raise DataError(f"{folder}/associations.txt names {len(pairs)} pairs of images, expected at least 2")
    camera = Camera.from_yaml(folder / "camera.yaml")
    intrinsic = o3d.camera.PinholeCameraIntrinsic(
        camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy
    )
    option = o3d.pipelines.odometry.OdometryOption(
        iteration_number_per_pyramid_level=o3d.utility.IntVector([20, 10, 5]),
        depth_diff_max=0.07,
        depth_min=0.0,
        depth_max=DEPTH_MAX_M,
    )
    term = o3d.pipelines.odometry.RGBDOdometryJacobianFromColorTerm()
    world_from_camera, lost, before, lines = np.eye(4), 0, None, []
    for stamp, rgb, _, depth in pairs:
        now = _rgbd(o3d, folder / rgb, folder / depth)
        if before is not None:
            found, before_from_now, _ = o3d.pipelines.odometry.compute_rgbd_odometry(
                now, before, intrinsic, np.eye(4), term, option
            )
            found = bool(found) and bool(np.isfinite(before_from_now).all())
            lost += not found
            world_from_camera = world_from_camera @ before_from_now if found else world_from_camera
        before = now
        numbers = (*world_from_camera[:3, 3], *quaternion(world_from_camera[:3, :3]))
        lines.append(" ".join([stamp, *(f"{value:.9g}" for value in numbers)]))
    with atomic_path(folder / ESTIMATE) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return lost


def accuracy(truth: Path, estimate: Path, lost: int = 0) -> Accuracy:
    """Compare two files in TUM's format, poses with the same stamps, as `evo_ape tum TRUTH ESTIMATE --align` does.

    Raises:
        DataError: fewer than three poses have a partner. ConfigError: as `requirements`.
    """
    _, evo = requirements()
    read = evo.tools.file_interface.read_tum_trajectory_file
    try:
        true, found = evo.core.sync.associate_trajectories(read(truth), read(estimate), max_diff=1e-3)
    except evo.core.sync.SyncException as error:
        raise DataError(f"{truth} and {estimate} have no stamps in common: {error}") from error
    if found.num_poses < 3:
        raise DataError(f"{truth} and {estimate} have {found.num_poses} stamps in common, expected at least 3")
    metrics, count = evo.core.metrics, found.num_poses
    relation = metrics.PoseRelation.translation_part

    def aligned(part: slice, with_scale: bool) -> tuple[Any, Any, float]:
        """The true and the estimated part of the way, and the factor of the latter."""
        ids = np.arange(count)[part]
        ways = [copy.deepcopy(way) for way in (true, found)]
        for way in ways:
            way.reduce_to_ids(ids)
        return (*ways, float(ways[1].align(ways[0], correct_scale=with_scale)[2]))

    def rmse(metric: Any, *ways: Any) -> float:
        metric.process_data(ways)
        return float(metric.get_statistic(metrics.StatisticsType.rmse))

    whole, halves = slice(None), (slice(count // 2), slice(count // 2, None))
    *rigid, _ = aligned(whole, with_scale=False)
    *similar, scale = aligned(whole, with_scale=True)
    first, second = (aligned(half, with_scale=True)[2] for half in halves) if count >= 8 else (1.0, 1.0)
    second_s = max(1, round(1.0 / float(np.median(np.diff(true.timestamps)))))
    steps = metrics.RPE(relation, min(second_s, count - 1), metrics.Unit.frames, all_pairs=True)
    ate, ate_scaled = (rmse(metrics.APE(relation), *ways) for ways in (rigid, similar))
    length = float(true.path_length)
    return Accuracy(ate, scale, ate_scaled, rmse(steps, *rigid), second / first - 1, length, int(count), lost)


def _rgbd(o3d: Any, rgb: Path, depth: Path) -> Any:
    colour = o3d.geometry.Image(cv2.cvtColor(_read(rgb, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
    metres = o3d.geometry.Image(_read(depth, cv2.IMREAD_UNCHANGED))
    return o3d.geometry.RGBDImage.create_from_color_and_depth(
        colour, metres, depth_scale=TUM_PER_METRE, depth_trunc=DEPTH_MAX_M, convert_rgb_to_intensity=True
    )


def _read(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DataError(f"{path} cannot be read, expected a PNG")
    return image
