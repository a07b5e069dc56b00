# SPDX-License-Identifier: Apache-2.0
"""Where the files installed beside the code are: launch files, configuration, rviz views."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mono_depth_ros.errors import DataError

PACKAGE = "mono_depth_ros"


def share_file(name: str) -> Path:
    """The path of a file of this package's share folder, such as `config/fastdds.xml`.

    Found in a source checkout, a colcon install space, a virtual environment or a user's `~/.local`, without ROS.

    Raises:
        DataError: the file is in none of these places; the sentence names them.
    """
    tried = list(dict.fromkeys(_shares()))
    for share in tried:
        if (share / name).is_file():
            return share / name
    raise DataError(f"{name} of {PACKAGE} is not installed; looked in: {', '.join(map(str, tried))}")


def _shares() -> Iterator[Path]:
    """Candidates, best first: the checkout this code lies in, its own install prefix, then the sourced prefixes."""
    code = Path(__file__).resolve()
    if (code.parents[1] / "package.xml").is_file():
        yield code.parents[1]
    for parent in code.parents[1:]:
        if (parent / "share" / PACKAGE).is_dir():
            yield parent / "share" / PACKAGE
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / PACKAGE
