# SPDX-License-Identifier: Apache-2.0
"""Where the image lies in the network's input: the size rules, and the camera of the processed image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from mono_depth_ros.errors import ImageError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.onnx.parts import InputContract, SizeRule
from mono_depth_ros.models.resample import Size

MOST_PIXELS = 2**25
"""Of a network's input: a size rule that asks for more, from an image of extreme shape, is refused."""


@dataclass(frozen=True)
class Layout:
    """The image, resized to `content`, lies at (left, top) in a `canvas`; sizes are (width, height) in pixels.

    Attributes:
        scale: of the focal lengths fx and fy. That of `fit` is the exact ratio, not that of the sizes in whole pixels.
    """

    content: Size
    canvas: Size
    left: int
    top: int
    scale: tuple[float, float]

    @property
    def padded(self) -> bool:
        """Whether the canvas is larger than the image in it."""
        return self.content != self.canvas

    def camera(self, camera: Camera) -> Camera:
        """The camera of the canvas, from that of the image."""
        (width, height), (sx, sy) = self.canvas, self.scale
        cx, cy = (camera.cx + 0.5) * sx - 0.5 + self.left, (camera.cy + 0.5) * sy - 0.5 + self.top
        return replace(camera, width=width, height=height, fx=camera.fx * sx, fy=camera.fy * sy, cx=cx, cy=cy)


def layout(width: int, height: int, contract: InputContract) -> Layout:
    """How the network reads an image of this size.

    Raises:
        ImageError: reason `image_shape`: it is so extreme that a side vanishes or that the input would be huge.
    """
    rule = contract.size
    if rule.fit is not None:
        assert contract.pad is not None
        scale = min(rule.fit[0] / width, rule.fit[1] / height)
        content = (_whole(width * scale, 1, rule.rounding), _whole(height * scale, 1, rule.rounding))
        free = (rule.fit[0] - content[0], rule.fit[1] - content[1])
        left, top = (free[0] // 2, free[1] // 2) if contract.pad.where == "centre" else (0, 0)
        found = Layout(content, (rule.fit[0], rule.fit[1]), left, top, (scale, scale))
    else:
        content = _size(width, height, rule)
        found = Layout(content, content, 0, 0, (content[0] / max(width, 1), content[1] / max(height, 1)))
    if min(found.content) < 1 or found.canvas[0] * found.canvas[1] > MOST_PIXELS:
        read = f"the image is {width}x{height} and would be read at {found.content[0]}x{found.content[1]}"
        raise ImageError(f"{read}, expected a shape less extreme for size rule {rule.rule}", "image_shape")
    return found


def _size(width: int, height: int, rule: SizeRule) -> Size:
    if rule.fixed is not None:
        return rule.fixed[0], rule.fixed[1]
    scale, low, high = 1.0, 0.0, math.inf
    if rule.shorter_side is not None:
        scale, low = max(rule.shorter_side / width, rule.shorter_side / height), rule.shorter_side
    elif rule.longer_side is not None:
        scale, high = min(rule.longer_side / width, rule.longer_side / height), rule.longer_side

    def fit(side: int) -> int:
        """`nearest` as in Depth-Anything-V2 `util/transform.py`, `constrain_to_multiple_of`."""
        if rule.rounding != "nearest":
            return _whole(scale * side, rule.multiple, rule.rounding)
        rounded = _whole(scale * side, rule.multiple, "nearest")
        if rounded < low:
            return _whole(scale * side, rule.multiple, "up")
        return rounded if rounded <= high else _whole(scale * side, rule.multiple, "down")

    return fit(width), fit(height)


def _whole(length: float, multiple: int, rounding: str) -> int:
    steps = length / multiple
    # A hair's breadth of float error, as in 375 * (518 / 375), is no reason for another step.
    near = round(steps)
    if rounding == "nearest" or abs(steps - near) < 1e-9 * max(near, 1):
        return near * multiple
    return (math.floor(steps) if rounding == "down" else math.ceil(steps)) * multiple
