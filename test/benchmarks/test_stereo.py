# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest

import stereo


def test_a_hole_takes_its_left_neighbour():
    nan = np.nan
    found = stereo.left_neighbour(np.array([[nan, 2.0, nan, nan, 5.0], [1.0, nan, nan, nan, nan]]))
    np.testing.assert_array_equal(found, [[2, 2, 2, 2, 5], [1, 1, 1, 1, 1]])


def test_without_the_pair_it_says_so(tmp_path, capsys):
    assert stereo.main(["--out", str(tmp_path), "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["without"] == ["middlebury"]


def test_the_real_pair_is_better_than_its_matcher_and_says_how_good_it_is(real_data):
    if not (real_data / stereo.FOLDER).is_dir():
        pytest.skip(f"no {stereo.FOLDER} in {real_data}")
    found = stereo.stereo(real_data)
    assert found["holds"], found
