# SPDX-License-Identifier: Apache-2.0
"""stereo_msgs/DisparityImage to depth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import ImageError, SamplesError, shown
from mono_depth_ros.messages.pixels import pixel_view


def disparity_depth(msg: Any) -> NDArray[np.float32]:
    """Depth Z = f T / d of a disparity image, as its definition in stereo_msgs says.

    The depth belongs to the rectified left camera: its pixels and its optical axis, the frame of the message.

    Unknown (NaN) are disparities that are not finite or not positive, those outside `min_disparity` to
    `max_disparity` (matchers write min_disparity - 1 where they found nothing; limits that are both 0 are not set), and
    all pixels outside `valid_window` (one of size 0 is not set).

    Args:
        msg: of rclpy or rosbags; ROS 1 names the baseline `T`.

    Returns:
        (H, W) float32 metres, memory of its own.

    Raises:
        SamplesError: reason `disparity_baseline` or `disparity_focal` where T or f is not a positive number,
            `disparity_limits` where max_disparity is below min_disparity or one of them is NaN, `disparity_window`
            where the window is not inside the image.
        ImageError: reason `image_encoding` unless the image is 32FC1; else as `pixels.pixel_view`.
    """
    focal, baseline = float(msg.f), float(msg.t if hasattr(msg, "t") else msg.T)
    _check_positive(baseline, "baseline t", "metres", "disparity_baseline")
    _check_positive(focal, "focal length f", "pixels", "disparity_focal")
    low, high = float(msg.min_disparity), float(msg.max_disparity)
    if math.isnan(low) or math.isnan(high) or high < low:
        found = f"min_disparity is {low:g} and max_disparity {high:g}"
        raise SamplesError(f"{found}, expected pixels, min_disparity below max_disparity", "disparity_limits")
    if msg.image.encoding != "32FC1":
        raise ImageError(f"disparity encoding is '{shown(msg.image.encoding)}', expected 32FC1", "image_encoding")
    disparity = pixel_view(msg.image, np.float32, 1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        known = np.isfinite(disparity) & (disparity > 0)
        if (low, high) != (0.0, 0.0):
            known &= (disparity >= np.float32(low)) & (disparity <= np.float32(high))
        depth = np.where(known, np.float32(focal * baseline) / disparity, np.float32(np.nan)).astype(np.float32)
    return _in_window(depth, msg.valid_window)


def _check_positive(value: float, name: str, unit: str, reason: str) -> None:
    if not (math.isfinite(value) and value > 0):
        found = f"the {name} of the disparity is {value:g}"
        raise SamplesError(f"{found}, expected {unit}, more than 0: is the pair calibrated?", reason)


def _in_window(depth: NDArray[np.float32], window: Any) -> NDArray[np.float32]:
    x, y, width, height = (int(getattr(window, name)) for name in ("x_offset", "y_offset", "width", "height"))
    if width == 0 and height == 0:
        return depth
    rows, columns = depth.shape
    if x + width > columns or y + height > rows:
        found = f"valid_window is {width}x{height} at ({x}, {y})"
        raise SamplesError(f"{found}, expected inside the {columns}x{rows} disparity image", "disparity_window")
    out = np.full_like(depth, np.nan)
    out[y : y + height, x : x + width] = depth[y : y + height, x : x + width]
    return out
