# SPDX-License-Identifier: Apache-2.0
"""`depth_edges` and `pack_cloud` of `cloud.py` on the CPU, to the bit: some rows at a time, which stay in its cache.

All at once they would write some hundred MB for a 1920x1080 image, most of it fresh pages.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

_PIXELS = 32768  # of a band


def band_edges(depth: np.ndarray, ratio: float, stride: int, step: int) -> np.ndarray:
    """(H / stride, W / stride) bool as of `cloud.depth_edges`; `step`: pixels between the slopes that are compared."""
    height, width = depth.shape
    edges = np.zeros((-(-height // stride), -(-width // stride)), bool)
    reach = step + 1
    for first, last in _bands(height, width, stride):
        top, bottom = max(first - reach, 0), min(last + reach, height)
        tall = _inverse(depth[top:bottom, ::stride])
        wide = tall[first - top : last - top] if stride == 1 else _inverse(depth[first:last:stride])
        jumps = np.zeros((len(wide), edges.shape[1]), np.float32)
        if width > 2 * reach:
            across = np.ascontiguousarray(_extended(wide.T, reach, reach).T)
            slope = across[:, 2:] - across[:, :-2]
            _raise(jumps, slope[:, step:-step:stride], slope[:, : -2 * step : stride], slope[:, 2 * step :: stride])
        if height > 2 * reach:
            down = _extended(tall, reach - (first - top), reach - (bottom - last))
            slope = down[2:] - down[:-2]
            _raise(jumps, slope[step:-step:stride], slope[: -2 * step : stride], slope[2 * step :: stride])
        limit = np.float32(ratio) * wide[:, ::stride]
        np.greater(jumps, limit, out=edges[first // stride : first // stride + len(wide)])
    return edges


def band_pack(
    depth: np.ndarray, rays: np.ndarray, rgb: np.ndarray, left_out: np.ndarray | None, out: np.ndarray
) -> None:
    """Write a cloud into `out`, (H, W, 4) float32 C-contiguous; the other arguments are those of `cloud.pack_cloud`."""
    for first, last in _bands(depth.shape[0], depth.shape[1], 1):
        band = slice(first, last)
        x, y = (np.ascontiguousarray(rays[band, :, axis]) for axis in (0, 1))
        known = (np.abs(depth[band]) < np.inf) & (x == x)
        if left_out is not None:
            known &= ~left_out[band]
        z = np.where(known, depth[band], np.float32(np.nan))
        colour = cv2.cvtColor(np.ascontiguousarray(rgb[band]), cv2.COLOR_RGB2BGRA).view(np.uint32)[..., 0]
        colour &= 0x00FFFFFF
        cv2.merge([np.multiply(x, z, out=x), np.multiply(y, z, out=y), z, colour.view(np.float32)], dst=out[band])


def _bands(height: int, width: int, stride: int) -> Iterator[tuple[int, int]]:
    rows = max(_PIXELS // width, 1) * stride
    return ((first, min(first + rows, height)) for first in range(0, height, rows))


def _inverse(depth: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.reciprocal(depth)
    return np.where(depth > 0, inverse, np.float32(0.0))


def _extended(inverse: np.ndarray, above: int, below: int) -> np.ndarray:
    """So many rows more, which go on with the slope of the first and of the last two."""
    rows = [inverse]
    if above:
        first = inverse[:1]
        rows.insert(0, first + (first - inverse[1:2]) * np.arange(above, 0, -1, dtype=np.float32)[:, None])
    if below:
        last = inverse[-1:]
        rows.append(last + (last - inverse[-2:-1]) * np.arange(1, below + 1, dtype=np.float32)[:, None])
    return np.concatenate(rows) if len(rows) > 1 else inverse


def _raise(jumps: np.ndarray, slope: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
    """To how far a slope differs from one of the slopes beside it, but not further than it is steep."""
    slope, before, after = (np.ascontiguousarray(item) for item in (slope, before, after))
    jump = cv2.max(cv2.absdiff(slope, before), cv2.absdiff(slope, after))
    cv2.max(jumps, cv2.min(jump, np.abs(slope)), dst=jumps)
