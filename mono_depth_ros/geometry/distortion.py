# SPDX-License-Identifier: Apache-2.0
"""Lens distortion, forwards and backwards, on normalised image coordinates (x/z, y/z).

Source: OpenCV's camera model (calib3d documentation) for plumb_bob and rational_polynomial; Kannala and Brandt,
"A Generic Camera Model" (PAMI 2006), eq. 6, for equidistant.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.transfer import upload

_MAX_NEWTON_STEPS = 20
_ANGLES = 4501  # every 0.02 degrees from the axis to the side
_TABLE = 16384  # places of the radial part that Newton's method starts from
_CONVERGED = 1e-4
"""A step of Newton's method below this was the last, in focal lengths: what it leaves is of the order of its square, a
hundred-thousandth of a pixel for any ROS camera."""


def distort(x: Tensor, y: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Where an ideal point appears through the lens.

    Args:
        x, y: normalised pinhole coordinates, of one shape.

    Returns:
        x, y: normalised distorted coordinates; NaN where the lens model folds back and is no longer one to one.
    """
    if camera.model == "none":
        return x, y
    square = x * x + y * y
    if camera.model == "equidistant":
        r = square.clamp_min(1e-18).sqrt()
        angle, slope = _equidistant(torch.atan(r), camera.distortion)
        distorted, one_to_one = (x * (angle / r), y * (angle / r)), slope > 0
    else:
        distorted, (a, b, c, d) = _polynomial(x, y, camera.distortion)
        distorted, one_to_one = _tilted(*distorted, camera.distortion), a * d - b * c > 0
    seen = one_to_one & (square <= fold_radius(camera.model, camera.distortion) ** 2)
    return torch.where(seen, distorted[0], torch.nan), torch.where(seen, distorted[1], torch.nan)


@lru_cache(maxsize=32)
def fold_radius(model: str, coefficients: tuple[float, ...]) -> float:
    """The radius r = hypot(x/z, y/z) at which the lens model folds back first; +inf where it never does.

    From there on the image of a point moves back towards the centre as the point moves out, so that points far outside
    the field of view would appear inside the image. The slope of the radial part alone decides (tangential terms are
    small). The sign of the slope at the point itself does not tell: where a polynomial has folded twice it is positive
    again.
    """
    if model == "none":
        return torch.inf
    r, _, end = _radial(model, coefficients)
    return float(r[end]) if end < len(r) else torch.inf


def _radial(model: str, coefficients: tuple[float, ...]) -> tuple[Tensor, Tensor, int]:
    """Radii (N,) float64 of rays from the axis to the side, those at which they appear, and how many of them are before
    the first fold or pole."""
    theta = torch.linspace(0, torch.pi / 2, _ANGLES, dtype=torch.float64)[:-1]
    r = torch.tan(theta)
    if model == "equidistant":
        value, slope = _equidistant(theta, coefficients)
    else:
        radial = (*coefficients[:2], 0.0, 0.0, *coefficients[4:8])
        (value, _), (slope, *_) = _polynomial(r, torch.zeros_like(r), radial)
    folds = ~(slope > 0)
    folds[1:] |= ~(value.diff() > 0)
    return r, value, int(torch.nonzero(folds)[0]) if folds.any() else len(r)


def undistort(x: Tensor, y: Tensor, camera: Camera, steps: int | None = None) -> tuple[Tensor, Tensor]:
    """The ideal point seen at a distorted point: the inverse of `distort`, by Newton's method.

    It starts from a table of the radial part, on the inner side of the solution and of any fold: one to three steps are
    enough but where the lens model is about to fold.

    Args:
        x, y: float64 normalised distorted coordinates, of shapes that broadcast.
        steps: that suffice for these points, by `newton_steps`: nothing then waits for a GPU. None: as many as each
            point needs.

    Returns:
        x, y: normalised pinhole coordinates; NaN where no ray in front of the camera reaches the pixel.
    """
    if camera.model == "none":
        found = torch.broadcast_tensors(x, y)
        return found[0], found[1]
    x, y = _tilted(x, y, camera.distortion, back=True)
    ideal_x, ideal_y, moved = _newton(x, y, camera, steps or 2)
    seen = moved < _CONVERGED
    if steps is None:
        some = torch.nonzero(~seen, as_tuple=True)
        xd, yd = (value.expand(seen.shape)[some] for value in (x, y))
        ideal_x[some], ideal_y[some], moved = _newton(xd, yd, camera, _MAX_NEWTON_STEPS, farther_in=0.8)
        seen[some] = moved < _CONVERGED
    return torch.where(seen, ideal_x, torch.nan), torch.where(seen, ideal_y, torch.nan)


