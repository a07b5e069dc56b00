# SPDX-License-Identifier: Apache-2.0
"""docs/cameras.md says how far off points are for who ignores the distortion of a lens: computed here."""

from __future__ import annotations

from pathlib import Path

from mono_depth_ros import Camera
from mono_depth_ros.geometry.rays import rays


def test_the_error_of_a_pinhole_at_the_sides_of_the_image(repository: Path) -> None:
    intrinsics = (438.783367, 437.302876, 305.593336, 243.738352)
    lens = Camera(640, 480, *intrinsics, "plumb_bob", (-0.361976, 0.110510, 0.001014, 0.000505, 0.0))
    pinhole = Camera(640, 480, *intrinsics)
    error = (rays(lens) - rays(pinhole))[..., 0].abs()[:, [0, -1]]
    at_2_m, at_5_m = (f"{float(z * error[240:].min()):.1f} to {float(z * error.max()):.1f} m" for z in (2, 5))
    words = f"points at the sides of the image are {at_2_m} off in x at 2 m, and {at_5_m} at 5 m"
    assert words in " ".join((repository / "docs" / "cameras.md").read_text(encoding="utf-8").split()), words
