# SPDX-License-Identifier: Apache-2.0
"""Known depths at some pixels of an image: what a lidar, a stereo pair or a depth camera gives to the alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError

_OPTIONAL = ("group", "sigma", "weight", "scale_only")
_THIN_SEED = 7  # another than those that choose what is held out


@dataclass(frozen=True, eq=False)
class Samples:
    """Depths at pixels of one image, in any order, at most one a pixel.

    Attributes:
        rows, columns: (N,) int64 pixels of the image, 0-based.
        depth: (N,) float32 metres along the optical axis, finite and positive.
        size: (height, width) of the image.
        group: (N,) int64, what the sensor measures together, such as the beam of a lidar or a track: samples of one
            group lie near each other and err alike. -1, or None for all: not known, and parts of the image stand in.
        sigma: (N,) float32 metres, one standard deviation of `depth` where the sensor states or implies it; None: not
            known.
        weight: (N,) float32, how much each counts in the fit beside the others; None: all alike.
        scale_only: (N,) bool, those that fix scale and shift and correct nothing locally; None: of none.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    depth: NDArray[np.float32]
    size: tuple[int, int]
    group: NDArray[np.int64] | None = None
    sigma: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None
    scale_only: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "depth", *_OPTIONAL):
            values = getattr(self, name)
            if values is not None and values.shape != (self.depth.size,):
                raise DataError(f"{name} of samples has shape {values.shape}, expected ({self.depth.size},) as depth")

    def __len__(self) -> int:
        return int(self.depth.size)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(N,) index of each sample into the flattened image."""
        found: NDArray[np.int64] = self.rows * self.size[1] + self.columns
        return found

    def select(self, chosen: NDArray[Any]) -> Samples:
        """Those of a boolean mask (N,) or of indices."""
        more = {name: values[chosen] for name in _OPTIONAL if (values := getattr(self, name)) is not None}
        return Samples(self.rows[chosen], self.columns[chosen], self.depth[chosen], self.size, **more)

    def split(self, share: float, seed: int) -> tuple[Samples, Samples]:
        """(fitted, held out): about `share` of the samples is held out, chosen by a hash of pixel and seed.

        Neither the order nor the other samples matter, so that a pixel's turn is the same wherever it is drawn. The
        hash is the finaliser of MurmurHash3 (Appleby 2011, fmix64).
        """
        if share <= 0.0:
            return self, self.select(np.zeros(len(self), dtype=bool))
        out = _hash(self.pixels, seed) < np.uint64(int(min(share, 1.0) * float(2**64 - 2**11)))
        return self.select(~out), self.select(out)

    def thinned(self, most: int) -> Samples:
        """About `most` of them, spread evenly and always the same ones, or all where there are no more."""
        return self if len(self) <= most else self.split(1 - most / len(self), _THIN_SEED)[0]


def samples_from_depth(depth: NDArray[Any], low: float = 0.0, high: float = np.inf) -> Samples:
    """Every pixel of a depth map (H, W), metres, that is finite, positive and from `low` to `high`, as a sample."""
    with np.errstate(invalid="ignore"):
        known = np.isfinite(depth) & (depth > 0) & (depth >= low) & (depth <= high)
    rows, columns = np.nonzero(known)
    return Samples(rows, columns, depth[known].astype(np.float32), (int(depth.shape[0]), int(depth.shape[1])))


def _hash(numbers: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        h = numbers.astype(np.uint64) + np.uint64(seed % 2**64) * np.uint64(0x9E3779B97F4A7C15)
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            h ^= h >> np.uint64(33)
            h *= np.uint64(factor)
        h ^= h >> np.uint64(33)
    return h
