# SPDX-License-Identifier: Apache-2.0
"""The interactive cloud of a page: its script and data, 16-bit positions and colours in base64."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from mono_depth_ros.tools.report.page import read


def viewer(data: dict[str, Any]) -> str:
    """The elements for the end of a page: `data`, as `viewer.js` reads it, and that script."""
    text = json.dumps(data, allow_nan=False).replace("</", "<\\/")  # which would end the element
    return (
        f'<script id="cloud-data" type="application/json">{text}</script>\n'
        f"<script>\n{read('mono_depth_ros.tools.report', 'viewer.js')}\n</script>"
    )


def encode(xyz: np.ndarray, colors: dict[str, np.ndarray]) -> dict[str, Any]:
    """One cloud for the viewer: points (..., 3) in metres, colours (..., 3) uint8 by name."""
    known = np.isfinite(xyz).all(axis=-1)
    points = xyz[known].astype(np.float64)
    low, high = points.min(axis=0), np.maximum(points.max(axis=0), points.min(axis=0) + 1e-3)
    place = np.rint((points - low) / (high - low) * 65535).astype("<u2")
    return {
        "n": len(points),
        "low": low.tolist(),
        "high": high.tolist(),
        "xyz": _base64(place),
        "colors": {name: _base64(np.ascontiguousarray(values[known])) for name, values in colors.items()},
    }


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
