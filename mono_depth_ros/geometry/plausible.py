# SPDX-License-Identifier: Apache-2.0
"""Intrinsics that can hardly be those of the image they are given for."""

from __future__ import annotations

from functools import lru_cache

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays

_MIDDLE = (0.25, 0.75)  # of width and height
_FOCAL = (0.3, 5.0)  # image widths: 118 and 11 degrees of a pinhole
_ACROSS = 64  # samples along the shorter side
_FISHEYE = 0.15  # image widths, where 180 degrees fill half of it


@lru_cache(maxsize=32)
def covered(camera: Camera) -> float:
    """The fraction of the image for which the lens model has a ray, from a grid of pixels."""
    if not any(camera.distortion):
        return 1.0
    step = max(1, min(camera.width, camera.height) // _ACROSS)
    return float(rays(camera.strided(step)).isfinite().all(dim=-1).float().mean())


def folded(fraction: float, what: str) -> str:
    """The sentence on a lens model that covers no more than this of the image; `what` has it."""
    return (
        f"the lens model of {what} covers {fraction:.0%} of the image, the rest has no depth: its distortion folds "
        "back inside the image; calibrate the camera anew, with points up to the corners"
    )


def doubt(camera: Camera, window: bool = False) -> str:
    """A sentence on what can hardly be right, "" where nothing is.

    Args:
        window: the image is a part of the sensor's, whose centre may be anywhere.
    """
    size = f"the {camera.width}x{camera.height} image"
    centre = (camera.cx + 0.5) / camera.width, (camera.cy + 0.5) / camera.height
    if not window and not all(_MIDDLE[0] <= part <= _MIDDLE[1] for part in centre):
        where = f"({camera.cx:.0f}, {camera.cy:.0f}) is outside the middle half of {size}"
        return f"the principal point {where}: is the calibration of this camera, and of images of this size?"
    widths = camera.fx / camera.width
    low = _FISHEYE if camera.model == "equidistant" else _FOCAL[0]
    if not low <= widths <= _FOCAL[1]:
        found = f"{camera.fx:.0f} px, {widths:.2g} widths of {size}, expected {low:g} to {_FOCAL[1]:g}"
        return f"the focal length is {found}: is the calibration of this camera, and in pixels of images of this size?"
    return ""