@lru_cache(maxsize=32)
def newton_steps(camera: Camera) -> int | None:
    """How many steps of Newton's method suffice for every pixel; None where some need many, close to a fold.

    Those at the rim need most: a few pixels there are tried, and must come ten times closer than they need.
    """
    x, y = (
        (torch.linspace(0, side - 1, 17, dtype=torch.float64) - centre) / focal
        for side, centre, focal in ((camera.width, camera.cx, camera.fx), (camera.height, camera.cy, camera.fy))
    )
    x, y = _tilted(x, y[:, None], camera.distortion, back=True)
    for steps in range(1, 5):
        if camera.model == "none" or bool((_newton(x, y, camera, steps)[2] < _CONVERGED / 10).all()):
            return steps
    return None


def _newton(x: Tensor, y: Tensor, camera: Camera, steps: int, farther_in: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """The ideal points and the length of the last step to them, inf or NaN where they are no solution."""
    square = x * x + y * y
    table, scale = _table(camera.model, camera.distortion, _extent(camera), str(square.device))
    index = (square * scale).clamp_(max=len(table) - 1).to(torch.int32)
    start = table.index_select(0, index.reshape(-1)).reshape(square.shape).mul_(farther_in)
    fold = fold_radius(camera.model, camera.distortion)
    if camera.model == "equidistant":
        distorted = square.sqrt_()
        angle = start.mul_(distorted)
        for _ in range(steps):
            value, slope = _equidistant(angle, camera.distortion)
            step = value.sub_(distorted).div_(slope)
            angle = angle.sub_(step)
        # A unit-z ray exists only in front of the camera: beyond 90 degrees the pixel is unknown.
        seen = (slope > 0) & (angle >= 0) & (angle < min(math.pi / 2 - 1e-3, math.atan(fold)))
        factor = torch.where(distorted > 1e-9, torch.tan(angle) / distorted.clamp_min(1e-9), 1.0)
        return x * factor, y * factor, torch.where(seen, step.abs_(), torch.inf)
    ideal_x, ideal_y = start * x, start * y
    for _ in range(steps):
        (value_x, value_y), (a, b, c, d) = _polynomial(ideal_x, ideal_y, camera.distortion)
        value_x, value_y, determinant = value_x.sub_(x), value_y.sub_(y), (a * d).sub_(b * c)
        step_x = (d * value_x).sub_(b * value_y).div_(determinant)
        step_y = (a * value_y).sub_(c * value_x).div_(determinant)
        ideal_x, ideal_y = ideal_x.sub_(step_x), ideal_y.sub_(step_y)
    seen = (determinant > 0) & ((ideal_x * ideal_x).addcmul_(ideal_y, ideal_y) <= fold * fold)
    return ideal_x, ideal_y, torch.where(seen, torch.maximum(step_x.abs_(), step_y.abs_()), torch.inf)


def _extent(camera: Camera) -> float:
    """The square of the radius of the image's farthest corner, up to a power of two: a camera that focuses keeps its
    table."""
    x = max(camera.cx, camera.width - 1 - camera.cx) / camera.fx
    y = max(camera.cy, camera.height - 1 - camera.cy) / camera.fy
    return float(2.0 ** math.ceil(math.log2(min(max(x * x + y * y, 1e-6), 1e300))))


@lru_cache(maxsize=16)
def _table(model: str, coefficients: tuple[float, ...], extent: float, device: str) -> tuple[Tensor, float]:
    """(N,) float64 undistorted over distorted radius (of equidistant: angle) at N squares of the distorted radius, up
    to `extent` or the first fold, and what a square is multiplied with to give the index below it."""
    with torch.inference_mode(False):
        r, distorted, end = _radial(model, coefficients)
        if end < 2:  # coefficients of no lens: no point is seen at all
            return upload(np.ones(_TABLE), device), (_TABLE - 1) / extent
        undistorted = torch.atan(r) if model == "equidistant" else r
        last = min(extent, float(distorted[end - 1] * distorted[end - 1]))
        radius = np.sqrt(np.linspace(0, last, _TABLE))[1:]
        ratio = np.interp(radius, distorted[:end].numpy(), undistorted[:end].numpy()) / radius
        return upload(np.concatenate((ratio[:1], ratio)), device), (_TABLE - 1) / last


Jacobian = tuple[Tensor, Tensor, Tensor, Tensor]


def _polynomial(x: Tensor, y: Tensor, coefficients: tuple[float, ...]) -> tuple[tuple[Tensor, Tensor], Jacobian]:
    """The distorted point and the Jacobian as dx/dx, dx/dy, dy/dx, dy/dy."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (*coefficients, *(0.0,) * 12)[:12]
    xx, xy, yy = x * x, x * y, y * y
    r2 = xx + yy
    # Terms that a lens does not have are left out: this is run for every pixel when a camera changes.
    radial, slope = _horner(r2, 1.0, k1, k2, k3), _horner(r2, k1, 2 * k2, 3 * k3)  # slope: d radial / d r2
    if k4 or k5 or k6:
        denominator = _horner(r2, 1.0, k4, k5, k6)
        radial = radial.div_(denominator)
        slope = slope.sub_(_horner(r2, k4, 2 * k5, 3 * k6).mul_(radial)).div_(denominator)
    slope = slope.mul_(2)
    value_x, value_y = x * radial, y * radial
    a, b, d = torch.addcmul(radial, xx, slope), xy.mul(slope), torch.addcmul(radial, yy, slope)
    c = b
    if p1 or p2:
        value_x = value_x.add_(xy, alpha=2 * p1).add_(r2, alpha=p2).add_(xx, alpha=2 * p2)
        value_y = value_y.add_(xy, alpha=2 * p2).add_(r2, alpha=p1).add_(yy, alpha=2 * p1)
        a = a.add_(y, alpha=2 * p1).add_(x, alpha=6 * p2)
        b = c = b.add_(x, alpha=2 * p1).add_(y, alpha=2 * p2)
        d = d.add_(y, alpha=6 * p1).add_(x, alpha=2 * p2)
    if s1 or s2 or s3 or s4:
        value_x, value_y = value_x + r2 * (s1 + s2 * r2), value_y + r2 * (s3 + s4 * r2)
        prism_x, prism_y = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
        a, b, c, d = a + x * prism_x, b + y * prism_x, c + x * prism_y, d + y * prism_y
    return (value_x, value_y), (a, b, c, d)


def _tilted(x: Tensor, y: Tensor, coefficients: tuple[float, ...], back: bool = False) -> tuple[Tensor, Tensor]:
    """Points of an untilted sensor as they lie on a tilted one, or back: a homography, by tau_x and tau_y in radians.

    Source: OpenCV, computeTiltProjectionMatrix of distortion_model.hpp.
    """
    if not any(coefficients[12:]):
        return x, y
    (sin_x, cos_x), (sin_y, cos_y) = ((math.sin(tau), math.cos(tau)) for tau in coefficients[12:])
    about_x = np.array([[1, 0, 0], [0, cos_x, sin_x], [0, -sin_x, cos_x]])
    R = np.array([[cos_y, 0, -sin_y], [0, 1, 0], [sin_y, 0, cos_y]]) @ about_x
    tilt = np.array([[R[2, 2], 0, -R[0, 2]], [0, R[2, 2], -R[1, 2]], [0, 0, 1]]) @ R
    (a, b, c), (d, e, f), (g, h, i) = (np.linalg.inv(tilt) if back else tilt).tolist()
    w = g * x + h * y + i
    return (a * x + b * y + c) / w, (d * x + e * y + f) / w


def _horner(x: Tensor, *coefficients: float) -> Tensor:
    """c0 + c1 x + c2 x^2 + ..., in memory of its own."""
    while len(coefficients) > 1 and not coefficients[-1]:
        coefficients = coefficients[:-1]
    total = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total.mul_(x).add_(coefficient)
    return total


def _equidistant(theta: torch.Tensor, coefficients: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The distorted angle and its slope d theta_d / d theta."""
    k1, k2, k3, k4 = coefficients
    t2 = theta * theta
    theta_d = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
    return theta_d, slope
