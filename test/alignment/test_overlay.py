# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.overlay import overlay
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.errors import DataError

GREY = np.full((40, 60, 3), 100, dtype=np.uint8)


def samples(*points: tuple[int, int, float]) -> Samples:
    rows, columns, depth = (np.array(values) for values in zip(*points, strict=True))
    return Samples(rows, columns, depth.astype(np.float32), (40, 60))


def changed(picture: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(*(k.tolist() for k in np.nonzero((picture != GREY).any(axis=-1))), strict=True))


def test_a_disc_is_drawn_at_each_sample_and_nowhere_else():
    picture = overlay(GREY, samples((10, 20, 1.0), (30, 50, 8.0)), radius=1)
    plus = [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)]
    assert changed(picture) == {(10 + y, 20 + x) for y, x in plus} | {(30 + y, 50 + x) for y, x in plus}
    assert (GREY == 100).all()


def test_near_is_warm_and_far_is_cold():
    picture = overlay(GREY, samples((10, 20, 1.0), (30, 50, 8.0)), radius=0).astype(int)
    assert changed(picture) == {(10, 20), (30, 50)}
    near, far = picture[10, 20], picture[30, 50]
    assert near[0] > near[2] + 50 and far[2] > far[0]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_near_one_is_on_top(order):
    points = [(10, 20, 1.0), (10, 21, 8.0)]
    picture = overlay(GREY, samples(*(points[k] for k in order)), radius=2)
    near = overlay(GREY, samples(*points), radius=0)[10, 20]
    assert (picture[8:13, 20] == near).all() and (picture[10, 18:23] == near).all()
    assert len(changed(picture)) == 13 + 5


def test_a_disc_at_the_border_is_cut_and_does_not_wrap():
    assert changed(overlay(GREY, samples((0, 0, 1.0), (39, 59, 2.0)), radius=1)) == {
        (0, 0), (0, 1), (1, 0), (39, 59), (38, 59), (39, 58)
    }  # fmt: skip


def test_no_samples_leave_the_image_as_it_is():
    empty = np.empty(0, dtype=np.int64)
    picture = overlay(GREY, Samples(empty, empty, np.empty(0, np.float32), (40, 60)))
    assert (picture == GREY).all() and picture is not GREY


def test_samples_of_another_image_are_refused():
    with pytest.raises(DataError, match=r"expected the same"):
        overlay(GREY[:20], samples((10, 20, 1.0)))
