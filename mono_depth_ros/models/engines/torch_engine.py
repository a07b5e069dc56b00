# SPDX-License-Identifier: Apache-2.0
"""torch itself: the reference in float32, and in half precision."""

from __future__ import annotations

import torch
from torch import Tensor

from mono_depth_ros.models.engines.contract import DTYPES, Inputs, Network, as_tuple


class TorchEngine:
    """Runs the module as it is."""

    name = "torch"

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        self.precision = precision
        self._dtype = DTYPES[precision]
        self._module = network.module.to(device, self._dtype)

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Inputs:
        outputs = as_tuple(self._module(*(value.to(self._dtype) for value in inputs)))
        return tuple(value.float() for value in outputs)
