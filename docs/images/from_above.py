# SPDX-License-Identifier: Apache-2.0
"""Pictures seen from above: points and ways in metres, to one scale, with a bar of one length."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

INK, GREY, RED, BLUE, GREEN, ORANGE = (
    (38, 34, 30), (150, 146, 140), (50, 50, 225), (200, 110, 40), (90, 150, 50), (40, 150, 240)
)  # fmt: skip
FINE = 2  # drawn so much larger and made small at the end


class FromAbove:
    """A white picture of `size` (width, height) px that shows `left_top` (x, y) .. `right_bottom` with y upwards."""

    def __init__(self, size: tuple[int, int], left_top: tuple[float, float], right_bottom: tuple[float, float]) -> None:
        width, height = size
        across, along = right_bottom[0] - left_top[0], left_top[1] - right_bottom[1]
        self.scale = FINE * min(width / across, height / along)
        self.origin = np.array(left_top)
        margin = (FINE * np.array(size) - self.scale * np.array([across, along])) / 2
        self.margin = margin
        self.picture = np.full((FINE * height, FINE * width, 3), 255, np.uint8)

    def _px(self, xy: np.ndarray) -> np.ndarray:
        return np.round((xy - self.origin) * [self.scale, -self.scale] + self.margin).astype(np.int32)

    def points(self, xy: np.ndarray, colour: Sequence[int]) -> None:
        """(N, 2) metres, a dot each."""
        px = self._px(xy[np.isfinite(xy).all(axis=1)])
        inside = ((px >= 1) & (px < np.array(self.picture.shape[1::-1]) - 1)).all(axis=1)
        for step in np.ndindex(FINE, FINE):
            self.picture[px[inside, 1] + step[0], px[inside, 0] + step[1]] = colour

    def way(self, xy: np.ndarray, colour: Sequence[int], width: float = 1.5) -> None:
        """(N, 2) metres, joined, with a dot where it ends."""
        px = self._px(xy)
        cv2.polylines(self.picture, [px], False, colour, round(FINE * width), cv2.LINE_AA)
        cv2.circle(self.picture, px[-1].tolist(), 3 * FINE, colour, -1, cv2.LINE_AA)

    def text(self, text: str, px: tuple[int, int], colour: Sequence[int] = INK) -> None:
        """At a place of the finished picture."""
        place = (FINE * px[0], FINE * px[1])
        cv2.putText(
            self.picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * FINE, colour, FINE, cv2.LINE_AA
        )  # fmt: skip

    def bar(self, metres: float, px: tuple[int, int]) -> None:
        """How long so many metres are."""
        begin = (FINE * px[0], FINE * px[1])
        end = (begin[0] + round(metres * self.scale), begin[1])
        cv2.line(self.picture, begin, end, INK, FINE, cv2.LINE_AA)
        self.text(f"{metres:g} m", (px[0], px[1] - 7))

    def finished(self) -> np.ndarray:
        """(H, W, 3) uint8 BGR."""
        height, width = self.picture.shape[:2]
        return cv2.resize(self.picture, (width // FINE, height // FINE), interpolation=cv2.INTER_AREA)
