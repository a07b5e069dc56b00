# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.neighbours import nearest_samples

SIZE = (120, 160)


def drawn(count: int, seed: int) -> torch.Tensor:
    pixels = np.random.default_rng(seed).choice(SIZE[0] * SIZE[1], count, replace=False)
    return torch.from_numpy(np.stack(np.divmod(pixels, SIZE[1]), axis=1)).float()


@pytest.mark.parametrize("count", [6, 40, 400])
def test_the_nearest_of_scattered_samples(count: int) -> None:
    """Nearly: of crowded cells some are left out, so a few places get the next one."""
    samples, places = drawn(count, 0), drawn(500, 1)
    found = nearest_samples(samples, places, SIZE, 6)
    true = torch.cdist(places, samples)
    assert torch.allclose(true.gather(1, found.index), found.distance, atol=1e-3)
    assert bool((found.distance.diff(dim=1) >= 0).all()), "the nearest first"
    assert all(len(set(line)) == 6 for line in found.index.tolist()), "each once"
    best = true.topk(6, largest=False).values
    assert float((found.distance[:, 0] <= best[:, 0] + 1e-3).float().mean()) > 0.97
    assert float((found.distance.mean(dim=1) / best.mean(dim=1).clamp(min=1)).max()) < 1.6


def test_crowded_cells_are_thinned_out_in_the_same_way_each_time() -> None:
    """5000 samples in one corner and one in the other: thousands share a cell. Distances are those of the indices."""
    corner = torch.from_numpy(np.random.default_rng(2).uniform(0, 20, (5000, 2))).float()
    samples, places = torch.cat((corner, torch.tensor([[119.0, 159.0]]))), drawn(300, 3)
    found = nearest_samples(samples, places, SIZE, 6)
    known, true = torch.isfinite(found.distance), torch.cdist(places, samples).gather(1, found.index)
    assert int(known.sum(dim=1).min()) >= 4 and torch.allclose(true[known], found.distance[known], atol=1e-3)
    again = nearest_samples(samples, places, SIZE, 6)
    assert torch.equal(found.index, again.index) and torch.equal(found.distance, again.distance)


def test_a_place_far_from_all_samples_finds_them() -> None:
    samples = torch.tensor([[2.0, 3.0], [4.0, 5.0], [3.0, 9.0]])
    found = nearest_samples(samples, torch.tensor([[119.0, 159.0]]), SIZE, 3)
    assert found.index.tolist() == [[1, 2, 0]] or found.index.tolist() == [[2, 1, 0]]
    assert float(found.distance[0, 2]) == pytest.approx(np.hypot(117, 156), rel=1e-5)


def test_fewer_samples_than_asked_for() -> None:
    found = nearest_samples(torch.tensor([[10.0, 10.0]]), torch.tensor([[10.0, 13.0], [100.0, 10.0]]), SIZE, 3)
    assert found.distance[:, 0].tolist() == [3.0, 90.0] and bool(torch.isinf(found.distance[:, 1:]).all())


def test_samples_on_one_line_as_of_a_laser_scan() -> None:
    samples = torch.stack((torch.full((160,), 60.0), torch.arange(160.0)), dim=1)
    found = nearest_samples(samples, torch.tensor([[0.0, 80.0], [60.0, 20.0]]), SIZE, 3)
    assert float(found.distance[1, 0]) == 0.0 and int(found.index[1, 0]) == 20
    assert float(found.distance[0, 0]) == pytest.approx(60.0, rel=0.02)
