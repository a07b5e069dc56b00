# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("protocol", "size", "bounds"),
    [
        (Protocol("nyu", "eigen"), (480, 640), (45, 471, 41, 601)),
        # The rows and columns that monodepth's own code makes of a 375x1242 image.
        (Protocol("kitti", "garg"), (375, 1242), (153, 371, 44, 1197)),
        (Protocol("kitti", "eigen"), (375, 1242), (124, 342, 44, 1197)),
        (Protocol("kitti", "garg"), (352, 1216), (143, 349, 43, 1172)),
        (Protocol(), (7, 9), (0, 7, 0, 9)),
    ],
)
def test_crops_are_the_published_ones(protocol, size, bounds):
    mask = protocol.mask(np.full(size, 5.0))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == bounds
    assert mask.sum() == (bounds[1] - bounds[0]) * (bounds[3] - bounds[2])


def test_the_range_is_open_and_unknown_does_not_count():
    truth = np.array([[np.nan, 1e-3, 0.0011, 9.999, 10.0, np.inf]])
    assert Protocol("", "none", 1e-3, 10.0).mask(truth).tolist() == [[False, False, True, True, False, False]]


def test_predictions_are_clamped_only_where_asked_for():
    depth = np.array([0.0001, 2.0, 50.0, np.inf, np.nan])
    truth, mask = np.array([1.5, 7.0, 9.0]), np.array([True, True, False])
    limited = Protocol("", "none", 1.0, 10.0)
    assert limited.far(truth, mask) == 10.0
    np.testing.assert_array_equal(limited.limited(depth, 10.0), [1.0, 2.0, 10.0, 10.0, np.nan])
    np.testing.assert_array_equal(
        Protocol("", "none", 1.0, 10.0, clamp=False).limited(depth, 10.0), [0.0001, 2.0, 50.0, 10.0, np.nan]
    )
    endless = Protocol("", "none", 1.0)
    assert endless.far(truth, mask) == 7.0
    np.testing.assert_array_equal(endless.limited(depth, 7.0), [1.0, 2.0, 50.0, 7.0, np.nan])
    assert endless.words().endswith("beyond range (+inf) counts as the farthest true depth")


def test_a_crop_of_another_data_set_is_refused():
    with pytest.raises(ConfigError, match="crop is garg, expected one of those of this data set: none, eigen"):
        Protocol("nyu", "garg")
    with pytest.raises(ConfigError, match="crop is eigen, expected one of those of this data set: none"):
        Protocol("", "eigen")
    with pytest.raises(DataError, match="the image is 320x240, expected 640x480 for the Eigen crop"):
        Protocol("nyu", "eigen").mask(np.ones((240, 320)))


def test_an_empty_range_is_refused():
    with pytest.raises(ConfigError, match="min_depth is 5 m, expected less than max_depth, 5 m"):
        Protocol("", "none", 5.0, 5.0)


def test_the_words_have_the_numbers():
    assert Protocol("kitti", "garg", 1e-3, 80.0).words() == (
        "Garg crop (rows 0.408108-0.991892 H, columns 0.0359477-0.964052 W); true depth 0.001 to 80 m; "
        "predictions clamped to that"
    )
