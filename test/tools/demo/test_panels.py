# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.tools.demo.panels import panel
from mono_depth_ros.tools.report.pictures import DepthScale


@pytest.mark.parametrize(
    "how, columns", [({"aligned": 1.0}, 3), ({"motion": 1.0}, 3), ({"aligned": 1.0, "motion": 1.1}, 4)]
)
def test_each_alignment_is_a_column_more(frame, how, columns):
    one = frame(**how)
    found = panel(one, DepthScale.of([one.depth, one.truth]), width=160)
    assert found.shape[1] == columns * 160 + (columns + 1) * 16
    assert found.shape[0] == pytest.approx(2 * (120 + 98) + 16, abs=2)


@pytest.mark.parametrize("truth, rows", [(True, 2), (False, 1)])
def test_panel_has_a_row_more_with_ground_truth(frame, truth, rows):
    one = frame(truth=truth)
    found = panel(one, DepthScale.of([one.depth, one.truth]), width=160)
    assert found.dtype == np.uint8 and found.shape[1] == 2 * 160 + 3 * 16
    assert found.shape[0] == pytest.approx(rows * (120 + 98) + 16, abs=2)
    image = found[16 + 38 : 16 + 38 + 120, 16 : 16 + 160]
    assert (image == (40, 120, 200)).all(), "the image itself, as BGR"
