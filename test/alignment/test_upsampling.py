# SPDX-License-Identifier: Apache-2.0
"""Upsampling gives the places themselves, lines between them, and goes on beyond the last as there."""

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.upsampling import upsampled


@pytest.mark.parametrize("step, height, width", [(1, 5, 7), (2, 9, 14), (4, 17, 26), (4, 20, 28)])
def test_between_places_it_is_linear(step: int, height: int, width: int) -> None:
    places = torch.rand(2, -(-height // step), -(-width // step), generator=torch.Generator().manual_seed(0))
    rows, columns = (np.minimum(np.arange(side) / step, -(-side // step) - 1) for side in (height, width))
    found = upsampled(places, step, height, width)
    assert found.shape == (2, height, width)
    for one, given in zip(found.numpy(), places.numpy(), strict=True):
        along = np.stack([np.interp(columns, np.arange(given.shape[1]), row) for row in given])
        expected = np.stack([np.interp(rows, np.arange(given.shape[0]), column) for column in along.T], axis=1)
        assert np.allclose(one, expected, atol=1e-6)
