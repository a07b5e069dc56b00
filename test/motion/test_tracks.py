# SPDX-License-Identifier: Apache-2.0
"""Corners that are followed, and how surely."""

from __future__ import annotations

import cv2
import numpy as np

from mono_depth_ros.motion.tracks import CornerTracks, whitening


def test_a_place_on_a_line_is_sure_across_it_alone() -> None:
    image = np.zeros((100, 100), np.uint8)
    cv2.line(image, (0, 100), (100, 0), 255, 3)
    cv2.circle(image, (80, 80), 4, 255, -1)
    line, spot = whitening(image, np.array([[50, 50], [80, 80]], np.float32))
    across, along = np.array([1, 1]) / np.sqrt(2), np.array([1, -1]) / np.sqrt(2)
    assert np.linalg.norm(line @ across) > 0.99 and np.linalg.norm(line @ along) < 0.1
    assert np.linalg.norm(spot @ along) > 0.8 and np.linalg.norm(spot @ across) > 0.8


def test_places_at_the_border_and_without_texture_are_finite() -> None:
    found = whitening(np.zeros((40, 60), np.uint8), np.array([[0, 0], [59, 39], [30, 20]], np.float32))
    assert np.isfinite(found).all()
    assert whitening(np.zeros((40, 60), np.uint8), np.zeros((0, 2), np.float32)).shape == (0, 2, 2)


def test_corners_are_followed_and_come_back() -> None:
    texture = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (300, 400), dtype=np.uint8), (0, 0), 3)
    texture = np.asarray(cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX), np.uint8)
    tracks, first = CornerTracks(), None
    for shift in range(5):
        tracks.update(np.ascontiguousarray(texture[:240, 4 * shift : 320 + 4 * shift]))
        first = first or dict(zip(tracks.ids.tolist(), tracks.pixels.copy(), strict=True))
    followed = zip(tracks.ids.tolist(), tracks.pixels, strict=True)
    moved = np.array([pixel - first[number] for number, pixel in followed if number in first])
    assert len(moved) > 50
    np.testing.assert_allclose(np.median(moved, axis=0), [-16, 0], atol=0.1)
    assert np.quantile(np.abs(moved - [-16, 0]), 0.9) < 0.3
