# SPDX-License-Identifier: Apache-2.0
"""Corners followed from image to image."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_CORNERS = 450  # followed at once
_APART = 0.018  # of the image's diagonal, between two corners at least
_QUALITY = 0.003  # of the best corner's smaller eigenvalue (Shi and Tomasi 1994)
_REFILL = 0.8  # of the corners: below it new ones are looked for
_BACK_PX = 0.5  # from where a corner started to where it comes back to, at most
_WINDOW, _LEVELS = (21, 21), 3
_HALF = 7  # pixels, of the patch whose gradients say how surely a corner is followed
_SLIDES = 0.75  # power of the ratio of eigenvalues
_BORDER = 3  # pixels from the border within which a corner is not followed


class CornerTracks:
    """Corners (Shi and Tomasi 1994) followed by pyramids of Lucas and Kanade (Bouguet 2001), forwards and backwards.

    A corner that does not come back to where it started is given up (Kalal et al. 2010, forward-backward error).

    Attributes:
        ids: (N,) int64, ascending, one a corner and never given twice.
        pixels: (N, 2) float32 columns and rows in the last image, pixel centres at integers.
    """

    def __init__(self) -> None:
        self._next = 0
        self.reset()

    def reset(self) -> None:
        """Give up all corners."""
        self._gray: NDArray[np.uint8] | None = None
        self.ids = np.zeros(0, dtype=np.int64)
        self.pixels = np.zeros((0, 2), dtype=np.float32)

    def state(self) -> dict[str, Any]:
        """Everything that the next image depends on, as JSON values."""
        image = b"" if self._gray is None else cv2.imencode(".png", self._gray)[1].tobytes()
        return {
            "next": self._next,
            "ids": self.ids.tolist(),
            "pixels": self.pixels.tolist(),
            "image": b64encode(image).decode(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._next = state["next"]
        self.ids = np.array(state["ids"], dtype=np.int64)
        self.pixels = np.array(state["pixels"], dtype=np.float32).reshape(-1, 2)
        image = np.frombuffer(b64decode(state["image"]), dtype=np.uint8)
        self._gray = None if not len(image) else np.asarray(cv2.imdecode(image, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)

    def update(self, gray: NDArray[np.uint8]) -> None:
        """Follow the corners into the next image (H, W) uint8, and look for new ones where there are too few."""
        if self._gray is not None and self._gray.shape != gray.shape:
            self.reset()
        if self._gray is not None and len(self.ids):
            self._follow(self._gray, gray)
        if len(self.ids) < _REFILL * _CORNERS:
            self._refill(gray)
        self._gray = gray

    def _follow(self, before: NDArray[np.uint8], now: NDArray[np.uint8]) -> None:
        start = self.pixels.reshape(-1, 1, 2)
        there, found = _flow(before, now, start)
        back, returned = _flow(now, before, there, start)
        off = np.abs(back - start).reshape(-1, 2).max(axis=1)
        pixels = there.reshape(-1, 2)
        height, width = now.shape
        inside = (pixels >= _BORDER).all(axis=1) & (pixels < (width - _BORDER, height - _BORDER)).all(axis=1)
        kept = found & returned & (off < _BACK_PX) & inside
        self.ids, self.pixels = self.ids[kept], pixels[kept]

    def _refill(self, gray: NDArray[np.uint8]) -> None:
        apart = max(round(_APART * float(np.hypot(*gray.shape))), 4)
        free = np.full(gray.shape, 255, dtype=np.uint8)
        for column, row in np.rint(self.pixels).astype(int).tolist():
            cv2.circle(free, (column, row), apart, 0, -1)
        more = cv2.goodFeaturesToTrack(gray, _CORNERS - len(self.ids), _QUALITY, apart, mask=free)
        if more is None:
            return
        self.ids = np.concatenate((self.ids, np.arange(self._next, self._next + len(more))))
        self.pixels = np.concatenate((self.pixels, more.reshape(-1, 2)))
        self._next += len(more)


def whitening(gray: NDArray[np.uint8], pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, 2, 2) takes an error of followed corners, in pixels, to multiples of what it is across the strongest edge.

    What is followed by Lucas and Kanade has errors as the inverse of its structure tensor (Forstner 1987): along a
    line, which looks alike everywhere, a corner slides, and only where it is across the line is known.
    """
    image = np.pad(gray, _HALF + 1, mode="edge")
    columns, rows = np.rint(pixels).astype(np.int64).T
    offset = np.arange(-_HALF - 1, _HALF + 2)
    at = (rows + _HALF + 1)[:, None, None] + offset[:, None], (columns + _HALF + 1)[:, None, None] + offset
    patch = image[at].astype(np.float32)
    x = (patch[:, 1:-1, 2:] - patch[:, 1:-1, :-2]).reshape(len(patch), (2 * _HALF + 1) ** 2)
    y = (patch[:, 2:, 1:-1] - patch[:, :-2, 1:-1]).reshape(len(patch), (2 * _HALF + 1) ** 2)
    xx, xy, yy = (np.einsum("ij,ij->i", a, b).astype(np.float64) for a, b in ((x, x), (x, y), (y, y)))
    tensor = np.stack((xx, xy, xy, yy), axis=1).reshape(-1, 2, 2)
    value, vector = np.linalg.eigh(tensor)
    ratio = np.maximum(value / np.maximum(value[:, 1:], 1e-9), 1e-6)
    found: NDArray[np.float64] = (vector * (ratio**_SLIDES)[:, None]) @ vector.transpose(0, 2, 1)
    return found


def _flow(
    before: NDArray[np.uint8],
    now: NDArray[np.uint8],
    start: NDArray[np.float32],
    guess: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(N, 1, 2) where corners went, and (N,) whether they were found there; near a guess, on fine levels only."""
    first, levels, flags = (start, _LEVELS, 0) if guess is None else (guess, 1, cv2.OPTFLOW_USE_INITIAL_FLOW)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, now, start, first.copy(), winSize=_WINDOW, maxLevel=levels, flags=flags
    )
    return np.asarray(there, dtype=np.float32), np.asarray(found).ravel() == 1
