# SPDX-License-Identifier: Apache-2.0
"""Depth and error as pictures with a scale in metres and percent: one scale for all the pictures that are compared."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from mono_depth_ros.geometry.colorize import colorize

ERROR_LIMIT = 0.5
"""The relative error at the end of the error scale; larger ones look the same."""

_UNKNOWN = (88, 88, 88)  # BGR, of pixels that cannot be compared
_TICKS_M = (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200)
_LEAST_TICK_GAP = 0.085  # of the length of the bar


@dataclass(frozen=True)
class Scale:
    """A colour bar: its (n, 3) uint8 BGR colours from left to right, and ticks as (position in 0..1, text)."""

    colours: np.ndarray
    ticks: tuple[tuple[float, str], ...]

    def gradient(self) -> str:
        """The bar as a CSS gradient."""
        picked = self.colours[np.linspace(0, len(self.colours) - 1, 24).astype(int)]
        return "linear-gradient(to right," + ",".join(f"#{r:02x}{g:02x}{b:02x}" for b, g, r in picked) + ")"


@dataclass(frozen=True)
class DepthScale:
    """Colours are linear in inverse depth, as in the topic `depth/color`: near is warm, far is cold.

    Attributes:
        low, high: inverse depth in 1/m at the far and the near end.
    """

    low: float
    high: float

    @classmethod
    def of(cls, maps: Iterable[np.ndarray | None]) -> DepthScale:
        """The scale that suits all these depth maps (H, W) in metres; None is left out."""
        known = [part[::4, ::4] for part in maps if part is not None]
        inverse = np.concatenate([1.0 / part[np.isfinite(part) & (part > 0)] for part in known] or [np.empty(0)])
        if not inverse.size:
            return cls(0.0, 1.0)
        low, high = np.percentile(inverse, (1, 99)).tolist()
        return cls(low, max(high, low + 1e-6))

    def picture(self, depth: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 BGR; unknown is black."""
        with np.errstate(divide="ignore"):
            inverse = torch.from_numpy(1.0 / depth.astype(np.float32))
        return cv2.cvtColor(colorize(inverse, self.low, self.high).numpy(), cv2.COLOR_RGB2BGR)

    def scale(self) -> Scale:
        """The bar, near on the left."""
        line = torch.linspace(self.high, self.low, 256)[None]
        places = [((self.high - 1 / metres) / (self.high - self.low), f"{metres:g} m") for metres in _TICKS_M]
        return Scale(colorize(line, self.low, self.high).numpy()[0, :, ::-1], _spaced(places))


def error_picture(depth: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 BGR of |depth - truth| / truth; grey where there is nothing to compare."""
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(depth - truth) / truth
        known = np.isfinite(relative) & (truth > 0)
        level = np.where(known, np.clip(relative / ERROR_LIMIT, 0, 1) * 255, 0).astype(np.uint8)
    return np.where(known[..., None], _error_colours()[level], np.array(_UNKNOWN, np.uint8)).astype(np.uint8)


def error_scale() -> Scale:
    """The bar that goes with `error_picture`."""
    steps = np.linspace(0, 1, 6)
    ticks = tuple(
        (float(s), f"{100 * s * ERROR_LIMIT:.0f} %" if s < 1 else f"≥ {100 * ERROR_LIMIT:.0f} %") for s in steps
    )
    return Scale(_error_colours(), ticks)


def jpeg_uri(bgr: np.ndarray, width: int = 480) -> str:
    """The picture as a data URI, no wider than `width`, so that a page holds it without a file beside it."""
    if bgr.shape[1] > width:
        bgr = cv2.resize(bgr, (width, round(bgr.shape[0] * width / bgr.shape[1])), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, 88))[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _error_colours() -> np.ndarray:
    return cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_MAGMA)[:, 0]


def _spaced(places: Iterable[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    kept: list[tuple[float, str]] = []
    for place, text in places:
        # The text of a tick near the end is moved inwards, towards its neighbour.
        gap = _LEAST_TICK_GAP * (1.7 if place > 0.96 else 1.0)
        if 0 <= place <= 1 and (not kept or place - kept[-1][0] >= gap):
            kept.append((place, text))
    return tuple(kept)
