# SPDX-License-Identifier: Apache-2.0
"""Flat surfaces disagree nowhere, edges do where they are."""

from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.disagreement import APART, LEAST, disagreement, roughness
from mono_depth_ros.alignment.interpolation import Known, estimates
from mono_depth_ros.alignment.triangulation import Triangulation

SIZE = (60, 80)


def disagreement_of(inverse: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(H, W) where 1/d and a prediction of it (H, W) are known at 150 pixels; NaN outside of their hull."""
    rows, columns = np.divmod(np.random.default_rng(1).choice(inverse.size, 150, replace=False), SIZE[1])
    log_depth, fitted = (-np.log(of).astype(np.float32) for of in (inverse, predicted))
    known, triangles = Known(log_depth[rows, columns], fitted[rows, columns], None), Triangulation(rows, columns, SIZE)
    places, wanted = triangles.on_grid(1), np.zeros(7, dtype=bool)
    wanted[APART] = True
    here = fitted.ravel()[places.number]
    result = np.full(inverse.size, np.nan)
    rough = roughness(rows, columns, known, triangles.corners)
    result[places.number] = np.exp(disagreement(places, rough, estimates(places, known, here, None, wanted), here))
    return result.reshape(SIZE)


@pytest.mark.parametrize("right", ["1/d is linear", "the prediction lacks a factor"])
def test_one_of_two_models_that_is_right_is_enough_for_slopes(right: str) -> None:
    row, column = np.mgrid[: SIZE[0], : SIZE[1]]
    plane, waves = 0.2 + 0.002 * row + 0.001 * column, 0.3 + 0.1 * np.sin(row / 3) * np.cos(column / 4)
    inverse, predicted = (plane, waves) if right == "1/d is linear" else (waves, 1.3 * waves)
    neither = disagreement_of(waves, plane)
    assert np.nanmedian(disagreement_of(inverse, predicted)) < 0.5 * np.nanmedian(neither)


def test_it_is_where_the_edge_is() -> None:
    inverse = np.full(SIZE, 0.5)
    inverse[:, 40:] = 0.25
    result = disagreement_of(inverse, np.full(SIZE, 0.4))
    assert np.nanmean(result[:, 37:43]) > 8 * np.nanmean(result[:, :25])
    assert np.nanmin(result) == pytest.approx(LEAST**0.8, rel=1e-3), "nothing disagrees, but that is not certain"
