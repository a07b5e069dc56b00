# SPDX-License-Identifier: Apache-2.0
"""Tests of what runs on a GPU, on machines that have none: see benchmarks/fake_cuda."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fake_cuda import Runtime, fake_cuda


@pytest.fixture
def gpu() -> Iterator[Runtime]:
    """Two emulated CUDA devices."""
    with fake_cuda(devices=2) as runtime:
        yield runtime
