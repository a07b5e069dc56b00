# SPDX-License-Identifier: Apache-2.0
"""A line of the table."""

from __future__ import annotations

from typing import Any


def row(name: str, measured: float, asked: str | None, unit: str, holds: bool | None) -> dict[str, Any]:
    """asked: the bar in words, as '<= 3', or None; holds: whether it is met, or None: nothing is asked."""
    return {"name": name, "measured": round(measured, 4), "asked": asked, "unit": unit, "holds": holds}
