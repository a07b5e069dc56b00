# SPDX-License-Identifier: Apache-2.0
"""What a calibration file holds, and its keys read with errors that name file and key."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mono_depth_ros.errors import CameraError, shown

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_MAX_SIDE = 1 << 20  # pixels


@dataclass(frozen=True)
class CameraCalibration:
    """What calibration files and sensor_msgs/CameraInfo hold; `Camera.from_calibration` makes a camera of it.

    Attributes:
        width, height: the full, unbinned resolution that K and P refer to; 0 where it is not said.
        K: 9 numbers, row major. D: distortion coefficients. P: 12 numbers, row major, or none. R: 9 numbers.
        model: the `distortion_model`; empty means no distortion, and then D must be empty or zero.
        binning: pixels of the sensor combined in one of the image (0 means 1).
        roi: x, y, width, height in unbinned pixels (width = height = 0 means the whole image).
    """

    width: int
    height: int
    K: tuple[float, ...]
    D: tuple[float, ...] = ()
    P: tuple[float, ...] = ()
    R: tuple[float, ...] = IDENTITY
    model: str = ""
    name: str = "camera"
    binning: tuple[int, int] = (1, 1)
    roi: tuple[int, int, int, int] = (0, 0, 0, 0)


Cameras = Mapping[str, Callable[[], CameraCalibration]]
"""The cameras of a file by name; what is wrong with one is raised where it is made."""


def matrix(fx: float, fy: float, cx: float, cy: float) -> tuple[float, ...]:
    """K of its four numbers."""
    return (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)


class Keys:
    """The keys of a mapping in a calibration file.

    Args:
        where: begins each sentence, such as "calibration camera.yaml".
    """

    def __init__(self, where: str, content: Mapping[str, Any]) -> None:
        self.where, self._content = where, content

    def get(self, *names: str) -> Any:
        """The value of the first of the names that is there; None where none is."""
        return next((self._content[name] for name in names if self._content.get(name) is not None), None)

    def text(self, name: str, default: str = "") -> str:
        """A value that is a text."""
        value = self.get(name)
        return default if value is None else str(value)

    def pixels(self, name: str) -> int:
        """A side of the image; 0 where it is 0, missing or null."""
        value = self.get(name)
        return 0 if value is None else self._side(name, value)

    def size(self, name: str) -> tuple[int, int]:
        """Width and height as a list; zeros where it is missing."""
        value = self.get(name)
        if value is None:
            return 0, 0
        if not isinstance(value, list) or len(value) != 2:
            raise CameraError(f"{self.where}: '{name}' is {_brief(value)}, expected width and height in pixels")
        return self._side(name, value[0]), self._side(name, value[1])

    def numbers(self, *names: str, count: int = 0, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """A matrix or list of numbers under one of the names: rows, cols and data, a list, or a list of rows.

        Args:
            count: so many are expected; 0: any. default: where the key is missing; None: that is an error.
        """
        name = next((name for name in names if self._content.get(name) is not None), names[0])
        block = self._content.get(name)
        if block is None and default is not None:
            return default
        if block is None:
            raise CameraError(f"{self.where} has no '{names[0]}', expected it")
        data = block.get("data") if isinstance(block, dict) else block
        if isinstance(data, list) and data and all(isinstance(row, list) for row in data):
            data = [value for row in data for value in row]
        if not isinstance(data, list):
            raise CameraError(f"{self.where}: '{name}' has no list 'data', expected rows, cols and data")
        try:
            # YAML 1.1 reads 1e-05 (no dot) as a text, which is a number for everyone else.
            values = tuple(float(value) for value in data)
        except (TypeError, ValueError, OverflowError):
            wrong = next(value for value in data if not _is_number(value))
            raise CameraError(f"{self.where}: '{name}' holds {_brief(wrong)}, expected numbers") from None
        if count and len(values) != count:
            expected = f"{count} ({3}x{count // 3})" if count in (9, 12) else f"{count}"
            raise CameraError(f"{self.where}: '{name}' has {len(values)} numbers, expected {expected}")
        return values

    def _side(self, name: str, value: Any) -> int:
        if _is_number(value) and float(value).is_integer() and 0 <= float(value) < _MAX_SIDE:
            return int(float(value))
        raise CameraError(f"{self.where}: '{name}' is {_brief(value)}, expected a number of pixels")


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and not math.isnan(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _brief(value: Any) -> str:
    return shown(repr(value), 40)
