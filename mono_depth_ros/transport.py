# SPDX-License-Identifier: Apache-2.0
"""Large messages between processes: the Fast DDS profile that fits this machine, and what helps elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mono_depth_ros.resources import share_file

SHARED_MEMORY = Path("/dev/shm")
# Fast DDS allocates the whole segment of each process (64 MB and its bookkeeping), so this is room for four.
ROOM_BYTES = 4 * 72 * 1024 * 1024
MIN_SEGMENT_BYTES = 8 * 1024 * 1024
"""The segment of the smaller profile."""

# The first is read by Fast DDS 2 (Humble, Jazzy), the second by Fast DDS 3 (Kilted and later).
FAST_DDS_2 = ("humble", "iron", "jazzy")
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
OWN_VARIABLE = "MONO_DEPTH_ROS_FASTDDS_PROFILE"
"""Environment variable: "none" keeps the profile of this package away from its nodes."""

# Fast DDS reads these from the working directory, unless _SKIP is set.
_DEFAULT_FILES = ("DEFAULT_FASTRTPS_PROFILES.xml", "DEFAULT_FASTDDS_PROFILES.xml")
_SKIP = "SKIP_DEFAULT_XML_FILE"
# Further variables by which a user has decided on the transport: a profile would override them.
_DECISIONS = ("RMW_FASTRTPS_USE_QOS_FROM_XML", "FASTDDS_BUILTIN_TRANSPORTS")

_REMEDIES = {
    "rmw_cyclonedds_cpp": "raise the socket buffers on both machines: sysctl -w net.core.rmem_max=67108864, and "
    '<SocketReceiveBufferSize min="64MB"/> under <Internal> in CYCLONEDDS_URI',
    "rmw_connextdds": "raise dds.transport.UDPv4.builtin.parent.message_size_max and net.core.rmem_max",
    "rmw_zenoh_cpp": "run the router (rmw_zenohd), and set ZENOH_CONFIG_OVERRIDE=transport/shared_memory/enabled=true "
    "on both sides",
}


def profile(free_bytes: int | None = None) -> Path:
    """The profile of this package for a machine with `free_bytes` of shared memory (default: what there is now).

    Where there is little, as in a container (Docker gives 64 MB), the profile with small segments: with large ones
    Fast DDS would print errors and go without shared memory.

    Raises:
        DataError: the package's files are not installed.
    """
    room = free() if free_bytes is None else free_bytes
    return share_file("config/fastdds.xml" if room >= ROOM_BYTES else "config/fastdds_small.xml")


def decision(current: Mapping[str, str] = os.environ, folder: Path | None = None) -> str:
    """What the user has decided on Fast DDS already, by its name: a variable or a file; "" where nothing.

    Args:
        folder: the working directory of the process, in which Fast DDS looks for a profile.
    """
    if current.get(OWN_VARIABLE) == "none":
        return OWN_VARIABLE
    for name in (*VARIABLES, *_DECISIONS):
        if current.get(name, "") not in ("", "0"):
            return name
    if current.get(_SKIP, "") not in ("", "0"):
        return ""
    where = Path.cwd() if folder is None else folder
    return next((name for name in _DEFAULT_FILES if (where / name).is_file()), "")


def environment(current: Mapping[str, str] = os.environ, folder: Path | None = None) -> dict[str, str]:
    """The variables that give a new process the profile; none when the user has decided already, as in `decision`."""
    return {} if decision(current, folder) else dict.fromkeys(variables(current), str(profile()))


def variables(current: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Those of VARIABLES that the sourced ROS distribution reads: later ones warn of the old name. Unknown: both."""
    distribution = current.get("ROS_DISTRO")
    if not distribution:
        return VARIABLES
    return VARIABLES[:1] if distribution in FAST_DDS_2 else VARIABLES[1:]


def is_fast_dds(rmw: str) -> bool:
    """Whether an RMW implementation, such as rmw_fastrtps_cpp, is one of Fast DDS."""
    return rmw.startswith("rmw_fastrtps")


def remedy(rmw: str, who: str) -> str:
    """What is to be done that the large messages of `who`, such as "the camera driver", arrive."""
    if is_fast_dds(rmw):
        return f"start {who} with {variables()[0]}={profile()}, this package's profile, or let it publish reliable"
    if rmw in _REMEDIES:
        return f"{_REMEDIES[rmw]}; or let {who} publish reliable"
    return f"let {who} publish reliable, or see the manual of {rmw} on large messages"


def segment_bytes() -> int | None:
    """The shared memory that Fast DDS has mapped in this process for what it sends; None where nobody can tell."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.findall(rf"^(\w+)-(\w+) .* {SHARED_MEMORY}/fast(?:rtps|dds)_[0-9a-f]{{16}}$", maps, re.MULTILINE)
    return max((int(end, 16) - int(start, 16) for start, end in found), default=0)


def free() -> int:
    """Bytes of shared memory that nobody uses."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return 0  # no shared memory of this kind, as on macOS
    return status.f_bavail * status.f_frsize
