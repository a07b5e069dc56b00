# SPDX-License-Identifier: Apache-2.0
"""Known depths as the input of a network that takes them: on a grid over the whole image, its holes filled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.models.preprocess import sized
from mono_depth_ros.models.processing import PromptInput
from mono_depth_ros.prediction import DepthPrediction, Prompt
from mono_depth_ros.transfer import upload

NEIGHBOURS = 4
"""That a hole is the mean of: the authors of Prompt Depth Anything, issues 3 and 8 of their repository."""
AT_END = 0.005
"""Of the range of a prompt: depth this near to an end of it may be any depth beyond."""

_MIN_SPAN = 1e-3  # of the farthest depth: a prompt of less says the same everywhere
_SHAPE_TOLERANCE = 0.02
_KD_TREE = {"algorithm": 4, "leaf_max_size": 10}  # KDTREE_SINGLE, which is exact


@dataclass(frozen=True, eq=False)
class KnownDepths:
    """A `Prompt`."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    depth: NDArray[np.float32]
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class PromptTensor:
    """What the network takes of the prompts of N images.

    Attributes:
        values: float32 on the device. low, span: (N,) metres, of the range that depth is given in; 0 and 1 for metres.
        ends: depth cannot leave that range.
    """

    values: Tensor
    low: tuple[float, ...]
    span: tuple[float, ...]
    ends: bool

    def metres(self, depth: Tensor) -> Tensor:
        """The depth output (N, ...), or of one image without the batch's axis, in metres."""
        if not self.ends:
            return depth
        if len(self.low) == 1:
            return depth * self.span[0] + self.low[0]
        shape = (-1, *(1,) * (depth.ndim - 1))
        low, span = (upload(np.array(of, np.float32), depth.device).view(shape) for of in (self.low, self.span))
        return depth * span + low

    def marked(self, prediction: DepthPrediction, index: int) -> DepthPrediction:
        """With the confidence 0 where depth is at an end of the prompt's range, which it cannot leave."""
        if not self.ends:
            return prediction
        share = (prediction.values - self.low[index]) / self.span[index]
        inside = ((share > AT_END) & (share < 1 - AT_END)).float()
        known = prediction.confidence
        return replace(prediction, confidence=inside if known is None else inside * known)


def prompt_tensor(
    prompts: Sequence[Prompt], size: tuple[int, int], form: PromptInput, rank: int, device: torch.device
) -> PromptTensor:
    """Args:
        size: (height, width) of the images. rank: of the graph's input: 4, 3, or 2 for one image.

    Raises:
        SamplesError: a prompt that says nothing, or is not of this image: see `check_prompt`.
    """
    across, down = sized(size[1], size[0], form.size)
    grids, low, span = [], [], []
    for prompt in prompts:
        check_prompt(prompt, size)
        grid = prompt_grid(prompt, (down, across), form.hole)
        nearest, farthest = (0.0, 1.0) if form.range == "metres" else _range(prompt, grid, form)
        low.append(nearest)
        span.append(farthest - nearest)
        scaled = grid * form.factor if form.range == "metres" else (grid - nearest) / (farthest - nearest)
        if form.hole is not None:
            scaled = np.where(np.isnan(grid), form.hole, scaled)
        grids.append(scaled.astype(np.float32))
    values = upload(np.stack(grids), device)
    values = values[0] if rank == 2 else values if rank == 3 else values[:, None]
    return PromptTensor(values, tuple(low), tuple(span), form.range == "own")


def check_prompt(prompt: Prompt, size: tuple[int, int]) -> None:
    """Raise SamplesError, reason `prompt`, for a prompt that is not of an image of this size (height, width)."""
    height, width = prompt.size
    fits = abs(width * size[0] / max(height * size[1], 1) - 1)
    if fits > _SHAPE_TOLERANCE + 1 / max(min(height, width), 1):
        found = f"the prompt is of a {width}x{height} image, that of the network {size[1]}x{size[0]}"
        raise SamplesError(f"{found}: expected one of its size, or at least of its shape", "prompt")
    if not len(prompt.depth):
        raise SamplesError("the prompt holds no known depth, expected several", "prompt")
    outside = (prompt.rows < 0) | (prompt.rows >= height) | (prompt.columns < 0) | (prompt.columns >= width)
    if outside.any():
        found = f"{int(outside.sum())} of {len(outside)} depths of the prompt lie outside of {width}x{height}"
        raise SamplesError(f"{found}: expected all in the picture", "prompt")
    with np.errstate(invalid="ignore"):
        odd = ~(np.isfinite(prompt.depth) & (prompt.depth > 0))
    if odd.any():
        found = f"{int(odd.sum())} of {len(odd)} depths of the prompt are no positive number of metres"
        raise SamplesError(f"{found}: leave out what is not known", "prompt")


def _range(prompt: Prompt, grid: NDArray[np.float32], form: PromptInput) -> tuple[float, float]:
    """The nearest and the farthest depth of the grid, as the authors take it, holes filled.

    Raises:
        SamplesError: there is no range to speak of.
    """
    low, high = float(np.nanmin(grid)), float(np.nanmax(grid))
    if high - low <= _MIN_SPAN * high:
        count = len(prompt.depth)
        found = f"the {count} known depths of the prompt are" if count > 1 else "the only known depth of the prompt is"
        raise SamplesError(
            f"{found} {high:.3g} m, and the network's depth cannot leave their range: expected different ones", "prompt"
        )
    return low, high


def prompt_grid(prompt: Prompt, size: tuple[int, int], hole: float | None = None) -> NDArray[np.float32]:
    """(h, w) metres: where known depths lie in a cell, the one nearest to its centre; elsewhere the mean of the 4
    nearest, or NaN with a `hole`.

    Args:
        size: (h, w) of the grid, whose cells cover the prompt's picture.
    """
    scale = [cells / side for cells, side in zip(size, prompt.size, strict=True)]
    points = np.stack(
        [(of + 0.5) * factor - 0.5 for of, factor in zip((prompt.rows, prompt.columns), scale, strict=True)], axis=1
    )
    cells = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1).reshape(-1, 2)
    count = min(NEIGHBOURS, len(points))
    points = points.astype(np.float32)
    near, _ = cv2.flann.Index(points, _KD_TREE).knnSearch(cells.astype(np.float32), count, params={"checks": -1})
    depth = prompt.depth[near]
    # Half a cell is the cell's own border, which a depth may lie on.
    inside = np.abs(points[near[:, 0]] - cells).max(axis=1) <= 0.5
    other = depth.mean(axis=1) if hole is None else np.float32(math.nan)
    found: NDArray[np.float32] = np.where(inside, depth[:, 0], other).astype(np.float32).reshape(size)
    return found


def example_prompt(width: int, height: int) -> KnownDepths:
    """Known depths of `check_frame`'s picture: a lattice of a slope with steps, 1 to 9 m."""
    rows, columns = (of.ravel() for of in np.mgrid[height // 8 : height : 5, 2:width:5])
    depth = 1 + (rows * 4 // height + columns * 3 // width % 2) + 3 * (rows / height).astype(np.float32)
    return KnownDepths(rows, columns, depth.astype(np.float32), (height, width))
