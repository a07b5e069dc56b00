# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms as 4x4 matrices, checked where they come in. b_from_a takes a point of frame a to frame b."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mono_depth_ros.errors import ConfigError

_UNIT = 1e-3  # how far the norm of a quaternion may be from 1: what texts with four decimals have
_ORTHONORMAL = 1e-3  # likewise for the entries of R @ R.T and the determinant

MOUNT_FROM_OPTICAL = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
"""A camera's body, x ahead and z up, from its optical frame, x right, y down and z ahead (REP 103)."""

_TEXT = "'x y z qx qy qz qw' (metres, unit quaternion with w last) or a matrix of 3 or 4 rows of 4 numbers"


def rigid_from_text(text: str) -> NDArray[np.float64]:
    """The transform written as 7 numbers 'x y z qx qy qz qw', or row by row as a 3x4 or 4x4 matrix.

    Args:
        text: numbers parted by blanks, line ends or commas; metres, quaternion with w last, as in ROS.

    Returns:
        (4, 4) float64.

    Raises:
        ConfigError: another count of numbers, something that is no finite number, a quaternion that is not of unit
            length within 1e-3, a matrix that is no rotation.
    """
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ConfigError(f"the transform is '{_short(text)}': {error}, expected {_TEXT}") from error
    if len(numbers) == 7:
        return rigid_from_pose(numbers[:3], numbers[3:])
    if len(numbers) in (12, 16):
        return rigid_from_matrix(np.reshape(numbers, (-1, 4)))
    raise ConfigError(f"the transform is '{_short(text)}': found {len(numbers)} numbers, expected {_TEXT}")


def rigid_from_pose(xyz: ArrayLike, quaternion: ArrayLike) -> NDArray[np.float64]:
    """(4, 4) float64 of a translation (3,) in metres and a unit quaternion (4,) x, y, z, w.

    The quaternion is normalised exactly once it has been found to be of unit length within 1e-3.

    Raises:
        ConfigError: wrong counts, numbers that are not finite, a quaternion of another length.
    """
    t, q = np.asarray(xyz, dtype=np.float64), np.asarray(quaternion, dtype=np.float64)
    if t.shape != (3,) or q.shape != (4,):
        raise ConfigError(f"the transform has shapes {t.shape} and {q.shape}, expected x y z and qx qy qz qw")
    if not (np.isfinite(t).all() and np.isfinite(q).all()):
        raise ConfigError(f"the transform is {_numbers(t)} {_numbers(q)}, expected finite numbers")
    norm = float(np.linalg.norm(q))
    if abs(norm - 1.0) > _UNIT:
        raise ConfigError(
            f"the quaternion {_numbers(q)} of the transform has length {norm:.4g}, expected 1: is it qx qy qz qw?"
        )
    x, y, z, w = (q / norm).tolist()
    out = np.eye(4)
    out[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    out[:3, 3] = t
    return out


def rigid_from_mount(text: str) -> NDArray[np.float64]:
    """(4, 4) float64 robot_from_mount of 'x y z roll pitch yaw': where a part is mounted on a robot.

    Args:
        text: metres and degrees, parted by blanks or commas; x ahead, y left, z up, turned about the robot's x, then y,
            then z, as `origin` of a URDF is. A positive pitch looks down.

    Raises:
        ConfigError: another count of numbers, or something that is no finite number.
    """
    expected = "expected 'x y z roll pitch yaw' in metres and degrees"
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ConfigError(f"the mount is '{_short(text)}': {error}, {expected}") from error
    if len(numbers) != 6 or not np.isfinite(numbers).all():
        raise ConfigError(f"the mount is '{_short(text)}', {expected}")
    (sr, sp, sy), (cr, cp, cy) = (f(np.radians(numbers[3:])).tolist() for f in (np.sin, np.cos))
    out = np.eye(4)
    out[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    out[:3, 3] = numbers[:3]
    return out


def rigid_from_matrix(matrix: ArrayLike) -> NDArray[np.float64]:
    """(4, 4) float64 of a 3x4 or 4x4 matrix, refused unless it is rigid: rotation and translation, nothing else.

    Raises:
        ConfigError: another shape, numbers that are not finite, a last row that is not 0 0 0 1, a left part whose rows
            are not orthonormal (the sentence says how far they are from it) or that mirrors (determinant -1).
    """
    m = np.asarray(matrix, dtype=np.float64)
    if m.shape not in ((3, 4), (4, 4)):
        raise ConfigError(f"the transform is a matrix of shape {m.shape}, expected 3x4 or 4x4")
    if not np.isfinite(m).all():
        raise ConfigError("the transform holds a number that is not finite, expected finite numbers")
    if m.shape == (4, 4) and np.abs(m[3] - (0, 0, 0, 1)).max() > 1e-9:
        raise ConfigError(f"the last row of the transform is {_numbers(m[3])}, expected 0 0 0 1")
    R = m[:3, :3]
    error = float(np.abs(R @ R.T - np.eye(3)).max())
    determinant = float(np.linalg.det(R))
    if error > _ORTHONORMAL:
        lengths = _numbers(np.linalg.norm(R, axis=1))
        found = f"its rows have lengths {lengths} and R R^T is off by {error:.3g}"
        raise ConfigError(f"the transform is not a rotation: {found}, expected orthonormal rows")
    if determinant < 0:
        raise ConfigError(
            f"the transform is not a rotation: its determinant is {determinant:.3g}, which mirrors, expected 1"
        )
    out = np.eye(4)
    out[:3] = m[:3]
    # The nearest rotation (Schoenemann 1966), so that the inverse by transposition is exact.
    u, _, vt = np.linalg.svd(R)
    out[:3, :3] = u @ vt
    return out


def quaternion(rotation: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """x, y, z, w of a (3, 3) rotation matrix, of unit length, w >= 0 (Shepperd 1978: the largest component first)."""
    m = rotation
    squares = np.array(
        [
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
            1 + m[0, 0] + m[1, 1] + m[2, 2],
        ]
    )
    products = np.array(
        [
            [squares[0], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]],
            [m[0, 1] + m[1, 0], squares[1], m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[2], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], squares[3]],
        ]
    )
    best = products[int(squares.argmax())]
    best = best / np.linalg.norm(best) * (1.0 if best[3] >= 0 else -1.0)
    x, y, z, w = best.tolist()
    return x, y, z, w


def inverse(b_from_a: NDArray[np.float64]) -> NDArray[np.float64]:
    """a_from_b, (4, 4) float64, of a rigid (4, 4)."""
    out = np.eye(4)
    out[:3, :3] = b_from_a[:3, :3].T
    out[:3, 3] = -b_from_a[:3, :3].T @ b_from_a[:3, 3]
    return out


def compose(*transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The product from left to right: compose(a_from_b, b_from_c) is a_from_c, (4, 4) float64; of none: identity."""
    out = np.eye(4)
    for transform in transforms:
        out = out @ transform
    return out


def transform_points(b_from_a: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Points (N, 3) of frame a, in metres, in frame b: (N, 3) float32. NaN and infinite points stay not finite."""
    R, t = b_from_a[:3, :3].astype(np.float32), b_from_a[:3, 3].astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        out: NDArray[np.float32] = np.asarray(points, dtype=np.float32) @ R.T
        out += t
    return out


def _numbers(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.4g}" for value in values.tolist())


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 80 else f"{words[:77]}..."
