# SPDX-License-Identifier: Apache-2.0
"""Lens distortion, forwards and backwards, on normalised image coordinates (x/z, y/z).

Source: OpenCV's camera model (calib3d documentation) for plumb_bob and rational_polynomial; Kannala and Brandt,
"A Generic Camera Model" (PAMI 2006), eq. 6, for equidistant.
"""

from __future__ import annotations

from functools import lru_cache

import torch

from mono_depth_ros.geometry.camera import Camera

_NEWTON_STEPS = 20
_ANGLES = 4501  # every 0.02 degrees from the axis to the side
_CONVERGED = 1e-7  # of a focal length: a ten-thousandth of a pixel for any ROS camera


def distort(xy: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Where the ideal point `xy` appears through the lens.

    Args:
        xy: (..., 2) normalised pinhole coordinates.

    Returns:
        (..., 2) normalised distorted coordinates; NaN where the lens model folds back and is no longer one to one.
    """
    if camera.model == "none":
        return xy
    beyond = torch.linalg.vector_norm(xy, dim=-1, keepdim=True) > fold_radius(camera.model, camera.distortion)
    return torch.where(beyond, torch.nan, _distort(xy, camera))


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
    theta = torch.linspace(0, torch.pi / 2, _ANGLES, dtype=torch.float64)[:-1]
    r = torch.tan(theta)
    if model == "equidistant":
        slope = _equidistant(theta, coefficients)[1]
    else:
        radial = (*coefficients[:2], 0.0, 0.0, *coefficients[4:8])
        slope = _polynomial(torch.stack((r, torch.zeros_like(r)), dim=-1), radial)[1][:, 0]
    folds = torch.nonzero(~(slope > 0))
    return float(r[folds[0, 0]]) if len(folds) else torch.inf


def _distort(xy: torch.Tensor, camera: Camera) -> torch.Tensor:
    if camera.model == "equidistant":
        r = torch.linalg.vector_norm(xy, dim=-1, keepdim=True)
        theta = torch.atan(r)
        theta_d, slope = _equidistant(theta, camera.distortion)
        out = xy * torch.where(r > 1e-9, theta_d / r.clamp_min(1e-9), torch.ones_like(r))
        return torch.where(slope > 0, out, torch.nan)
    out, jacobian = _polynomial(xy, camera.distortion)
    folded = (jacobian[..., 0] * jacobian[..., 3] - jacobian[..., 1] * jacobian[..., 2]) <= 0
    return torch.where(folded[..., None], torch.nan, out)


def undistort(xy_distorted: torch.Tensor, camera: Camera) -> torch.Tensor:
    """The ideal point seen at the distorted point: the inverse of `distort`, by Newton's method.

    Args:
        xy_distorted: (..., 2) float64 normalised distorted coordinates.

    Returns:
        (..., 2) normalised pinhole coordinates; NaN where no ray in front of the camera reaches the pixel.
    """
    if camera.model == "none":
        return xy_distorted
    if camera.model == "equidistant":
        return _undistort_equidistant(xy_distorted, camera.distortion)
    xy = xy_distorted.clone()
    for _ in range(_NEWTON_STEPS):
        value, jacobian = _polynomial(xy, camera.distortion)
        a, b, c, d = jacobian.unbind(-1)
        error = value - xy_distorted
        determinant = a * d - b * c
        step = torch.stack((d * error[..., 0] - b * error[..., 1], a * error[..., 1] - c * error[..., 0]), dim=-1)
        xy = xy - step / determinant[..., None]
    residual = torch.linalg.vector_norm(distort(xy, camera) - xy_distorted, dim=-1, keepdim=True)
    return torch.where(residual < _CONVERGED, xy, torch.nan)


def _polynomial(xy: torch.Tensor, coefficients: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Distorted points (..., 2) and the Jacobian (..., 4) as [dx/dx, dx/dy, dy/dx, dy/dy]."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (*coefficients, *(0.0,) * 12)[:12]
    x, y = xy.unbind(-1)
    r2 = x * x + y * y
    numerator = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    denominator = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = numerator / denominator
    slope = (k1 + r2 * (2 * k2 + r2 * 3 * k3)) - radial * (k4 + r2 * (2 * k5 + r2 * 3 * k6))
    slope = slope / denominator  # d radial / d r2
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + s4 * r2)
    prism_x, prism_y = s1 + 2 * s2 * r2, s3 + 2 * s4 * r2
    jacobian = torch.stack(
        (
            radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x + 2 * x * prism_x,
            2 * x * y * slope + 2 * p1 * x + 2 * p2 * y + 2 * y * prism_x,
            2 * x * y * slope + 2 * p1 * x + 2 * p2 * y + 2 * x * prism_y,
            radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x + 2 * y * prism_y,
        ),
        dim=-1,
    )
    return torch.stack((xd, yd), dim=-1), jacobian


def _equidistant(theta: torch.Tensor, coefficients: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The distorted angle and its slope d theta_d / d theta."""
    k1, k2, k3, k4 = coefficients
    t2 = theta * theta
    theta_d = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
    return theta_d, slope


def _undistort_equidistant(xy_distorted: torch.Tensor, coefficients: tuple[float, ...]) -> torch.Tensor:
    theta_d = torch.linalg.vector_norm(xy_distorted, dim=-1, keepdim=True)
    theta = theta_d.clone()
    for _ in range(_NEWTON_STEPS):
        value, slope = _equidistant(theta, coefficients)
        theta = theta - (value - theta_d) / slope
    value, slope = _equidistant(theta, coefficients)
    # A unit-z ray exists only in front of the camera: beyond 90 degrees the pixel is unknown.
    seen = ((value - theta_d).abs() < _CONVERGED) & (slope > 0) & (theta >= 0) & (theta < torch.pi / 2 - 1e-3)
    factor = torch.where(theta_d > 1e-9, torch.tan(theta) / theta_d.clamp_min(1e-9), torch.ones_like(theta_d))
    return torch.where(seen, xy_distorted * factor, torch.nan)
