# SPDX-License-Identifier: Apache-2.0
"""The floor in a metric prediction of unknown size: consensus over planes, the lowest large and level one wins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import FitError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

TOLERANCE = 0.03  # of the depth: a pixel this near to a plane lies on it
SLACK = 0.003  # and this many radians: on a far floor a tenth of a degree is more than the above
MAX_TILT_UNKNOWN_DEG = 40.0  # between the floor's normal and the image's up, where the camera's attitude is unknown
MAX_TILT_DEG = 5.0  # between the floor's normal and the direction up that is known
BELOW = 4.0  # a pixel below a plane speaks against it as loud as this many on it speak for it
MIN_FRACTION = 0.02  # of the known pixels
MIN_FRACTION_BELOW_HORIZON = 0.1  # of the known pixels below the plane's own horizon
MAX_BESIDE = 0.4  # pixels one to two tolerances off, to those within half of one: a plane that cuts through things has
# as many there; twice this where the direction up is known
MAX_HEIGHT_ERROR = 0.5  # error of the height by an error of one tolerance: small and far patches tell nothing
TRIALS, SCREENED, SCORED, REFINED = 1500, 250, 1000, 10  # planes; pixels all are, and the best are, scored by
PRIOR_DEG, PRIOR_PIXELS = 1.0, 20.0  # a known direction up is right to a degree, and worth as much as this many pixels


@dataclass(frozen=True, eq=False)
class FloorPlane:
    """1 / depth = -up . ray / height on the floor. up: (3,) unit; height: in units of the prediction; floor: (N,)."""

    up: Floats
    height: float
    floor: Mask


def fit_floor_plane(inverse: Floats, ray: Floats, level: Floats | None, rng: np.random.Generator) -> FloorPlane:
    """The floor among pixels with inverse depth (N,) and rays (N, 3) with z = 1. level: (3,) up, where it is known.

    Raises FitError, reason `no_floor`.
    """
    if len(inverse) < 100:
        raise FitError(f"the prediction is known at {len(inverse)} of the pixels looked at: expected 100", "no_floor")
    planes = _through_triples(inverse, ray, rng) if level is None else _level(inverse, ray, level)
    facing, most = (np.array([0.0, -1.0, 0.0]), MAX_TILT_UNKNOWN_DEG) if level is None else (level, MAX_TILT_DEG)
    planes = planes[_level_enough(planes, facing, most)]
    if not len(planes):
        raise FitError("no floor is seen: found no plane that is level enough", "no_floor")
    part = slice(0, SCORED)
    for pixels, kept in ((SCREENED, 8 * REFINED), (SCORED, REFINED)):
        planes = planes[np.argsort(-_score(planes, inverse[:pixels], ray[:pixels]))[:kept]]
    refined = np.stack([_refine(plane, inverse[part], ray[part], level) for plane in planes])
    refined = refined[_level_enough(refined, facing, most)]
    if not len(refined):
        raise FitError("no floor is seen: found no plane that is level enough", "no_floor")
    best = refined[int(np.argmax(_score(refined, inverse, ray)))]
    best = _refine(best, inverse, ray, level)
    if not _level_enough(best[None], facing, most)[0]:
        raise FitError("no floor is seen: found no plane that is level enough", "no_floor")
    return _checked(best, inverse, ray, MAX_BESIDE if level is None else 2.0 * MAX_BESIDE)


def _checked(plane: Floats, inverse: Floats, ray: Floats, max_beside: float) -> FloorPlane:
    """The floor that this plane is. Raises FitError, reason `no_floor`, where it is none."""
    residual = _residual(plane[None], inverse, ray)[:, 0]
    floor = np.abs(residual) < 1.0
    share, below = float(floor.mean()), float((residual > 2.0).mean())
    if share < MIN_FRACTION or BELOW * below > share:
        found = f"{100 * share:.1f} % of the pixels on the lowest level plane and {100 * below:.1f} % below it"
        raise FitError(
            f"no floor is seen: found {found}, expected {100 * MIN_FRACTION:g} % or more and none", "no_floor"
        )
    under_horizon = float(floor.sum()) / max(int((ray @ plane > 0).sum()), 1)
    off = np.abs(residual)
    beside = float(((off >= 1.0) & (off < 2.0)).sum()) / max(2 * int((off < 0.5).sum()), 1)
    if under_horizon < MIN_FRACTION_BELOW_HORIZON or beside > max_beside:
        found = f"the lowest level plane takes {100 * under_horizon:.0f} % of what is below its horizon"
        found += f", and {100 * beside:.0f} % as many pixels lie just beside it as on it"
        expected = f"{100 * MIN_FRACTION_BELOW_HORIZON:.0f} % or more, {100 * max_beside:.0f} % or less"
        raise FitError(f"no floor is seen: {found}: expected {expected}", "no_floor")
    length = float(np.linalg.norm(plane))
    up = -plane / length
    scale = 1.0 / (TOLERANCE * inverse[floor] + SLACK * length)
    rows = ray[floor] * scale[:, None]
    spread = np.linalg.pinv(rows.T @ rows / len(rows))
    height_error = max(float(up @ spread @ up), 0.0) ** 0.5 / length
    if height_error > MAX_HEIGHT_ERROR:
        raise FitError(
            f"too little of the floor is seen: its height is known to {100 * height_error:.0f} % by pixels that are "
            f"right to {100 * TOLERANCE:.0f} %, expected {100 * MAX_HEIGHT_ERROR:.0f} % or less", "no_floor"
        )  # fmt: skip
    return FloorPlane(up, 1.0 / length, floor)


def _through_triples(inverse: Floats, ray: Floats, rng: np.random.Generator) -> Floats:
    """(M, 3) planes through three pixels that are near each other: those of a small floor seldom meet otherwise."""
    planes = []
    for tiles in (3, 7):
        low, high = ray[:, :2].min(axis=0), ray[:, :2].max(axis=0)
        tile = ((ray[:, :2] - low) / (high - low + 1e-9) * tiles).astype(np.int64)
        order = np.argsort(tile[:, 0] + tiles * tile[:, 1], kind="stable")
        number = (tile[:, 0] + tiles * tile[:, 1])[order]
        first, last = np.searchsorted(number, number, "left"), np.searchsorted(number, number, "right")
        start = rng.integers(len(order), size=TRIALS // 2)
        span = (last - first)[start]
        a, b, c = (order[first[start] + (rng.random(len(start)) * span).astype(np.int64)] for _ in range(3))
        # Cramer's rule: m . ray = inverse depth at the three.
        ra, rb, rc = ray[a], ray[b], ray[c]
        bc, ca, ab = np.cross(rb, rc), np.cross(rc, ra), np.cross(ra, rb)
        volume = (ra * bc).sum(axis=1)
        good = np.abs(volume) > 1e-7
        m = inverse[a, None] * bc + inverse[b, None] * ca + inverse[c, None] * ab
        planes.append(m[good] / volume[good, None])
    return np.concatenate(planes)


def _level(inverse: Floats, ray: Floats, level: Floats) -> Floats:
    """(M, 3) level planes, one through each of some pixels below the horizon."""
    slope = ray[:SCORED] @ -level
    low = slope > 0.02
    return -level * (inverse[:SCORED][low] / slope[low])[:, None]


def _level_enough(planes: Floats, facing: Floats, most_deg: float) -> Mask:
    with np.errstate(invalid="ignore"):
        enough: Mask = planes @ -facing > math.cos(math.radians(most_deg)) * np.linalg.norm(planes, axis=1)
    return enough


def _residual(planes: Floats, inverse: Floats, ray: Floats) -> Floats:
    """(N, M) of pixels and planes, in tolerances; positive is below the plane."""
    length = np.linalg.norm(planes, axis=1)
    residual: Floats = (ray @ planes.T - inverse[:, None]) / (TOLERANCE * inverse[:, None] + SLACK * length)
    return residual


def _score(planes: Floats, inverse: Floats, ray: Floats) -> Floats:
    residual = _residual(planes, inverse, ray)
    on = np.clip(1.0 - residual * residual, 0.0, 1.0)
    below = np.clip(residual - 1.0, 0.0, 1.0)
    score: Floats = on.sum(axis=0) - BELOW * below.sum(axis=0)
    return score


def _refine(plane: Floats, inverse: Floats, ray: Floats, level: Floats | None) -> Floats:
    """Weighted least squares over the pixels on the plane (Tukey's weights), a few times."""
    for _ in range(4):
        residual = _residual(plane[None], inverse, ray)[:, 0]
        length = float(np.linalg.norm(plane))
        on = np.abs(residual) < 1.5
        if on.sum() < 10:
            return plane
        scale = 1.0 / (TOLERANCE * inverse[on] + SLACK * length)
        weight = (1.0 - (residual[on] / 1.5) ** 2) * scale
        rows, right = ray[on] * weight[:, None], inverse[on] * weight
        normal, side = rows.T @ rows, rows.T @ right
        if level is not None:
            across = np.eye(3) - np.outer(level, level)
            normal += across * (len(rows) / PRIOR_PIXELS) * (1.0 / (math.radians(PRIOR_DEG) * length)) ** 2
        try:
            plane = np.linalg.solve(normal, side)
        except np.linalg.LinAlgError:
            return plane
    return plane
