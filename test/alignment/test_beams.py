# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.beams import beams
from mono_depth_ros.alignment.reference import as_samples
from mono_depth_ros.geometry.camera import Camera


def sweep(elevations_deg: np.ndarray, by_beam: bool, seed: int = 0, jitter_deg: float = 0.0) -> tuple[np.ndarray, ...]:
    """Points (N, 3) of a lidar, and their beams; in the order of beams, or of firing."""
    rng = np.random.default_rng(seed)
    beam, azimuth = np.meshgrid(np.arange(len(elevations_deg)), np.radians(np.arange(0.05, 360.0, 1.0)), indexing="ij")
    beam, azimuth = (grid.ravel() if by_beam else grid.T.ravel() for grid in (beam, azimuth))
    elevation = np.radians(elevations_deg[beam] + jitter_deg * rng.normal(size=beam.size))
    distance = rng.uniform(1.0, 30.0, beam.size)
    flat = distance * np.cos(elevation)
    xyz = np.stack((flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)), axis=1)
    returned = rng.random(beam.size) < 0.8
    return xyz[returned].astype(np.float32), beam[returned]


def same(found: np.ndarray | None, expected: np.ndarray) -> bool:
    """Whether both have the same groups, whatever their numbers."""
    return found is not None and len({*zip(found.tolist(), expected.tolist(), strict=True)}) == len(np.unique(expected))


@pytest.mark.parametrize("by_beam", [True, False], ids=["order of beams", "order of firing"])
@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_beams_are_found(by_beam: bool, count: int) -> None:
    points, expected = sweep(np.linspace(15.0, -15.0, count), by_beam)
    assert same(beams(points), expected)


def test_order_tells_beams_that_are_not_level() -> None:
    """KITTI: beams a third of a degree apart, whose points scatter by as much."""
    points, expected = sweep(np.linspace(2.0, -8.0, 32), True, jitter_deg=0.15)
    assert same(beams(points), expected)
    front = points[:, 0] > np.abs(points[:, 1])
    assert same(beams(points[front]), expected[front]), "cut to the front the azimuth starts again too"


def test_points_that_are_given_in_the_cameras_frame() -> None:
    points, expected = sweep(np.linspace(-15.0, 15.0, 16), False)
    assert same(beams(np.stack((-points[:, 1], -points[:, 2], points[:, 0]), axis=1)), expected)


def test_nothing_is_seen_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    points, _ = sweep(np.linspace(2.0, -8.0, 32), True, jitter_deg=0.2)
    assert beams(rng.permutation(points)) is None and beams(rng.normal(size=(2000, 3))) is None
    assert beams(points[:3]) is None and beams(np.full((50, 3), np.nan)) is None


def test_unknown_points_have_no_beam() -> None:
    points, expected = sweep(np.linspace(-15.0, 15.0, 16), False)
    points[::7] = np.nan
    found = beams(points)
    assert found is not None and (found[::7] == -1).all()
    known = np.isfinite(points[:, 0])
    assert same(found[known], expected[known])


def test_a_lidar_given_to_a_frame_keeps_its_beams() -> None:
    points, _ = sweep(np.linspace(-15.0, 15.0, 16), False)
    cam_from_lidar = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    samples = as_samples(points, (240, 320), Camera.from_fov((320, 240), 80.0), cam_from_lidar=cam_from_lidar)
    assert samples.group is not None and len(np.unique(samples.group)) == 16
    spread = [np.ptp(samples.rows[samples.group == beam]) for beam in np.unique(samples.group)]
    assert max(spread) < 20, "a beam is a line in the image"
