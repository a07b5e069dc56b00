# SPDX-License-Identifier: Apache-2.0
"""Maps of a camera's pixels are kept, as they are the same for every image; not more of them than memory is for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

MAX_BYTES = 2**28  # of all maps together, on the host and on devices: 16 at 1920x1080
MAX_MAPS = 16  # of one kind: a camera that focuses has another one for each image

Given = ParamSpec("Given")
Made = TypeVar("Made")

_LOCK = threading.Lock()
_KEPT: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()


class kept(Generic[Given, Made]):
    """A decorator, as `functools.lru_cache`: bounded by the bytes of the tensors and arrays that the function returns.

    What was not used for longest is dropped first. The newest is kept, however large.
    """

    def __init__(self, function: Callable[Given, Made]) -> None:
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *args: Given.args, **kwargs: Given.kwargs) -> Made:
        key = (self._function, args, tuple(kwargs.items()))
        with _LOCK:
            if key in _KEPT:
                _KEPT.move_to_end(key)
                made: Made = _KEPT[key][0]
                return made
        made = self._function(*args, **kwargs)
        with _LOCK:
            _KEPT[key] = made, _bytes(made)
            mine = [other for other in _KEPT if other[0] is self._function]
            for old in mine[: max(len(mine) - MAX_MAPS, 0)]:
                del _KEPT[old]
            while sum(size for _, size in _KEPT.values()) > MAX_BYTES and len(_KEPT) > 1:
                _KEPT.popitem(last=False)
        return made

    def cache_clear(self) -> None:
        """Drop what this function has made."""
        with _LOCK:
            for key in [key for key in _KEPT if key[0] is self._function]:
                del _KEPT[key]


def _bytes(made: Any) -> int:
    if isinstance(made, tuple):
        return sum(map(_bytes, made))
    return int(getattr(made, "nbytes", 0))
