# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.media.bits import BitDepth, to_8bit


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_largest_value_of_so_many_bits_is_white(bits: int) -> None:
    values = np.array([0, 2 ** (bits - 1), 2**bits - 1], np.uint16)
    assert to_8bit(values, bits).ravel().tolist() == [0, 128, 255]


def test_as_many_bits_as_all_values_so_far_need_and_said_when_that_changes() -> None:
    said: list[str] = []
    scale = BitDepth(lambda: 0, said.append)
    dark, bright, full = (np.array([[0, top]], np.uint16) for top in (700, 4095, 4096 * 8))
    assert scale(dark)[0, 1] == round(700 * 255 / 1023) and scale.found == 10
    assert scale(bright)[0, 1] == 255 and scale.found == 12
    assert scale(dark)[0, 1] == round(700 * 255 / 4095), "a darker picture afterwards is darker"
    assert [sentence.split(", so")[0].split()[-1] for sentence in said] == ["700", "4095"]
    assert scale(full)[0, 1] == round(4096 * 8 * 255 / 65535) and len(said) == 2, "16 bits are as ever"


def test_the_bits_that_are_given_hold() -> None:
    said: list[str] = []
    scale = BitDepth(lambda: 12, said.append)
    assert scale(np.array([[0, 4095, 60000]], np.uint16)).tolist() == [[0, 255, 255]] and not said
