# SPDX-License-Identifier: Apache-2.0
"""How far something slow is, such as a model that loads, told to whoever waits for it; who may also call it off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mono_depth_ros.errors import MonoDepthError


class Cancelled(MonoDepthError):
    """Nobody waits any more for what is being made."""


Listener = Callable[[str], None]
"""Gets a clause, such as "fetching weights, 41 %"; may raise Cancelled."""

_listeners = threading.local()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within, what this thread tells goes to the listener."""
    before = getattr(_listeners, "listener", None)
    _listeners.listener = listener
    try:
        yield
    finally:
        _listeners.listener = before


def tell(clause: str) -> None:
    """Say what this thread is at, and how far; call it often: it is where slow work can be called off.

    Raises:
        Cancelled: nobody waits for it any more.
    """
    listener: Listener | None = getattr(_listeners, "listener", None)
    if listener is not None:
        listener(clause)
