# SPDX-License-Identifier: Apache-2.0
"""Compilation of this room's numba kernels, cached on disk."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mono_depth_ros.world import require_numba

require_numba()
from numba import njit, prange  # noqa: E402

__all__ = ["inner", "kernel", "one_at_a_time", "prange"]

# "nnan" and "ninf" are left out: the kernels use infinities on purpose.
FAST = {"contract", "reassoc", "nsz", "arcp"}

one_at_a_time = threading.Lock()
"""Held around parallel kernels: not every threading layer of numba may be entered from two Python threads."""

inner = njit(fastmath=FAST, error_model="numpy")
"""Decorator of a function that other kernels call; it is compiled, and cached, as part of them."""


def kernel(parallel: bool = False) -> Callable:
    """Decorator of an entry point: compiled at its first call, then loaded from the disk.

    numba by itself recompiles when the file of the function changes, not when the file of a function it calls does. So
    the stamp of the cached file is extended by a digest of the whole room.
    """

    def wrap(function: Callable) -> Callable:
        # Without the interpreter lock, so that a node publishes on time while its next frame is rendered.
        options: dict[str, Any] = {"parallel": parallel, "nogil": True, "fastmath": FAST, "error_model": "numpy"}
        try:
            dispatcher = njit(cache=True, **options)(function)
        except RuntimeError:  # neither the package nor the user's cache folder can be written
            logging.getLogger(__name__).warning("no folder to cache %s in: compiled anew each time", function.__name__)
            return njit(**options)(function)
        file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
        if file is not None and hasattr(file, "_source_stamp"):
            file._source_stamp = (file._source_stamp, _digest())
        return dispatcher

    return wrap


@cache
def _digest() -> str:
    """Of every file that kernels are made of: those that compile some, and the constants they read."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source = path.read_bytes()
        if path.name in ("kernels.py", "scene.py") or b"world.kernels import" in source:
            digest.update(source)
    return digest.hexdigest()
