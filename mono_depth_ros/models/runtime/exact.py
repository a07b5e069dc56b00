# SPDX-License-Identifier: Apache-2.0
"""Float32 on CUDA in float32, and not in TF32, which has the 10 bits of float16."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch

LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Within, convolutions and matrix products of float32 on CUDA are exact, and cuDNN searches no algorithms, so that
    the same image gives the same depth; afterwards all is as it was.

    torch puts TF32 on for convolutions by itself; for products callers do (`set_float32_matmul_precision("high")`), or
    NVIDIA's containers (TORCH_ALLOW_TF32_CUBLAS_OVERRIDE). torch 2.9 got another API for it beside the old one; reading
    one where the other has been used raises RuntimeError, so each is read in its own words only.
    """
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    with contextlib.ExitStack() as after:
        after.callback(setattr, cudnn, "benchmark", cudnn.benchmark)
        cudnn.benchmark = False
        if hasattr(matmul, "fp32_precision"):
            everywhere: Any = torch.backends
            if matmul.fp32_precision == "tf32":
                after.callback(
                    setattr, matmul, "fp32_precision", _own(matmul.fp32_precision, everywhere.fp32_precision)
                )
                _legacy_matmul(after)
                matmul.fp32_precision = "ieee"
            if cudnn.conv.fp32_precision != "ieee":
                before = _own(cudnn.conv.fp32_precision, cudnn.fp32_precision)
                after.callback(setattr, cudnn.conv, "fp32_precision", before)
                cudnn.conv.fp32_precision = "ieee"
        else:
            _legacy_matmul(after)
            after.callback(setattr, cudnn, "allow_tf32", cudnn.allow_tf32)
            cudnn.allow_tf32 = False
        if matmul.allow_tf32:
            _say_forced()
        yield


def _own(effective: str, inherited: str) -> str:
    """What a setting was set to, as reading it gives what it inherits where it was not."""
    return "none" if effective == inherited else effective


def _legacy_matmul(after: contextlib.ExitStack) -> None:
    """Off in the words of torch before 2.9; where the caller has used the others alone there is nothing to restore."""
    with contextlib.suppress(RuntimeError):
        after.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    torch.backends.cuda.matmul.allow_tf32 = False


@lru_cache(maxsize=1)
def _say_forced() -> None:
    LOGGER.warning("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE forces TF32 on this torch: fp32 has the 10 bits of float16")
