# SPDX-License-Identifier: Apache-2.0
"""A rectified stereo pair to depth: semi-global matching (Hirschmueller 2008) by OpenCV, checked left against right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.config import StereoConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera

_DEFAULT = StereoConfig()
_BLOCK = 5  # pixels; P1 and P2 follow from it as in OpenCV's documentation of StereoSGBM
_UNIQUE = 10  # percent that the best match must be better than the second
_SPECKLE = (100, 2)  # patches of fewer pixels, within this disparity, are noise
_FIXED_POINT = 16.0  # StereoSGBM counts sixteenths of a pixel
_AGREE_PX = 1.0  # between left and right
_SIGMA_PX, _SIGMA_UNMATCHED_PX, _NEARBY = 0.15, 6.0, 9  # of disparities, by Middlebury's Motorcycle; window
_MIN_DISPARITY_PX = 2.0  # the error is a tenth to a quarter of a pixel: a tenth of the depth, and more below


@dataclass(frozen=True, eq=False)
class StereoDepth:
    """Depth of the left image, perhaps at a smaller size.

    Attributes:
        depth: (H, W) float32 metres; NaN where the matcher found nothing or left and right disagree.
        camera: of `depth`: the left camera, resized.
        sigma: (H, W) float32 metres, one standard deviation of `depth`: `stereo_sigma`.
        occluded: (H, W) bool, unknown because no pixel of the right image goes with this one, as behind an edge.
    """

    depth: NDArray[np.float32]
    camera: Camera
    sigma: NDArray[np.float32]
    occluded: NDArray[np.bool_]


def baseline_of(P: Sequence[float]) -> float:
    """Metres between the cameras, from the 12 numbers P of the right camera's info: P[3] = -fx * baseline.

    Raises:
        SamplesError: reason `stereo_baseline` where P is not calibrated or says that the right camera is not to the
            right of the left one (zero: it is the left one's info, or the pair is not rectified).
    """
    if len(P) != 12 or not (math.isfinite(P[0]) and P[0] > 0 and math.isfinite(P[3])):
        raise SamplesError("P of the right camera is not calibrated, expected 12 numbers, fx first", "stereo_baseline")
    baseline = -float(P[3]) / float(P[0])
    if not baseline > 0:
        found = f"P[3] of the right camera is {P[3]:g}: a baseline of {baseline + 0.0:g} m"
        hint = "are left and right swapped, or is this the left camera's info?"
        raise SamplesError(f"{found}, expected P[3] = -fx * baseline, less than 0: {hint}", "stereo_baseline")
    return baseline


def stereo_depth(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    camera: Camera,
    baseline_m: float,
    config: StereoConfig = _DEFAULT,
    shift_px: float = 0.0,
) -> StereoDepth:
    """Depth Z = fx * baseline / disparity of the left image.

    Each image is matched to the other one; a disparity counts where both agree within a pixel, so that what only one
    camera sees is unknown. Time grows with pixels and disparities and nothing else: `stereo_downscale` halves both.

    Args:
        left, right: (H, W, 3) RGB or (H, W) grey uint8, rectified: rows correspond.
        camera: of the left image, rectified. baseline_m: see `baseline_of`.
        shift_px: cx of the left minus cx of the right camera, where they differ.

    Raises:
        SamplesError: reason `stereo_size` for images of different sizes or another size than the camera,
            `stereo_baseline` for one that is not positive, `stereo_rectified` for a camera with distortion.
    """
    if left.shape[:2] != right.shape[:2] or left.shape[:2] != (camera.height, camera.width):
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (left, right)]
        found = f"the left image is {sizes[0]}, the right one {sizes[1]}, the camera {camera.width}x{camera.height}"
        raise SamplesError(f"{found}, expected the same size", "stereo_size")
    if not (math.isfinite(baseline_m) and baseline_m > 0):
        raise SamplesError(f"the baseline is {baseline_m:g}, expected metres, more than 0", "stereo_baseline")
    if not camera.rectified:
        found = f"the left camera has {camera.model} distortion"
        raise SamplesError(f"{found}, expected rectified images (image_rect)", "stereo_rectified")
    size = (max(camera.width // config.stereo_downscale, 1), max(camera.height // config.stereo_downscale, 1))
    small = camera.resized(*size)
    count = -(-config.stereo_disparities // (16 * config.stereo_downscale)) * 16  # the matcher takes multiples of 16
    shift = shift_px * size[0] / camera.width
    disparity, occluded = _disparity(_grey(left, size), _grey(right, size), math.floor(shift), count)
    disparity -= np.float32(shift)
    with np.errstate(invalid="ignore", divide="ignore"):
        known = disparity >= _MIN_DISPARITY_PX
        depth = np.where(known, np.float32(small.fx * baseline_m) / disparity, np.float32(np.nan))
    depth = depth.astype(np.float32, copy=False)
    sigma = stereo_sigma(depth, small.fx, baseline_m, _disparity_sigma(disparity))
    return StereoDepth(depth, small, sigma, occluded & ~known)


def stereo_sigma(
    depth: NDArray[np.float32],
    focal_px: float,
    baseline_m: float,
    disparity_sigma: NDArray[np.float32] | float = 0.25,
) -> NDArray[np.float32]:
    """(H, W) float32 metres: the standard deviation of depth (H, W) by that of the disparities, in pixels."""
    found: NDArray[np.float32] = depth * depth * (disparity_sigma / np.float32(focal_px * baseline_m))
    return found


def _disparity_sigma(disparity: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) float32 pixels: of a smooth surface, of the jumps nearby (a block takes an edge to half its size too far),
    and where many neighbours found no match."""
    known = np.isfinite(disparity)
    values = np.where(known, disparity, 0).astype(np.float64)
    share, mean, square = (
        cv2.boxFilter(of, -1, (_NEARBY, _NEARBY)) for of in (known.astype(np.float64), values, values * values)
    )
    share = np.maximum(share, 1e-6)
    variance = np.maximum(square / share - (mean / share) ** 2, 0)
    return np.sqrt(_SIGMA_PX**2 + variance + (_SIGMA_UNMATCHED_PX * (1 - share)) ** 2).astype(np.float32)


def _disparity(
    left: NDArray[np.uint8], right: NDArray[np.uint8], first: int, count: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(H, W) float32 pixels of the left image, u_left - u_right, `count` of them from `first` on; NaN where unknown.

    And (H, W) bool, where no pixel of the right image says that it goes with this one (Hirschmueller 2008, 2.8).
    """
    matcher = cv2.StereoSGBM.create(
        minDisparity=first,
        numDisparities=count,
        blockSize=_BLOCK,
        P1=8 * _BLOCK**2,
        P2=32 * _BLOCK**2,
        preFilterCap=63,
        uniquenessRatio=_UNIQUE,
        speckleWindowSize=_SPECKLE[0],
        speckleRange=_SPECKLE[1],
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    of_left = _match(matcher, left, right)
    # Mirrored, the right image is a left one.
    of_right = _match(matcher, right[:, ::-1], left[:, ::-1])[:, ::-1]
    width = left.shape[1]
    with np.errstate(invalid="ignore"):
        at = np.nan_to_num(np.rint(np.arange(width) - of_left), nan=-1.0).astype(np.int64)
        seen = (at >= 0) & (at < width)
        back = np.take_along_axis(of_right, np.clip(at, 0, width - 1), axis=1)
        agree = seen & (np.abs(of_left - back) <= _AGREE_PX)
        of = np.nan_to_num(np.rint(np.arange(width) + of_right), nan=-1.0).astype(np.int64)
    seen = np.zeros((left.shape[0], width + 2), dtype=bool)
    for step in (0, 1, 2):  # a pixel to either side agrees too
        np.put_along_axis(seen, np.where((of >= 0) & (of < width), of + step, 0), True, axis=1)
    return np.where(agree, of_left, np.float32(np.nan)), ~seen[:, 1:-1]


def _match(matcher: cv2.StereoSGBM, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    # The matcher gives up on columns of `a` of which some disparities have no match; what it finds there is checked.
    first, width = matcher.getMinDisparity(), a.shape[1]
    before, after = max(first + matcher.getNumDisparities(), 0), max(-first, 0)
    a, b = (cv2.copyMakeBorder(image, 0, 0, before, after, cv2.BORDER_REPLICATE) for image in (a, b))
    found = matcher.compute(a, b)[:, before : before + width]
    known = found > first * _FIXED_POINT
    return np.where(known, found / np.float32(_FIXED_POINT), np.float32(np.nan)).astype(np.float32, copy=False)


def _grey(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    return grey if grey.shape == size[::-1] else cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
