# SPDX-License-Identifier: Apache-2.0
"""One forward of the embedded network at its nominal size, in float32."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import torch

from common import median_ms, run
from mono_depth_ros.models.families.tiny import load_tiny


def tiny() -> dict[str, Any]:
    """The measurement, as plain values."""
    network = load_tiny(None, torch.device("cpu"))
    rgb = torch.rand(1, 3, 192, 256).to(memory_format=torch.channels_last)
    grid = torch.rand(1, 2, 192, 256).to(memory_format=torch.channels_last)
    result: dict[str, Any] = {"what": "tiny, 256x192, float32, torch", "forward_ms": {}}
    for threads in sorted({1, 2, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            result["forward_ms"][f"{threads} threads"] = median_ms(lambda: network(rgb, grid), 50)
    result["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    return result


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda _: tiny(), argv)


if __name__ == "__main__":
    sys.exit(main())
