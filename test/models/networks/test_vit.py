# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import math
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from mono_depth_ros.models.networks import vit
from mono_depth_ros.models.networks.vit import (
    TokenLinear,
    VisionTransformer,
    VitSize,
    fold_layer_scales,
    resample_positions,
)


def bicubic(table: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """The authors' `interpolate_pos_encoding`: torch's bicubic by a scale factor, with 0.1 added to the sides."""
    side = math.isqrt(table.shape[1] - 1)
    grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = ((rows + 0.1) / side, (columns + 0.1) / side)
    out = functional.interpolate(grid, scale_factor=scale, mode="bicubic")
    return torch.cat([table[:, :1], out.flatten(2).transpose(1, 2)], dim=1)


@pytest.mark.parametrize(("rows", "columns"), [(37, 66), (49, 37), (18, 18), (37, 37 * 3), (5, 80)])
def test_positions_are_resampled_as_the_authors_do(rows: int, columns: int) -> None:
    table = torch.randn(1, 1 + 37 * 37, 4, generator=torch.Generator().manual_seed(0))
    found = resample_positions(table, rows, columns)
    assert found.shape == (1, 1 + rows * columns, 4)
    torch.testing.assert_close(found, bicubic(table, rows, columns), rtol=0, atol=2e-4)
    assert torch.equal(found[:, 0], table[:, 0])


def test_positions_at_the_trained_size_are_the_table() -> None:
    table = torch.randn(1, 1 + 37 * 37, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(resample_positions(table, 37, 37), table, rtol=0, atol=1e-6)


def test_the_positions_of_another_size_are_not_the_table() -> None:
    """Where one side is the trained one the offset counts for both."""
    table = torch.randn(1, 1 + 37 * 37, 4, generator=torch.Generator().manual_seed(0))
    column = resample_positions(table, 37, 38)[0, 1:].reshape(37, 38, 4)[:, 0]
    assert (column - table[0, 1:].reshape(37, 37, 4)[:, 0]).abs().max() > 0.01


@pytest.mark.parametrize("shape", [(1, 7, 8), (3, 1, 8)])
def test_a_token_linear_is_a_linear(shape: tuple[int, ...]) -> None:
    layer = TokenLinear(8, 5)
    x = torch.randn(shape)
    torch.testing.assert_close(layer(x), functional.linear(x, layer.weight, layer.bias), rtol=1e-5, atol=1e-6)
    assert layer(x).shape == (*shape[:2], 5)


def test_folded_gains_change_nothing() -> None:
    torch.manual_seed(0)
    encoder = VisionTransformer(VitSize(32, 3, 2, (0, 2), grid=4)).eval()
    for name, value in encoder.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.normal_(value)
    image = torch.randn(1, 3, 28, 42)
    with torch.inference_mode():
        before = encoder(image)
        fold_layer_scales(list(encoder.blocks))
        after = encoder(image)
    assert [feature.shape for feature in after] == [(1, 32, 2, 3)] * 2
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-4, atol=1e-5)


def test_torch_before_2_7_which_does_not_know_an_export_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.compiler, "is_exporting", raising=False)
    spec = importlib.util.spec_from_file_location("vit_of_an_older_torch", vit.__file__)
    older = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, older)
    spec.loader.exec_module(older)
    layer, tokens = older.TokenLinear(6, 4), torch.rand(1, 5, 6)
    expected = torch.nn.functional.linear(tokens, layer.weight, layer.bias)
    torch.testing.assert_close(layer(tokens), expected)
