# SPDX-License-Identifier: Apache-2.0
"""Which cloud the page and cloud.ply show."""

from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.config import WorldNodeConfig
from mono_depth_ros.tools.demo import results
from mono_depth_ros.tools.demo.source import world_source


class Kept:
    """A recording of given frames."""

    def __init__(self, frames):
        self._frames = frames

    def complete(self):
        return len(self._frames)

    def frames(self):
        return iter(self._frames)


def look(frames, pictures=2):
    return results._look(Kept(frames), world_source(WorldNodeConfig(), 0.0), pictures)


def test_the_frame_whose_error_the_alignment_divides_most(frame):
    factors = [(1.5, 1.4), (1.2, 1.02), (1.4, 1.1), (1.01, 1.001), (1.3, None)]
    frames = [frame(k, factor=before, aligned=after) for k, (before, after) in enumerate(factors)]
    *_, gained = look(frames[:3] + frames[4:])
    assert gained is frames[1], "of 20 to 2 %; not that which was worst, nor that which is best"
    *_, gained = look([frame(0, factor=1.1, aligned=1.2)])
    assert gained is None, "nothing was gained"


@pytest.mark.parametrize(
    "changes", [{"truth": False, "aligned": 1.0}, {"aligned": None}, {"cloud": False, "aligned": 1.0}]
)
def test_without_alignment_truth_or_cloud_there_is_none(frame, changes):
    _, shown, gained = look([frame(0, factor=1.2, **changes)])
    assert gained is None and len(shown) == 1


def test_the_cloud_is_the_aligned_one(frame):
    xyz, rgb = results._cloud(frame(factor=1.25, aligned=1.0))
    assert xyz.shape == rgb.shape == (24, 32, 3)
    known = np.isfinite(xyz[..., 2])
    np.testing.assert_allclose(xyz[known][:, 2].max(), 3.97, atol=0.1)
    node, _ = results._cloud(frame(factor=1.25))
    np.testing.assert_allclose(np.nanmedian(node[2:, :, 2]) / np.nanmedian(xyz[2:, :, 2]), 1.25, atol=0.01)
    assert results._cloud(frame(cloud=False))[0].size == 0
