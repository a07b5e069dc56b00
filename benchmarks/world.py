# SPDX-License-Identifier: Apache-2.0
"""Frames a second of the synthetic world, for each kind of scene."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from common import median_ms, run
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.world import KINDS, World


def world() -> dict[str, Any]:
    """The measurement, as plain values."""
    result: dict[str, Any] = {
        "what": "rendering rgb, depth, normals and sky; median over the kinds of scenes, frames/s"
    }
    scenes = {kind: World.generate(kind, 1) for kind in KINDS}
    for width, height in ((320, 240), (640, 480)):
        camera = Camera.from_fov((width, height), 70)
        rates = {}
        for kind, scene in scenes.items():
            poses = iter([scene.path().pose(0.3 * step) for step in range(100)])

            def render(scene: World = scene, poses: Iterator[Any] = poses, camera: Camera = camera) -> None:
                scene.render(camera, next(poses))

            rates[kind] = 1e3 / median_ms(render, 10)
        result[f"{width}x{height}"] = {
            "median": round(statistics.median(rates.values()), 1),
            **{kind: round(rate, 1) for kind, rate in rates.items()},
        }
    return result


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda _: world(), argv)


if __name__ == "__main__":
    sys.exit(main())
