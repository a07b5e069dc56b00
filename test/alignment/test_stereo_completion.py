# SPDX-License-Identifier: Apache-2.0
"""Holes of matched depth in made scenes: a wall at 4 m with a box before it at 1 m."""

from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.stereo_completion import complete

SIZE = (96, 128)
FOCAL_BASELINE = 40.0  # the wall has a disparity of 10 px, the box one of 40
BOX = (slice(30, 70), slice(60, 100))


def scene() -> tuple[np.ndarray, np.ndarray]:
    """True depth and a picture of it: the box is red, the wall grey."""
    truth, rgb = np.full(SIZE, 4.0, np.float32), np.full((*SIZE, 3), 120, np.uint8)
    truth[BOX], rgb[BOX] = 1.0, (200, 30, 30)
    return truth, rgb


def completed(truth, rgb, hole, occluded=None, network=None, widen=0):
    matched = widened(truth, widen) if widen else truth.copy()
    matched[hole] = np.nan
    occluded = np.zeros(SIZE, bool) if occluded is None else occluded
    network = np.full(SIZE, np.nan, np.float32) if network is None else network
    return complete(matched, occluded, rgb, network, network, FOCAL_BASELINE, matched)


def test_behind_an_edge_the_far_side_goes_on():
    """The strip left of the box, as wide as its disparity is larger, is seen by the left camera alone."""
    truth, rgb = scene()
    rgb[:] = 120  # colour says nothing
    hole = np.zeros(SIZE, bool)
    hole[BOX[0], 30:60] = True
    assert completed(truth, rgb, hole, hole).depth[45:55, 35:60] == pytest.approx(4.0, rel=0.02)
    blind = completed(truth, rgb, hole).depth[45:55, 50:58]  # what was only not matched has no side to prefer
    assert blind.mean() < 3.0


def test_what_was_not_matched_goes_with_its_colour():
    truth, rgb = scene()
    hole = np.zeros(SIZE, bool)
    hole[:, 90:112] = True  # over the right side of the box
    found = completed(truth, rgb, hole).depth
    assert found[40:60, 90:98] == pytest.approx(1.0, rel=0.1) and found[40:60, 103:112] == pytest.approx(4.0, rel=0.1)


def test_a_small_patch_beyond_everything_else_is_a_wrong_match():
    truth, rgb = scene()
    matched = truth.copy()
    matched[10:12, 20:23], matched[80:82, 100:103] = 20.0, 3.9  # a disparity of 2 px in the wall's 10, and one like it
    found = complete(matched, np.zeros(SIZE, bool), rgb, truth, truth, FOCAL_BASELINE, matched)
    assert found.depth[10:12, 20:23] == pytest.approx(4.0, rel=0.01) and found.depth[81, 101] == np.float32(3.9)


def widened(truth, by):
    """The box is too large, as block matching has it."""
    out = truth.copy()
    out[BOX[0].start - by : BOX[0].stop + by, BOX[1].start - by : BOX[1].stop + by] = 1.0
    return out


def test_matched_depth_stays_but_for_the_widened_edge_of_what_is_near():
    truth, rgb = scene()
    found = completed(truth, rgb, np.zeros(SIZE, bool), widen=2).depth
    assert found[33:67, 63:97] == pytest.approx(1.0) and found[:20] == pytest.approx(4.0)
    wrong, before = (int(np.sum(np.abs(depth - truth) > 0.5)) for depth in (found, widened(truth, 2)))
    assert wrong < 0.5 * before  # what is left is next to the edge, where the colours mix


def test_a_good_network_shares_in_a_wide_hole_and_a_bad_one_does_not():
    """A surface that swings: the rim of a hole says nothing of its middle."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    truth = (3.0 + np.sin(rows / 9.0) + np.cos(columns / 11.0)).astype(np.float32)
    rgb = np.full((*SIZE, 3), 120, np.uint8)
    hole = np.zeros(SIZE, bool)
    hole[30:62, 40:80] = True
    inside = (slice(40, 52), slice(52, 68))
    good = completed(truth, rgb, hole, network=truth).depth[inside]
    bad = completed(truth, rgb, hole, network=np.full(SIZE, 30.0, np.float32)).depth[inside]
    assert np.abs(good / truth[inside] - 1).mean() < 0.3 * np.abs(bad / truth[inside] - 1).mean()
    assert bad.max() < 6.0


def test_the_sky_stays_the_sky():
    truth, rgb = scene()
    hole = np.zeros(SIZE, bool)
    hole[:20] = True
    network = np.where(hole, np.inf, 2.0).astype(np.float32)
    found = completed(truth, rgb, hole, network=network)
    assert np.isposinf(found.depth[:20]).all() and np.isnan(found.relative[:20]).all()


def test_the_expected_error_is_larger_where_the_sides_differ():
    truth, rgb = scene()
    hole = np.zeros(SIZE, bool)
    hole[BOX[0], 45:60] = True  # beside the box
    hole[80:92, 10:40] = True  # in the wall
    found = completed(truth, rgb, hole, hole)
    assert found.relative[45:55, 50:58].mean() > 5 * found.relative[82:90, 15:35].mean()
    assert found.reach.share == pytest.approx(found.known.mean()) and found.reach.abs_rel_within == 0.0
