# SPDX-License-Identifier: Apache-2.0
"""Time stamps as integer nanoseconds: no rounding, and differences are plain subtractions."""

from __future__ import annotations

from typing import Any

_NS_PER_S = 1_000_000_000


def stamp_ns(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time (`sec`, `nanosec`), exact."""
    return int(stamp.sec) * _NS_PER_S + int(stamp.nanosec)


def sec_nanosec(ns: int) -> tuple[int, int]:
    """The `sec` and `nanosec` of a time in nanoseconds; nanosec is in [0, 1e9) for negative times too."""
    return divmod(int(ns), _NS_PER_S)
