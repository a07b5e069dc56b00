# SPDX-License-Identifier: Apache-2.0
"""The floor as the reference: the camera's height above it says how large the predicted scene is.

A plane n . p = -h below the camera (n its unit normal, up; h the camera's height; p = z (x, y, 1) with the ray (x, y))
has inverse depth 1/z = m . (x, y, 1) with m = -n / h: linear in the ray. So the floor is found in inverse depth, where
its fit is linear, and the depth of a floor pixel then follows from its ray and the true height alone. That a fixed
camera height gives monocular depth its scale is known from visual odometry: Song and Chandraker 2014, Robust Scale
Estimation in Real-Time Monocular SFM for Autonomous Driving, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mono_depth_ros.alignment.floor_line import fit_floor_line
from mono_depth_ros.alignment.gravity import unit
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.errors import DataError, FitError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.floor_plane import fit_floor_plane
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.prediction import DepthPrediction

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MAX_PIXELS = 4000
"""That are looked at, chosen at random: with these the floor is known better than predictions are right."""

MIN_SLOPE = 0.03
"""A pixel whose ray falls by less a unit of depth is no sample: half a degree of pitch is already 30 % of its depth."""

MIN_SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Ground:
    """The floor of one image.

    Attributes:
        samples: depths of floor pixels by the true height of the camera.
        up: (3,) unit normal of the floor, camera optical frame.
        share: of the pixels looked at that lie on the floor, 0 to 1.
    """

    samples: Samples
    up: Floats
    share: float


def ground_samples(
    prediction: DepthPrediction, camera: Camera, height_m: float, up: ArrayLike | None = None, seed: int = 0
) -> Samples:
    """Depths of floor pixels by the camera's height above the floor, to align the prediction by: see `find_ground`."""
    return find_ground(prediction, camera, height_m, up, seed).samples


def find_ground(
    prediction: DepthPrediction, camera: Camera, height_m: float, up: ArrayLike | None = None, seed: int = 0
) -> Ground:
    """Find the floor in a prediction: the large level surface that has nothing below it.

    Args:
        prediction: metric, or relative of any kind. What is not finite is left out.
        camera: of the prediction's size. height_m: of the camera above the floor, metres.
        up: (3,) the direction up in the camera's optical frame, any length, see `alignment.gravity`. None: by the floor
            itself, whose normal is looked for within 40 degrees of the image's up; only a METRIC or SCALE prediction
            shows it. Its floor may also differ a little from an `up` that is given.
        seed: of the choice of pixels and of the consensus; the same seed gives the same samples.

    Raises:
        FitError: reason `no_floor` where no floor is seen, `pitch_unknown` for a prediction with a shift without `up`.
        DataError: a height that is not positive, or an `up` without direction.
        CameraError: a camera of another size.
    """
    if not (np.isfinite(height_m) and height_m > 0):
        raise DataError(f"the camera's height above the floor is {height_m:g} m, expected more than 0")
    level = None if up is None else unit(up)
    values = prediction.values.detach().cpu().numpy()
    height, width = (int(side) for side in values.shape)
    camera.check_size(width, height)
    rng = np.random.default_rng(seed)
    shifted = not prediction.kind.proportional
    pixels, ray = _choose(values, shifted, camera, rng)
    value = values.reshape(-1)[pixels].astype(np.float64)
    if shifted:
        if level is None:
            raise FitError(
                "the shift of a relative prediction cannot be told from the pitch of the camera: expected the pitch, "
                "by a parameter, tf2 or an IMU",
                "pitch_unknown",
            )
        normal, floor = level, fit_floor_line(value, ray @ -level, rng, prediction.kind.inverse).floor
    else:
        plane = fit_floor_plane(1.0 / value, ray, level, rng)
        normal, floor = plane.up, plane.floor
    slope = ray @ -normal
    use = floor & (slope >= MIN_SLOPE)
    if int(use.sum()) < MIN_SAMPLES:
        found = f"{int(use.sum())} of {len(use)} pixels near enough to tell its height by"
        raise FitError(f"too little of the floor is seen: found {found}, expected {MIN_SAMPLES}", "no_floor")
    rows, columns = np.divmod(pixels[use], width)
    depth = (height_m / slope[use]).astype(np.float32)
    return Ground(Samples(rows, columns, depth, (height, width)), normal, float(floor.mean()))


def _choose(
    values: NDArray[np.float32], shifted: bool, camera: Camera, rng: np.random.Generator
) -> tuple[Indices, Floats]:
    """Some pixels with a usable prediction and a ray, in random order: flat indices (N,) and rays (N, 3), z = 1."""
    flat = values.reshape(-1)
    known = _one_a_stretch(flat.size, 2 * MAX_PIXELS, rng)
    known = known[_usable(flat[known], shifted)]
    if len(known) < MAX_PIXELS:  # a sparse one: all of it is looked at
        known = np.flatnonzero(_usable(flat, shifted))
    if len(known) > MAX_PIXELS:
        known = known[_one_a_stretch(len(known), MAX_PIXELS, rng)]
    pixels = rng.permutation(known)
    grid = rays(camera).numpy().reshape(-1, 2)[pixels].astype(np.float64)
    seen = np.isfinite(grid).all(axis=1)
    pixels, grid = pixels[seen], grid[seen]
    return pixels, np.concatenate([grid, np.ones((len(grid), 1))], axis=1)


def _one_a_stretch(count: int, wanted: int, rng: np.random.Generator) -> Indices:
    """A random index of each of `wanted` stretches that `count` is divided into; all, where there are not as many."""
    if count <= wanted:
        return np.arange(count)
    chosen: Indices = ((np.arange(wanted) + rng.random(wanted)) * (count / wanted)).astype(np.int64)
    return chosen


def _usable(values: NDArray[np.float32], shifted: bool) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        usable: NDArray[np.bool_] = np.isfinite(values) if shifted else (values > 0) & (values < np.inf)
    return usable
