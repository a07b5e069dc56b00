# SPDX-License-Identifier: Apache-2.0
"""Trajectories in files: `stamp tx ty tz qx qy qz qw` a line, as TUM RGB-D, evo and most SLAM systems write them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from operator import itemgetter
from pathlib import Path

from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.geometry.rigid import rigid_from_pose
from mono_depth_ros.geometry.trajectory import Trajectory
from mono_depth_ros.paths import require_file

_LARGEST = 100 * 1024 * 1024  # bytes: a day of poses at 10 Hz


def read_trajectory(path: Path, gap_s: float = 0.5) -> Trajectory:
    """The poses of a text file: seconds, metres, unit quaternion with w last; lines that begin with # are comments.

    They may be in any order.

    Raises:
        DataError: it cannot be read, has a line of another form, or no pose at all.
    """
    try:
        require_file(path)
        if path.stat().st_size > _LARGEST:
            raise DataError(
                f"{path} is larger than {_LARGEST >> 20} MiB, expected a trajectory: stamp tx ty tz qx qy qz qw"
            )
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', '') or 'it is no text'}") from error
    poses = []
    for number, line in enumerate(lines, 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            # Seconds since 1970 with nanoseconds have more digits than a float.
            stamp, values = Decimal(words[0]), [float(word) for word in words[1:]]
            if len(values) != 7 or not stamp.is_finite():
                raise ValueError
            poses.append((int(stamp * 1_000_000_000), rigid_from_pose(values[:3], values[3:])))
        except (ValueError, InvalidOperation, OverflowError):
            text = line if len(line) <= 80 else f"{line[:77]}..."
            raise DataError(f"{path}: line {number} is '{text}', expected stamp tx ty tz qx qy qz qw") from None
        except ConfigError as error:
            raise DataError(f"{path}: line {number}: {error}") from error
    if not poses:
        raise DataError(f"{path} holds no pose, expected lines stamp tx ty tz qx qy qz qw")
    found = Trajectory(gap_s)
    for stamp_ns, pose in sorted(poses, key=itemgetter(0)):
        found.add(stamp_ns, pose)
    return found
