# SPDX-License-Identifier: Apache-2.0
"""Which Fast DDS profile fits this machine: images and clouds need a large shared-memory segment, and room for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mono_depth_ros.resources import share_file

SHARED_MEMORY = Path("/dev/shm")
# Fast DDS allocates the whole segment of each process (64 MB and its bookkeeping), so this is room for four.
ROOM_BYTES = 4 * 72 * 1024 * 1024
# The first is read by Fast DDS 2 (Humble, Jazzy), the second by Fast DDS 3 (Kilted and later).
FAST_DDS_2 = ("humble", "iron", "jazzy")
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def profile(free_bytes: int | None = None) -> Path:
    """The profile of this package for a machine with `free_bytes` of shared memory (default: what there is now).

    Where there is little, as in a container (Docker gives 64 MB), the profile with small segments: with large ones
    Fast DDS would print errors and go without shared memory.

    Raises:
        DataError: the package's files are not installed.
    """
    room = _free() if free_bytes is None else free_bytes
    return share_file("config/fastdds.xml" if room >= ROOM_BYTES else "config/fastdds_small.xml")


def environment(current: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that give a new process the profile; none when the user has chosen a profile already."""
    if any(current.get(name) for name in VARIABLES):
        return {}
    return dict.fromkeys(variables(current), str(profile()))


def variables(current: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Those of VARIABLES that the sourced ROS distribution reads: later ones warn of the old name. Unknown: both."""
    distribution = current.get("ROS_DISTRO")
    if not distribution:
        return VARIABLES
    return VARIABLES[:1] if distribution in FAST_DDS_2 else VARIABLES[1:]


def _free() -> int:
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return 0  # no shared memory of this kind, as on macOS
    return status.f_bavail * status.f_frsize
