# SPDX-License-Identifier: Apache-2.0
"""Where exported graphs, TensorRT's engines and the verdicts of `auto` are kept. Everything there can be made again."""

from __future__ import annotations

import os
from pathlib import Path

from mono_depth_ros.errors import ModelError

VARIABLE = "MONO_DEPTH_CACHE"


def cache_folder(kind: str) -> Path:
    """The folder of one kind of file: $MONO_DEPTH_CACHE, else $XDG_CACHE_HOME/mono_depth_ros, else under ~/.cache.

    Raises:
        ModelError: it cannot be made.
    """
    root = os.environ.get(VARIABLE)
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = (Path(root).expanduser() if root else home / "mono_depth_ros") / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = f"the cache folder {folder} cannot be made ({error.strerror})"
        raise ModelError(f"{found}: set {VARIABLE} to a folder that can be written") from error
    return folder
