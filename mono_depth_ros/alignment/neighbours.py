# SPDX-License-Identifier: Apache-2.0
"""The samples nearest to many places of an image at once, by cells, in the same way on CPU and CUDA.

Samples are sorted into square cells, so large that about one sample lies in each; a place looks into the 3x3 cells
around it. Where samples are sparse, and there are too few in these, it looks into cells twice as large, and so on until
one holds the whole image. Of a full cell a few samples stand for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

_FULL = 4  # samples that a cell keeps


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For Q places: index (Q, K) int64 of samples, the nearest first; distance (Q, K) float32 pixels, inf: none."""

    index: torch.Tensor
    distance: torch.Tensor


def nearest_samples(samples: torch.Tensor, places: torch.Tensor, size: tuple[int, int], count: int) -> Neighbours:
    """The `count` nearest samples of each place, nearly: of crowded cells some are left out.

    Args:
        samples: (N, 2) float32 row and column in pixels, N >= 1. places: (Q, 2), likewise. size: (height, width).
    """
    device, n = places.device, len(samples)
    index = torch.zeros((len(places), count), dtype=torch.int64, device=device)
    distance = torch.full((len(places), count), torch.inf, device=device)
    open_places = torch.arange(len(places), device=device)
    span = samples.amax(dim=0) - samples.amin(dim=0) + 1
    cell = max(float((span[0] * span[1] / n).sqrt()), 1.0)
    while len(open_places):
        last = cell >= max(size)
        found = _in_cells(samples, places[open_places], size, cell, count)
        enough = torch.isfinite(found.distance[:, min(count, n) - 1]) | last
        done = open_places[enough]
        index[done], distance[done] = found.index[enough], found.distance[enough]
        open_places = open_places[~enough]
        cell *= 2
    return Neighbours(index, distance)


def _in_cells(
    samples: torch.Tensor, places: torch.Tensor, size: tuple[int, int], cell: float, count: int
) -> Neighbours:
    """The nearest of those in the 3x3 cells around each place."""
    height, width = (int(side / cell) + 3 for side in size)  # a margin of one empty cell all around
    at = (samples / cell).to(torch.int64) + 1
    cells = at[:, 0] * width + at[:, 1]
    order = torch.argsort(cells, stable=True)
    cells = cells[order]
    starts = torch.searchsorted(cells, cells)  # of each sample's cell among the sorted samples
    rank = torch.arange(len(cells), device=cells.device) - starts
    # Of a full cell every n-th: those that come first would all be of its upper rows.
    inside = torch.searchsorted(cells, cells, right=True) - starts
    slot = rank * _FULL // inside.clamp(min=_FULL)
    slots = cells * _FULL + torch.where(inside <= _FULL, rank, slot)
    first = torch.ones_like(
        slots, dtype=torch.bool
    )  # of those that share a slot; which one is written last is not sure
    first[1:] = slots[1:] != slots[:-1]
    slots, order = slots[first], order[first]
    index = torch.zeros(height * width * _FULL, dtype=torch.int64, device=cells.device)
    index[slots] = order
    # The positions are laid out by cells too: rows of four are read far faster than samples one by one.
    position = torch.full((2, height * width * _FULL), torch.inf, device=cells.device)
    position[:, slots] = samples[order].T

    home = (places / cell).to(torch.int64) + 1
    offsets = torch.tensor([r * width + c for r in (-1, 0, 1) for c in (-1, 0, 1)], device=cells.device)
    around = ((home[:, 0] * width + home[:, 1])[:, None] + offsets).clamp(0, height * width - 1).reshape(-1)
    index, row, column = (
        table.reshape(-1, _FULL).index_select(0, around).reshape(len(places), -1) for table in (index, *position)
    )
    row, column = row - places[:, :1], column - places[:, 1:]
    distance = row * row + column * column
    distance, chosen = torch.topk(distance, min(count, distance.shape[1]), dim=1, largest=False)
    return Neighbours(torch.gather(index, 1, chosen), distance.sqrt())
