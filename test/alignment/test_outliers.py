# SPDX-License-Identifier: Apache-2.0
"""A sample that contradicts the prediction and its neighbours is dropped; one of these alone is no reason."""

from __future__ import annotations

import numpy as np
import torch

from mono_depth_ros.alignment.outliers import inliers

SIZE = (120, 160)


def grid(step: int = 10) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(5.0, 120, step), torch.arange(5.0, 160, step), indexing="ij")
    return torch.stack((rows.reshape(-1), columns.reshape(-1)), dim=1)


def smooth(at: torch.Tensor) -> torch.Tensor:
    """A residual that turns by 0.2 over the image."""
    return 0.1 * torch.sin(at[:, 0] / 40) + 0.1 * torch.cos(at[:, 1] / 50)


def kept(residual: torch.Tensor, log_depth: torch.Tensor, at: torch.Tensor) -> np.ndarray:
    found = inliers(at, log_depth, residual, SIZE)
    assert found.dtype == torch.bool and found.shape == residual.shape
    return found.numpy()


def test_all_of_a_smooth_residual_are_kept() -> None:
    at = grid()
    assert kept(smooth(at), torch.zeros(len(at)), at).all()
    assert kept(torch.zeros(len(at)), torch.zeros(len(at)), at).all(), "nothing is left to be corrected"


def test_lone_outliers_are_dropped_and_only_they() -> None:
    at = grid()
    residual, wrong = smooth(at), np.arange(7, len(at), 23)
    residual[wrong] += torch.tensor([1.5 if i % 2 else -1.2 for i in range(len(wrong))])
    dropped = np.flatnonzero(~kept(residual, 1.0 + residual, at))
    assert dropped.tolist() == wrong.tolist()


def test_what_the_network_missed_is_kept_where_several_samples_see_it() -> None:
    at = grid()
    post = (at[:, 1] > 60) & (at[:, 1] < 80)  # two columns of samples at half the depth
    residual = smooth(at) - 1.2 * post
    assert kept(residual, 1.0 + residual, at).all()


def test_a_lone_sample_is_kept_where_the_prediction_is_as_wrong_elsewhere() -> None:
    """Half the image 0.5 too near, half too far: then 1.2 off the neighbours is nothing special."""
    at = grid()
    residual = torch.where(at[:, 1] < 80, -0.5, 0.5) + smooth(at)
    alone = int((at - torch.tensor([65.0, 35.0])).abs().sum(dim=1).argmin())
    residual[alone] += 1.2
    residual[-5] += 5.0
    assert np.flatnonzero(~kept(residual, 1.0 + residual, at)).tolist() == [len(at) - 5]


def test_a_pair_of_outliers_is_not_enough() -> None:
    at = grid()
    residual = smooth(at)
    residual[50:52] += 1.5
    assert np.flatnonzero(~kept(residual, 1.0 + residual, at)).tolist() == [50, 51]


def test_the_same_depth_as_the_neighbours_is_enough() -> None:
    """A prediction with a hole: the residual is large at one sample, though its depth is that of its neighbours."""
    at = grid()
    residual = smooth(at)
    residual[50] += 2.0
    assert kept(residual, torch.zeros(len(at)), at).all()


def test_few_samples_are_all_kept() -> None:
    at = grid()[:6]
    residual = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 3.0])
    assert kept(residual, residual, at).all()
