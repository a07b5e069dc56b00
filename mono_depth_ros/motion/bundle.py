# SPDX-License-Identifier: Apache-2.0
"""Inverse depths of tracked corners from images with known poses: bundle adjustment with the poses' noise as a prior.

Odometry is exact to some millimetres and tenths of a degree, and a tenth of a degree moves a corner as far as a whole
centimetre of baseline does. So the poses are not taken as they are: each may turn and move within its noise, and the
corners, several hundred against six numbers a pose, say how (Triggs et al. 2000, "Bundle adjustment: a modern
synthesis", with a prior on the poses). The scale comes from the poses alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 5  # of Gauss and Newton
_FAR, _NEAR = 1e-3, 20.0  # 1/m, the limits of inverse depth
_CAUCHY = 2.0  # standard deviations at which a residual loses three quarters of its weight


@dataclass(frozen=True, eq=False)
class Views:
    """Corners of one image, as earlier images saw them.

    Attributes:
        rays: (N, 2) x/z, y/z in the image at hand.
        seen: (K, N, 2) likewise in each earlier image, NaN where a corner was not seen.
        earlier_from_now: (K, 4, 4) poses: points of the camera now in the camera then.
        turn_covariance, move_covariance: (K, K) rad^2 and m^2, of the noise of one axis of the poses.
        pixel: standard deviation of x/z and y/z, across the strongest edge if there is a whitening.
        prior, information: (N,) 1/z that is known before, in 1/m, and its information in m^2; None: nothing is.
        guess: (N,) 1/z to begin with; None: the linear solution.
        whitening: (K, N, 2, 2) takes an error of `seen` to multiples of `pixel`: a corner on a line slides along it.
            None: errors are alike in all directions.
    """

    rays: Floats
    seen: Floats
    earlier_from_now: Floats
    turn_covariance: Floats
    move_covariance: Floats
    pixel: float
    prior: Floats | None = None
    information: Floats | None = None
    guess: Floats | None = None
    whitening: Floats | None = None


@dataclass(frozen=True, eq=False)
class Triangulated:
    """What the corners' depths are.

    Attributes:
        inverse: (N,) 1/z in 1/m. deviation: (N,) its standard deviation, the poses' noise included.
        residual: (N,) root mean square distance, in standard deviations, between where it should be and was seen.
        views: (N,) in how many earlier images it was seen.
        earlier_from_now: (K, 4, 4) the poses, as the corners correct them.
    """

    inverse: Floats
    deviation: Floats
    residual: Floats
    views: NDArray[np.int64]
    earlier_from_now: Floats


def triangulate(views: Views) -> Triangulated:
    """The inverse depth of each corner, by Gauss-Newton on reprojection in all views with robust weights.

    Corners are eliminated by the Schur complement, so that what is solved is of the poses' size.
    """
    known = np.isfinite(views.seen[..., 0])
    seen = np.moveaxis(np.where(known[..., None], views.seen, 0.0), 2, 1)  # (K, 2, N)
    white = np.eye(2) if views.whitening is None else views.whitening
    white = np.moveaxis(np.where(known[..., None, None], white, 0.0), 1, 3) / views.pixel  # (K, 2, 2, N)
    rays = np.concatenate((views.rays.T, np.ones((1, len(views.rays)))))  # (3, N)
    given_turn, given_move = views.earlier_from_now[:, :3, :3], views.earlier_from_now[:, :3, 3]
    k = len(seen)
    prior = _prior(views)
    step = np.zeros(6 * k)
    inverse = _linear(rays, seen, white, given_turn, given_move) if views.guess is None else views.guess
    before = inverse if views.prior is None else views.prior
    information = np.full(len(inverse), 1e-3) if views.information is None else views.information
    for _ in range(_STEPS):
        moves = step.reshape(k, 6)
        turn, move = _small_rotations(moves[:, :3]) @ given_turn, given_move + moves[:, 3:]
        turned = turn @ rays  # (K, 3, N)
        z = turned[:, 2] + inverse * move[:, 2, None]
        one_z = 1.0 / np.where(z > 0.05, z, 0.05)  # z is depth over depth: behind the camera is no view
        uv = (turned[:, :2] + inverse * move[:, :2, None]) * one_z[:, None]
        error = (white * (seen - uv)[:, None]).sum(axis=2)  # (K, 2, N)
        square = (error**2).sum(axis=1)
        weight = 1.0 / (1.0 + square / _CAUCHY**2)  # the root of it, by which rows are multiplied
        error *= weight[:, None]
        by_point = _by_point(white * (one_z * weight)[:, None, None], uv)  # (K, 2, 3, N)
        by_inverse = (by_point * move[:, None, :, None]).sum(axis=2)
        by_pose = _by_pose(by_point, turned, inverse)  # (K, 6, 2, N)
        of_inverse = (by_inverse**2).sum(axis=(0, 1)) + information
        right_inverse = (by_inverse * error).sum(axis=(0, 1)) + information * (before - inverse)
        flat = by_pose.reshape(k, 6, -1)
        of_pose = prior.copy().reshape(k, 6, k, 6)
        of_pose[np.arange(k), :, np.arange(k)] += _product(flat, flat.transpose(0, 2, 1))
        right_pose = _product(flat, error.reshape(k, -1, 1)).reshape(-1) - prior @ step
        cross = (by_pose * by_inverse[:, None]).sum(axis=2).reshape(6 * k, -1)
        reduced = of_pose.reshape(6 * k, 6 * k) - _product(cross / of_inverse, cross.T)
        change = _solve(reduced, right_pose - cross @ (right_inverse / of_inverse))
        step = step + change
        inverse = np.clip(inverse + (right_inverse - cross.T @ change) / of_inverse, _FAR, _NEAR)
    spread = cross / of_inverse
    variance = 1.0 / of_inverse + (spread * _solve(reduced, spread)).sum(axis=0)
    count = known.sum(axis=0)
    residual = np.sqrt((square * known).sum(axis=0) / np.maximum(2 * count, 1))
    poses = np.tile(np.eye(4), (k, 1, 1))
    moves = step.reshape(k, 6)
    poses[:, :3, :3], poses[:, :3, 3] = _small_rotations(moves[:, :3]) @ given_turn, given_move + moves[:, 3:]
    return Triangulated(inverse, np.sqrt(variance), residual, count, poses)


def _linear(rays: Floats, seen: Floats, white: Floats, turn: Floats, move: Floats) -> Floats:
    """(N,) a first guess: x (a_z + w t_z) = a_x + w t_x is linear in w, and so in y; least squares over the views."""
    turned = turn @ rays
    factor = (white * (seen * move[:, 2, None, None] - move[:, :2, None])[:, None]).sum(axis=2)
    right = (white * (turned[:, :2] - seen * turned[:, 2:])[:, None]).sum(axis=2)
    found: Floats = (factor * right).sum(axis=(0, 1)) / ((factor**2).sum(axis=(0, 1)) + 1e-12)
    return np.clip(found, _FAR, _NEAR)


def _by_point(scaled: Floats, uv: Floats) -> Floats:
    """(K, 2, 3, N) derivatives of the whitened (u, v) by the point, which is scaled by its depth."""
    return np.concatenate((scaled, -(scaled * uv[:, None]).sum(axis=2, keepdims=True)), axis=2)


def _by_pose(by_point: Floats, turned: Floats, inverse: Floats) -> Floats:
    """(K, 6, 2, N) derivatives by a turn of the camera, to the left of the given one, and by its move."""
    x, y, z = (turned[:, axis, None] for axis in range(3))
    a, b, c = (by_point[:, :, axis] for axis in range(3))
    return np.stack((y * c - z * b, z * a - x * c, x * b - y * a, a * inverse, b * inverse, c * inverse), axis=1)


def _product(a: Floats, b: Floats) -> Floats:
    """a @ b on torch's threads: those of numpy's BLAS wait for each other where another process has a core."""
    return (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()


def _solve(a: Floats, b: Floats) -> Floats:
    found: Floats = torch.linalg.solve(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    return found


def _prior(views: Views) -> Floats:
    """(6 K, 6 K) information of the poses' noise, alike and independent in each axis."""
    k = len(views.turn_covariance)
    out = np.zeros((k, 6, k, 6))
    turn, move = np.linalg.inv(views.turn_covariance), np.linalg.inv(views.move_covariance)
    for axis in range(3):
        out[:, axis, :, axis], out[:, 3 + axis, :, 3 + axis] = turn, move
    return out.reshape(6 * k, 6 * k)


def _small_rotations(turns: Floats) -> Floats:
    """(K, 3, 3) of rotation vectors (K, 3), by Rodrigues."""
    angle = np.linalg.norm(turns, axis=1)[:, None, None]
    x, y, z = turns.T
    none = np.zeros_like(x)
    cross = np.stack((none, -z, y, z, none, -x, -y, x, none), axis=1).reshape(-1, 3, 3)
    sine, cosine = np.sinc(angle / np.pi), 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + sine * cross + cosine * (cross @ cross)
