# SPDX-License-Identifier: Apache-2.0
"""Local correction: what the fit of the whole image leaves at the samples, spread over the image.

Between samples the depth is a mean of several estimates (`interpolation`), beyond them of others (`extrapolation`). How
much each counts is told by samples that are held out of all (`held_out`). Where nothing beats the fit by more than
chance the fit stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.blending import blend
from mono_depth_ros.alignment.disagreement import APART, disagreement, roughness
from mono_depth_ros.alignment.extrapolation import around, extrapolation_weights, to_grid, weights_at
from mono_depth_ros.alignment.held_out import HeldOut, at_edges, held_out, lines
from mono_depth_ros.alignment.interpolation import COLOUR, INVERSE, NEAREST, OF_RATIO, USUAL, Known, estimates
from mono_depth_ros.alignment.kriging import kriged, noisy
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.silhouettes import USUAL as USUAL_EDGES
from mono_depth_ros.alignment.silhouettes import beside
from mono_depth_ros.alignment.triangulation import Places
from mono_depth_ros.alignment.upsampling import upsampled
from mono_depth_ros.transfer import download, upload

Floats = NDArray[np.float32]

_MIN_SAMPLES = 8  # samples below which the fit stays as it is
_STEPS = ((2.5, 1), (20.0, 2), (np.inf, 4))  # up to this spacing of the samples, pixels between two places
_DOUBT, _DOUBT_FARTHER = 0.03, 0.05  # of the weights; for each doubling of the distance to the nearest sample
_DISAGREE, _MAX_DISAGREE = 0.06, 10.0  # of ln d, between a sliver and the nearest sample: the sliver counts 1/e
_GAIN_SIGMAS = (0.5, 2.0)  # standard errors by which the estimates must beat the fit: nothing of them, all of them
_GAIN_SIGMAS_OF_FEW = 800.0  # more, by the square of the number of samples
_MOST = 1.5  # times the farthest sample: no ratio takes a depth beyond


@dataclass(frozen=True, eq=False)
class _Weights:
    """Of the estimates within triangles (7,), beyond them (D, 3), and of samples alike at edges; see `_weigh`."""

    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    edges: float = 0.0
    disagree: float = _DISAGREE
    strength: float = 1.0


def local_correction(depth: torch.Tensor, samples: Samples, guide: torch.Tensor | None = None) -> torch.Tensor:
    """The correction of `corrected`."""
    return corrected(depth, samples, guide)[0]


def corrected(
    depth: torch.Tensor, samples: Samples, guide: torch.Tensor | None = None
) -> tuple[torch.Tensor, LeftOut | None]:
    """ln of what the depth must be multiplied with, so that it goes through the samples.

    Args:
        depth: (H, W) float32 metres, after the fit of the whole image. Not finite: the correction there is 0.
        samples: in this image. Those where the depth is not finite are not used.
        guide: (H, W, 3) uint8 RGB image on the depth's device: samples of like colour count more, where that helps.

    Returns:
        (H, W) float32 on the depth's device, 0 is no correction; and what samples say that were left out, or None.
    """
    if noisy(samples):
        return kriged(depth, samples)
    size = int(depth.shape[0]), int(depth.shape[1])
    spacing = float(np.sqrt(size[0] * size[1] / max(len(samples), 1)))
    step = next(step for most, step in _STEPS if spacing <= most)
    # Hundreds of operations on some hundred samples and on a grid are done on the host, where each is cheaper and no
    # value has to be waited for; what is done for every pixel, where the depth is.
    coarse = [depth.detach()[::step, ::step]] + ([] if guide is None else [guide[::step, ::step]])
    fitted, on_grid, *colours = download(
        depth.detach().reshape(-1).index_select(0, upload(samples.pixels, depth.device)), *coarse
    )
    usable = np.isfinite(fitted) & (fitted > 0)
    if np.count_nonzero(usable) < _MIN_SAMPLES:
        return torch.zeros_like(depth), None
    number, samples, log_g = np.flatnonzero(usable), samples.select(usable), np.log(fitted[usable])
    field, left_out = _field(samples, log_g, on_grid, colours[0] if colours else None, step)
    if left_out is not None:
        left_out = replace(left_out, number=number[left_out.number])
    if field is None:
        return torch.zeros_like(depth), left_out
    # ln d = offset + trust * ln g: between the places both are smooth, and ln g has the edges.
    offset, trust_less_one = upsampled(upload(field, depth.device), step, *size)
    log_depth = depth.detach().log()  # not finite where the depth is none, and so is then the correction
    most = float(np.log(_MOST) + np.log(samples.depth.max()))
    correction = offset.addcmul_(trust_less_one, log_depth)
    torch.minimum(correction, log_depth.neg_().add_(most).clamp_(min=0.0), out=correction)
    return correction.nan_to_num_(0.0, 0.0, 0.0), left_out


def _field(
    samples: Samples, log_g: Floats, on_grid: Floats, colour: NDArray[np.uint8] | None, step: int
) -> tuple[Floats | None, LeftOut]:
    """(2, h, w) offset, and trust less one, at the places; None: the fit stays."""
    height, width = on_grid.shape
    fitted = np.log(np.where(np.isfinite(on_grid) & (on_grid > 0), on_grid, 1)).reshape(-1)
    colours = None if colour is None else _smooth(colour, step)
    of_samples = None if colours is None else colours[:, samples.rows // step * width + samples.columns // step]
    known = Known(np.log(samples.depth), log_g, of_samples)
    rng = np.random.default_rng(len(samples))
    line = lines(samples)
    in_beam = None if line is None or not np.ptp(line) else beside(line, samples.columns)
    left, triangles = held_out(samples, known, line, in_beam, _usual(known) > 0, rng)
    places = triangles.on_grid(step)
    distance_of_places = float(places.distance.mean()) if len(places.number) else 1.0
    weights, left_out = _weigh(samples, known, line, left, distance_of_places, rng)
    at = places.number
    wanted = weights.inside > 0
    wanted[APART] = True
    colours = None if colours is None else colours[:, at]
    inside = estimates(places, known, fitted[at], colours, wanted)
    rough = roughness(samples.rows, samples.columns, known, triangles.corners)
    doubt = np.full(len(left.number), np.nan, dtype=np.float32)
    of = left.places
    doubt[of.number] = disagreement(of, rough, left.inside[:, of.number], np.float32(0))
    of_image = np.full(height * width, np.nan, dtype=np.float32)
    of_image[at] = disagreement(places, rough, inside, fitted[at])
    of_image = of_image.reshape(height, width)
    steps = float(np.ptp(known.log_depth[of.corners], axis=0).mean()) if len(of.number) else 0.0
    left_out = replace(left_out, disagreement=doubt, of_image=of_image, step=step, steps=steps)
    if weights.strength == 0.0:
        return None, left_out

    near = around(samples.rows, samples.columns, [known.log_depth - known.fitted, known.log_depth], samples.size)
    outside = weights_at(weights.outside, near.distance)
    offset = to_grid(outside[0] * near.mean[0] + outside[1] * near.mean[1], samples.size, step)
    trust = to_grid(outside[0] + outside[2], samples.size, step)
    mean = weights.inside.astype(np.float32) @ inside
    within = _within(places, inside, to_grid(near.mean[1], samples.size, step)[at], weights.disagree)
    offset[at] += within * (mean - offset[at])
    trust[at] += within * (np.float32(weights.inside[OF_RATIO].sum()) - trust[at])
    if in_beam is not None and weights.edges > 0:
        rows, columns = np.divmod(at, width)
        edge, there = at_edges(samples, known, places, in_beam, step * rows, step * columns, fitted[at], colours)
        share = within[edge] * np.float32(weights.edges)
        offset[at[edge]] += share * (there - offset[at[edge]])
        trust[at[edge]] -= share * trust[at[edge]]
    strength = np.float32(weights.strength)
    field: Floats = (strength * np.stack((offset, trust - 1))).reshape(2, height, width)
    return field, left_out


def _within(places: Places, found: Floats, nearest: Floats, disagree: float) -> Floats:
    """(Q,) how much the triangles count: those over a bay of the hull where the nearest sample agrees."""
    within = np.ones(len(places.number), dtype=np.float32)
    sliver = np.flatnonzero(places.sliver)
    within[sliver] = np.exp(-(((found[INVERSE, sliver] - nearest[sliver]) / disagree) ** 2))
    return within


def _weigh(
    samples: Samples,
    known: Known,
    line: NDArray[np.int64] | None,
    left: HeldOut,
    distance: float,
    rng: np.random.Generator,
) -> tuple[_Weights, LeftOut]:
    """By samples that are left out; `distance` is that of the places to the nearest sample, on average."""
    usual = _usual(known)
    number, inside, sliver, apart, near = left.number, left.inside, left.sliver, left.distance, left.near
    log_d, log_g = known.log_depth[number], known.fitted[number]
    true_depth = np.exp(log_d.astype(np.float64))

    regular = np.isfinite(inside[INVERSE]) & ~sliver
    errors = (inside - log_d).T.astype(np.float64)
    farther = max(float(np.log2(max(apart[regular].mean(), 1) / max(distance, 1))), 0.0) if regular.any() else 0.0
    weights = blend(errors[regular], true_depth[regular], usual, _DOUBT + _DOUBT_FARTHER * farther)
    size = np.abs(errors[regular][:, [NEAREST, INVERSE]]).mean(axis=0) if regular.any() else np.ones(2)
    disagree = _DISAGREE * float(np.clip(size[0] / max(size[1], 1e-6), 1, _MAX_DISAGREE))
    residual = known.log_depth - known.fitted
    outside = extrapolation_weights(samples, known.log_depth, residual, line, rng)
    beyond = weights_at(outside, apart)
    told = beyond[0] * (log_g + near[0]) + beyond[1] * near[1] + beyond[2] * log_g
    within = np.where(sliver, np.exp(-(((inside[INVERSE] - near[1]) / disagree) ** 2)), 1)
    within = np.where(np.isfinite(inside[INVERSE]), within, 0)
    between = np.where(within > 0, weights.astype(np.float32) @ np.nan_to_num(inside), 0)
    edges, chosen = 0.0, regular & np.isfinite(left.edge)
    if chosen.any():
        of_edges = np.stack((between, left.edge), axis=1)[chosen]
        errors = (of_edges - log_d[chosen, None]).astype(np.float64)
        by = blend(errors, true_depth[chosen], USUAL_EDGES, _DOUBT + _DOUBT_FARTHER * farther)
        between[chosen], edges = of_edges @ by.astype(np.float32), float(by[1])
    told += within * (between - told)
    error = told - log_d
    gain = np.abs(log_g - log_d) - np.abs(error)
    sigmas = float(gain.mean()) / max(float(gain.std()) / len(gain) ** 0.5, 1e-9) if len(gain) > 1 else 0.0
    low, high = (least + _GAIN_SIGMAS_OF_FEW / max(len(gain), 1) ** 2 for least in _GAIN_SIGMAS)
    strength = min(max((sigmas - low) / (high - low), 0.0), 1.0)
    of_result = strength * outside + (1 - strength) * np.array([0.0, 0.0, 1.0])
    return _Weights(weights, outside, edges, disagree, strength), LeftOut(
        number, error.astype(np.float32), apart, np.isfinite(inside[INVERSE]), partial(weights_at, of_result)
    )


def _usual(known: Known) -> NDArray[np.float64]:
    """(7,) the usual weights of the estimates; without colours that of colour is 1/d's."""
    usual = USUAL.copy()
    if known.colour is None:
        usual[INVERSE] += usual[COLOUR]
        usual[COLOUR] = 0.0
    return usual


def _smooth(colour: NDArray[np.uint8], step: int) -> Floats:
    """(3, h * w) of (h, w, 3): noise of single pixels must not decide."""
    smooth = cv2.GaussianBlur(np.ascontiguousarray(colour), (0, 0), 1.0 / step)
    found: Floats = smooth.reshape(-1, 3).T.astype(np.float32)
    return found
