# SPDX-License-Identifier: Apache-2.0
"""The storage files of a recording: which there are, what they are by their bytes, and the reader of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from mono_depth_ros.bags import mcap_file, packed, ros1, sqlite_file
from mono_depth_ros.bags.packed import unpacked_name
from mono_depth_ros.bags.part import Damage, Part
from mono_depth_ros.paths import require_file

FORMS = "a ROS 2 bag folder, a .mcap or .db3 file, or a ROS 1 .bag file"
NUMBERED = re.compile(r"(.+)_(\d+)\.(?:mcap|db3)(?:\.(?:zstd|zst|lz4))?")
"""The name of a part of a recording, as `ros2 bag record` calls it: NAME_0 and so on."""

_PART = re.compile(r".+\.(?:mcap|db3)(?:\.(?:zstd|zst|lz4))?")
_NUMBER = re.compile(r"(\d+)")
_READERS: dict[str, Callable[[Path], Part]] = {
    ".mcap": mcap_file.McapFile,
    ".db3": sqlite_file.SqliteFile,
    ".bag": ros1.Ros1File,
}
_MAGICS = {mcap_file.MAGIC: ".mcap", sqlite_file.MAGIC: ".db3", b"#ROSBAG V2.0": ".bag"}


def bag_path(path: Path) -> Path:
    """The bag that is meant: its metadata.yaml stands for its folder."""
    return path.parent if path.name == "metadata.yaml" and path.is_file() else path


def is_bag_file(path: Path) -> bool:
    """Whether a file is a recording, by its name or by its first bytes."""
    return unpacked_name(path.name).endswith(tuple(_READERS)) or bool(_by_bytes(path))


def storage_files(path: Path) -> list[Path]:
    """The files with the messages of a bag: those of a folder in the order of their numbers, or the file itself.

    Of a file that is there both packed and unpacked, as one that was killed while it packed it leaves it, the latter.
    """
    if not path.is_dir():
        return [path]
    found = [item for item in path.iterdir() if _PART.fullmatch(item.name) and item.is_file()]
    names = {item.name for item in found}
    twins = {name for name in names if unpacked_name(name) != name and unpacked_name(name) in names}
    return sorted((item for item in found if item.name not in twins), key=_order)


def _order(path: Path) -> list[tuple[bool, int, str]]:
    return [(n.isdecimal(), int(n) if n.isdecimal() else 0, n) for n in _NUMBER.split(path.name)]


def open_part(file: Path, stack: ExitStack) -> Part:
    """The reader of a storage file, which is closed with `stack`.

    Raises:
        Damage: nothing in it can be read; OSErrors too are said so.
    """
    try:
        require_file(file)
        unpacked, cut = packed.unpacked(file, stack)
        part = _READERS[_by_bytes(unpacked) or Path(unpacked_name(unpacked.name)).suffix](unpacked)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise Damage(reason if reason.startswith("it is") else f"it cannot be read: {reason}") from error
    stack.callback(part.close)
    if cut and part.places:
        part.places = {"packed": cut}  # which is why it seems cut off
    elif cut:
        part.notes.append(f"is packed, and {cut}")
    return part


def _by_bytes(path: Path) -> str:
    """The suffix for what a file is; "" where its first bytes do not tell, or cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError:
        return ""
    return next((suffix for magic, suffix in _MAGICS.items() if head.startswith(magic)), "")
