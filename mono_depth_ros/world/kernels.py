# SPDX-License-Identifier: Apache-2.0
"""Compilation of this room's numba kernels, cached on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from numba import njit

# "nnan" and "ninf" are left out: the kernels use infinities on purpose.
FAST = {"contract", "reassoc", "nsz", "arcp"}

inner = njit(fastmath=FAST)
"""Decorator of a function that other kernels call; it is compiled, and cached, as part of them."""


def kernel(parallel: bool = False) -> Callable:
    """Decorator of an entry point: compiled at its first call, then loaded from the disk.

    numba by itself recompiles when the file of the function changes, not when the file of a function it calls does. So
    the stamp of the cached file is extended by a digest of the whole room.
    """

    def wrap(function: Callable) -> Callable:
        dispatcher = njit(cache=True, parallel=parallel, fastmath=FAST)(function)
        file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
        if file is not None and hasattr(file, "_source_stamp"):
            file._source_stamp = (file._source_stamp, _digest())
        return dispatcher

    return wrap


@cache
def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
