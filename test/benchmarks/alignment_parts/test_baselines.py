# SPDX-License-Identifier: Apache-2.0
"""Interpolation without an image, on depths whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from alignment_parts.baselines import METHODS, ip_basic, linear, nearest
from mono_depth_ros.alignment.samples import Samples

SIZE = (60, 80)


def samples(rows: list[int] | np.ndarray, columns: list[int] | np.ndarray, depth: list[float] | np.ndarray) -> Samples:
    return Samples(np.asarray(rows), np.asarray(columns), np.asarray(depth, dtype=np.float32), SIZE)


def scattered(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return np.divmod(np.random.default_rng(seed).choice(SIZE[0] * SIZE[1], count, replace=False), SIZE[1])


def test_linear_gives_a_plane_back_and_the_nearest_outside_the_triangles() -> None:
    rows, columns = scattered(40)
    rows[:4], columns[:4] = (5, 5, 50, 50), (5, 70, 5, 70)
    rows, columns = np.unique(np.stack((rows.clip(5, 50), columns.clip(5, 70))), axis=1)
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    plane = (3.0 + 0.02 * u + 0.05 * v).astype(np.float32)
    found = linear(samples(rows, columns, plane[rows, columns]))
    error = np.abs(found - plane)[5:51, 5:71]
    assert error.mean() < 5e-3 and error.max() < 0.15, "edges are drawn to the nearest pixel"
    assert found[0, 0] == plane[5, 5] and found[-1, -1] == plane[50, 70]


def test_nearest_takes_the_nearest() -> None:
    rows, columns = scattered(25, seed=1)
    depth = np.arange(1.0, 26.0)
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    apart = np.hypot(v[..., None] - rows, u[..., None] - columns)
    found = nearest(samples(rows, columns, depth))
    chosen = apart[v, u, found.astype(int) - 1]
    assert np.all(chosen <= apart.min(axis=-1) * 1.05 + 1e-6)
    assert (found == depth[apart.argmin(axis=-1)]).mean() > 0.97


def test_ip_basic_fills_everything_and_the_near_wins() -> None:
    assert np.allclose(ip_basic(samples([30], [40], [7.0])), 7.0, atol=1e-4)
    rows, columns = scattered(1500, seed=2)
    depth = np.where(columns < 40, 3.0, 20.0)
    found = ip_basic(samples(rows, columns, depth))
    assert np.allclose(found[:, :36], 3.0, atol=1e-3) and np.allclose(found[:, 50:], 20.0, atol=1e-3)
    edge = [int(np.argmax(line > 11.0)) for line in found]
    assert min(edge) >= 40 and np.mean(edge) > 41, "dilation lets the near grow over the far"


@pytest.mark.parametrize("name", METHODS)
def test_samples_stay_what_they_are_where_all_agree(name: str) -> None:
    rows, columns = scattered(200, seed=3)
    found = METHODS[name](samples(rows, columns, np.full(200, 4.5)))
    assert found.shape == SIZE and found.dtype == np.float32 and np.allclose(found, 4.5, atol=1e-3)
