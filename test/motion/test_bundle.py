# SPDX-License-Identifier: Apache-2.0
"""Triangulation of planted points from planted poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mono_depth_ros.geometry.rigid import inverse, rigid_from_pose
from mono_depth_ros.motion.bundle import Views, triangulate

FOCAL = 500.0
VIEWS = 8


def planted(seed: int, pixel: float = 0.0, turn_deg: float = 0.0, move: float = 0.0, n: int = 200):
    """(views, true inverse depths): a camera that moves to the right; its poses are told with noise."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.15, 1.0, n)
    rays = np.stack((rng.uniform(-0.6, 0.6, n), rng.uniform(-0.45, 0.45, n)), axis=1)
    points = np.concatenate((rays, np.ones((n, 1))), axis=1) / truth[:, None]
    seen, poses = np.empty((VIEWS, n, 2)), np.empty((VIEWS, 4, 4))
    turn, drift = np.radians(turn_deg), 1e-6 + move
    for k in range(VIEWS):
        way = [-0.04 * (VIEWS - k), -0.02 * np.sin(k), -0.01 * k]
        now_from_earlier = rigid_from_pose(way, _quaternion(rng.normal(0, 0.02, 3)))
        then = (points - now_from_earlier[:3, 3]) @ now_from_earlier[:3, :3]
        seen[k] = then[:, :2] / then[:, 2:] + rng.normal(0, pixel / FOCAL, (n, 2))
        told = rigid_from_pose(rng.normal(0, drift, 3), _quaternion(rng.normal(0, turn + 1e-9, 3)))
        poses[k] = told @ inverse(now_from_earlier)
    eye = np.eye(VIEWS)
    noise = max(pixel, 0.1) / FOCAL
    return Views(rays, seen, poses, (turn + 1e-5) ** 2 * eye, drift**2 * eye, noise), truth


def _quaternion(turn) -> np.ndarray:
    half = np.asarray(turn) / 2
    return np.append(half, np.sqrt(1 - half @ half))


def test_exact_views_give_exact_depth() -> None:
    views, truth = planted(0)
    found = triangulate(views)
    np.testing.assert_allclose(found.inverse, truth, rtol=1e-3)
    assert found.residual.max() < 0.05 and (found.views == VIEWS).all()


@pytest.mark.parametrize("noise", [{"pixel": 0.7}, {"pixel": 0.5, "turn_deg": 0.2}, {"pixel": 0.5, "move": 0.004}])
def test_the_deviation_says_how_wrong_the_depth_is(noise) -> None:
    def ratios(seed: int) -> np.ndarray:
        views, truth = planted(seed, **noise)
        found = triangulate(views)
        return np.abs(found.inverse - truth) / found.deviation

    all_ratios = np.concatenate([ratios(seed) for seed in range(12)])
    within_one, within_two = np.mean(all_ratios < 1), np.mean(all_ratios < 2)
    assert 0.5 < within_one < 0.85 and within_two > 0.85, (within_one, within_two)


def test_poses_that_turn_a_little_wrong_are_put_right_by_the_corners() -> None:
    views, truth = planted(3, pixel=0.3, turn_deg=0.3)

    def error(views: Views) -> float:
        return float(np.median(np.abs(triangulate(views).inverse - truth) / truth))

    believed = replace(views, turn_covariance=views.turn_covariance * 1e-8)
    assert error(views) < 0.25 * error(believed)


def test_a_corner_that_moves_by_itself_has_a_large_residual() -> None:
    views, truth = planted(1, pixel=0.3)
    views.seen[:, 0, 1] += np.linspace(0.05, 0.0, VIEWS)  # up and down, where no depth can explain it
    views.seen[3, 1] = np.nan
    found = triangulate(views)
    assert found.residual[0] > 5 and np.median(found.residual) < 1.2
    assert found.views[1] == VIEWS - 1
    np.testing.assert_allclose(found.inverse[1:], truth[1:], rtol=0.15)


def test_a_corner_that_slides_along_a_line_has_the_depth_that_the_line_has() -> None:
    """Lines that lie across the motion: corners are anywhere along them, and only where they are across counts."""
    views, truth = planted(4, pixel=0.3)
    rng = np.random.default_rng(0)
    views.seen[..., 1] += rng.normal(0, 10 / FOCAL, views.seen.shape[:2])
    found = triangulate(replace(views, whitening=np.broadcast_to(np.diag([1, 0.02]), (*views.seen.shape, 2))))
    assert np.median(found.residual) < 1.5
    assert np.median(np.abs(found.inverse - truth) / truth) < 0.02
    assert np.mean(np.abs(found.inverse - truth) < 2 * found.deviation) > 0.85


def test_without_a_baseline_nothing_is_known() -> None:
    views, _ = planted(2, pixel=0.5)
    still = replace(
        views,
        seen=np.broadcast_to(views.rays, views.seen.shape),
        earlier_from_now=np.broadcast_to(np.eye(4), (VIEWS, 4, 4)),
    )
    found = triangulate(still)
    assert np.isfinite(found.deviation).all() and (found.deviation > found.inverse).all()
