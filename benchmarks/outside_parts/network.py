# SPDX-License-Identifier: Apache-2.0
"""The network alone: `tiny` in a loop over one image in memory, with the node's defaults and without ROS.

    python network.py WIDTH HEIGHT SECONDS

prints as JSON: milliseconds of its forward, and how often a second the loop has a depth of the image's size.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import load_model

_WARM = 10


def main(width: int, height: int, seconds: float) -> dict[str, float]:
    model: Any = load_model(ModelConfig(model="tiny"))
    run, forwards = model.run, list[float]()

    def timed(*inputs: torch.Tensor) -> Any:
        start = time.perf_counter()
        outputs = run(*inputs)
        forwards.append((time.perf_counter() - start) * 1e3)
        return outputs

    model.run = timed
    camera = Camera.from_fov((width, height), 70.0)
    rgb = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, height, width, 3), dtype=np.uint8))
    start = end = time.perf_counter()
    while end < start + seconds or len(forwards) <= _WARM:
        model.predict(rgb, [camera])
        end = time.perf_counter()
        if len(forwards) == _WARM:
            start = end
    # Other load only ever adds: what a latency is compared with is the fastest tenth.
    p10, p50, p99 = (round(float(value), 2) for value in np.percentile(forwards[_WARM:], (10, 50, 99)))
    rate_hz = (len(forwards) - _WARM) / (end - start)
    return {"forward_p10_ms": p10, "forward_p50_ms": p50, "forward_p99_ms": p99, "loop_hz": round(rate_hz, 1)}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
