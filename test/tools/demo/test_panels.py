# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.tools.demo.panels import panel
from mono_depth_ros.tools.report.pictures import DepthScale


@pytest.mark.parametrize("truth, rows", [(True, 2), (False, 1)])
def test_panel_has_a_row_more_with_ground_truth(frame, truth, rows):
    one = frame(truth=truth)
    found = panel(one, DepthScale.of([one.depth, one.truth]), width=160)
    assert found.dtype == np.uint8 and found.shape[1] == 2 * 160 + 3 * 16
    assert found.shape[0] == pytest.approx(rows * (120 + 98) + 16, abs=2)
    image = found[16 + 38 : 16 + 38 + 120, 16 : 16 + 160]
    assert (image == (40, 120, 200)).all(), "the image itself, as BGR"
