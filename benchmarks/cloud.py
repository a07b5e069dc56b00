# SPDX-License-Identifier: Apache-2.0
"""Unproject, colour and pack a 640x480 cloud on one thread, and the largest error against the formula in float64."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from common import median_ms, run
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import depth_edges, pack_cloud
from mono_depth_ros.geometry.rays import rays


def cloud() -> dict[str, Any]:
    """The measurement, as plain values."""
    torch.set_num_threads(1)
    camera = Camera.from_fov((640, 480), 58.7)
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand((480, 640), generator=generator) * 20 + 0.1
    rgb = torch.randint(0, 256, (480, 640, 3), generator=generator, dtype=torch.uint8)
    grid = rays(camera)
    packed = pack_cloud(depth, grid, rgb)[..., :3].double().numpy()
    u, v = np.meshgrid(np.arange(640.0), np.arange(480.0))
    z = depth.double().numpy()
    exact = np.stack(((u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z), -1)
    return {
        "what": "640x480, one thread",
        "unproject_colour_pack_ms": median_ms(lambda: pack_cloud(depth, grid, rgb), 50),
        "depth_edges_ms": median_ms(lambda: depth_edges(depth, 0.1), 50),
        "largest_relative_error": float(np.max(np.abs(packed - exact) / np.maximum(np.abs(exact), 1e-6))),
    }


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda _: cloud(), argv)


if __name__ == "__main__":
    sys.exit(main())
