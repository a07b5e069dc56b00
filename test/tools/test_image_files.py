# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from mono_depth_ros.tools.image_files import output_names


def outputs(name):
    return [Path(f"{name}.npy"), Path(f"{name}_color.png"), Path(f"{name}.png")]


@pytest.mark.parametrize(
    "inputs, expected",
    [
        (["x/a.png", "y/b.png"], ["a", "b"]),
        (["x/a.png", "y/a.png"], ["x/a", "y/a"]),
        (["x/left/1.png", "x/right/1.png", "x/2.png"], ["left/1", "right/1", "2"]),
        (["x/a.png", "x/a.jpg"], ["a.png", "a.jpg"]),
        (["x/frame-0.color.jpg", "x/frame-1.color.jpg"], ["frame-0.color", "frame-1.color"]),
        # a_color.png would be the colours of a and the millimetres of a_color.
        (["x/a.png", "x/a_color.jpg"], ["a.png", "a_color.jpg"]),
    ],
)
def test_no_two_inputs_write_the_same_file(inputs, expected):
    assert output_names([Path(name) for name in inputs], outputs) == [Path(name) for name in expected]
