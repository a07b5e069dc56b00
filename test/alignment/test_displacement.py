# SPDX-License-Identifier: Apache-2.0
"""A reference that is late while the camera turns: the printed error and a sentence say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.displacement import displacement
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world import World

CAMERA = Camera.from_fov((320, 240), 70.0)
LATE_DEG = 6.0  # a fifth of a second, at 30 degrees a second


def turned(degrees: float) -> np.ndarray:
    """(4, 4) about the camera's y axis: positive looks to the right."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, 0, sine, 0], [0, 1, 0, 0], [-sine, 0, cosine, 0], [0, 0, 0, 1]])


@pytest.fixture(scope="module", params=["room", "warehouse"])
def views(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Depth now, and as the reference saw it a little before, (H, W) metres, NaN sky."""
    world = World.generate(request.param, 8100)
    pose = world.path().pose(2.0)
    found = [world.render(CAMERA, pose @ turned(by), normals=False).depth for by in (0.0, -LATE_DEG)]
    now, before = (np.where(np.isfinite(depth), depth, np.nan).astype(np.float32) for depth in found)
    return now, before


def drawn(depth: np.ndarray, count: int = 500) -> Samples:
    rows, columns = np.nonzero(np.isfinite(depth))
    chosen = np.random.default_rng(0).choice(len(rows), count, replace=False)
    rows, columns = rows[chosen], columns[chosen]
    return Samples(rows, columns, depth[rows, columns], (depth.shape[0], depth.shape[1]))


def smooth(depth: np.ndarray) -> np.ndarray:
    """A prediction that is off by a tenth, smoothly."""
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    return (0.8 * depth * (1 + 0.1 * np.sin(columns / 70) * np.cos(rows / 60))).astype(np.float32)


def test_samples_of_a_view_before_are_told_and_the_printed_error_is_theirs(views) -> None:
    now, before = views
    late, good = (align(smooth(now), drawn(depth)) for depth in (before, now))
    assert good.displaced is None and good.fit.note == ""
    assert late.displaced is not None and abs(late.displaced.rows) <= 8
    expected = -CAMERA.fx * np.tan(np.radians(LATE_DEG))  # the camera turned to the right, and all things to the left
    assert late.displaced.columns == pytest.approx(expected, abs=6)
    assert late.fit.note.startswith("the samples fit the image better") and "px to the left" in late.fit.note
    depth = late.apply(smooth(now)).values.numpy()
    true = float(np.nanmean(np.abs(depth - now) / now))
    assert late.after is not None and good.after is not None
    assert 0.6 * true < late.after.abs_rel < 2 * true and late.after.abs_rel > 2 * good.after.abs_rel
    aligned = Aligner().update(DepthPrediction(torch.from_numpy(smooth(now)), DepthKind.METRIC), drawn(before), 0)
    assert aligned.state == "aligned" and aligned.reason == late.displaced.words


def test_a_poor_prediction_and_one_without_edges_tell_nothing(views) -> None:
    now, before = views
    poor = np.full_like(now, 3.0) + np.random.default_rng(0).uniform(0, 3, now.shape).astype(np.float32)
    flat = np.full_like(now, 3.0)
    for prediction in (poor, flat):
        assert displacement(prediction[::2, ::2], 2, drawn(before)) is None


def test_noisy_samples_are_not_judged(views) -> None:
    now, before = views
    samples = drawn(before)
    sigma = samples.depth * np.where(samples.rows % 2, 0.05, 0.1).astype(np.float32)
    found = align(smooth(now), replace(samples, sigma=sigma))
    assert found.displaced is None and found.fit.note == ""


def test_few_samples_and_small_images_tell_nothing(views) -> None:
    now, before = views
    assert displacement(smooth(now)[::2, ::2], 2, drawn(before, 50)) is None
    tiny = now[:12, :16]
    assert displacement(smooth(tiny)[::2, ::2], 2, drawn(tiny, 100)) is None


@pytest.mark.parametrize("lines", ["one group", "one beam", "one distance"])
def test_samples_of_one_group_one_beam_or_one_distance_print_an_error_that_says_so(views, lines: str) -> None:
    now, _ = views
    samples = drawn(now)
    if lines == "one group":
        samples = replace(samples, group=np.zeros(len(samples), dtype=np.int64))
    elif lines == "one beam":
        columns = np.arange(0, CAMERA.width, 2)
        rows = np.full(len(columns), CAMERA.height // 2)
        samples = Samples(rows, columns, now[rows, columns], samples.size, np.zeros(len(rows), dtype=np.int64))
        samples = samples.select(np.isfinite(samples.depth))
    else:
        samples = samples.select(np.argsort(np.abs(np.log(samples.depth / np.median(samples.depth))))[:80])
    found = align(smooth(now), samples)
    depth = found.apply(smooth(now)).values.numpy()
    true = float(np.nanmean(np.abs(depth - now) / now))
    assert found.after is not None and found.reach is not None
    assert found.after.abs_rel > 0.45 * true
    assert lines == "one group" or found.reach.share < 0.5
