# SPDX-License-Identifier: Apache-2.0
"""What the option exact_camera changes: depth by the calibrated camera against depth by the authors' rougher one.

Of a network that sees a synthetic scene exactly, so that all that is left is the geometry around it: MoGe-2's shift,
UniDepthV2's rays, the focal length of Depth Anything 3 metric. The cameras are known, 640x480 and as wide as KITTI's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from common import run
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.families import depth_anything_3, unidepth_v2
from mono_depth_ros.models.postprocess import recover_shift
from mono_depth_ros.models.preprocess import focal_px, layout

PLAIN = Camera(640, 480, 520.0, 520.0, 319.5, 239.5)
CAMERAS = {
    "640x480, centred": PLAIN,
    "640x480, cx 2 % off": replace(PLAIN, cx=319.5 + 0.02 * 640),
    "640x480, cx 10 % off": replace(PLAIN, cx=319.5 + 0.1 * 640),
    "640x480, cy 10 % off": replace(PLAIN, cy=239.5 + 0.1 * 480),
    "640x480, fy 5 % more": replace(PLAIN, fy=1.05 * 520.0),
    "640x480, fov 90": Camera.from_fov((640, 480), 90),
    "640x480, barrel lens": replace(PLAIN, model="plumb_bob", distortion=(-0.3, 0.1, 0.0, 0.0, 0.0)),
    "1242x375, centred": Camera(1242, 375, 721.5, 721.5, 620.5, 187.0),
    "1242x375, as KITTI": Camera(1242, 375, 721.5, 721.5, 609.6, 172.9),
}
SHAPES = unidepth_v2.Shapes((0.5, 2.5), (200_000, 600_000))  # of the published UniDepthV2


def exact_camera() -> dict[str, Any]:
    """The measurement, as plain values: relative differences of the depth."""
    return {
        "what": "mean |authors' depth / exact depth - 1| over the image, of a network that sees the scene exactly",
        "moge_2": {name: round(_moge(camera), 5) for name, camera in CAMERAS.items()},
        "unidepth_v2": {name: round(_unidepth(camera), 5) for name, camera in CAMERAS.items()},
        "depth_anything_3": {name: round(_depth_anything(camera), 5) for name, camera in CAMERAS.items()},
    }


def scene(camera: Camera) -> torch.Tensor:
    """(H, W) float32 metres: a floor 1.5 m below the camera, before a wall 8 m away with bumps of half a metre."""
    y = rays(camera)[..., 1]
    columns = torch.arange(camera.width) / camera.width
    wall = (8 + 0.5 * torch.sin(20 * columns)).expand(camera.height, -1)
    return torch.where(y > 0, torch.minimum(1.5 / y.clamp(min=1e-6), wall), wall)


def _moge(camera: Camera) -> float:
    """Points without their shift, half of the nearest depth."""
    depth = scene(camera)
    shift = 0.5 * float(depth.min())
    points = torch.cat([rays(camera) * depth[..., None], depth[..., None] - shift], -1)
    found, exact = (recover_shift(points, None, camera.fx, given) for given in (None, camera))
    return _off(points[..., 2] + found, points[..., 2] + exact)


def _unidepth(camera: Camera) -> float:
    """The distance along each ray, which is what the network gives; its depth is that times z of the ray."""
    found, exact = (
        unidepth_v2._unit_rays(camera, unidepth_v2.place_of(camera.width, camera.height, SHAPES, given), "cpu")[2]
        for given in (False, True)
    )
    return _off(found, exact)


def _depth_anything(camera: Camera) -> float:
    processing = depth_anything_3.PROCESSING
    own = layout(camera.width, camera.height, processing.input).camera(camera)
    return abs(focal_px(own, processing) / focal_px(own, replace(processing, focal="geometric")) - 1)


def _off(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found / exact - 1).abs().nanmean())


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda _: exact_camera(), argv)


if __name__ == "__main__":
    sys.exit(main())
