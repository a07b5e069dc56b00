# SPDX-License-Identifier: Apache-2.0
"""The clouds of one frame for the viewer of the report."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from mono_depth_ros.config import DepthConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import depth_edges, unproject
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.media.ply import unpack_cloud
from mono_depth_ros.tools.demo.frames import DemoFrame
from mono_depth_ros.tools.report.pictures import DepthScale, error_picture
from mono_depth_ros.tools.report.viewer import encode

MOST_POINTS = 80_000


def cloud_data(frame: DemoFrame, scale: DepthScale) -> dict[str, Any]:
    """What `viewer.js` reads: the cloud of aligned depth where there is one, that which the depth node published, and
    that of the truth where it is known. The first is shown first.

    Larger clouds are thinned to every n-th row and column until at most `MOST_POINTS` are left.
    """
    if frame.cloud is None or not np.isfinite(frame.cloud[..., 2]).any():
        return {"clouds": {}}
    step = int(np.ceil(np.sqrt(frame.cloud[..., 0].size / MOST_POINTS)))
    xyz, rgb = unpack_cloud(frame.cloud[::step, ::step])
    pixel_step = step * round(frame.rgb.shape[1] / frame.cloud.shape[1])
    small = frame.camera.strided(pixel_step)
    truth = frame.truth[::pixel_step, ::pixel_step] if frame.truth is not None else None

    def cloud(points: np.ndarray) -> dict[str, Any]:
        tints = {"image": rgb, "distance": _rgb(scale.picture(points[..., 2]))}
        if truth is not None:
            tints["error"] = _rgb(error_picture(points[..., 2], truth))
        return encode(points, tints)

    clouds: dict[str, Any] = {}
    if frame.aligned is not None and np.isfinite(points := aligned_points(frame, pixel_step)).any():
        clouds["aligned"] = cloud(points)
    clouds["node"] = cloud(xyz)
    if truth is not None and np.isfinite(truth).any():
        clouds["truth"] = encode(_unproject(truth, small), {"image": rgb, "distance": _rgb(scale.picture(truth))})
    z = xyz[..., 2][np.isfinite(xyz[..., 2])]
    distance = float(np.median(z))
    return {
        "clouds": clouds,
        "shown": (first := next(iter(clouds))),
        "pair": [first, "truth"],
        "frustum": _frustum(frame.camera, 0.12 * distance),
        "point": 1.6 * pixel_step / frame.camera.fx,
        "distance": distance,
        "height": float(np.nanmedian(xyz[..., 1])),
    }


def aligned_points(frame: DemoFrame, step: int) -> np.ndarray:
    """(H / step, W / step, 3) float32 metres of the aligned depth, without flying pixels, as on aligned/points."""
    depth = torch.from_numpy(np.asarray(frame.aligned, dtype=np.float32))
    solid = torch.where(depth_edges(depth, DepthConfig.edge_ratio), torch.nan, depth)
    return _unproject(solid[::step, ::step].numpy(), frame.camera.strided(step))


def _unproject(depth: np.ndarray, camera: Camera) -> np.ndarray:
    return unproject(torch.from_numpy(depth), rays(camera)).numpy()


def _frustum(camera: Camera, depth: float) -> list[list[float]]:
    """Line segments from the camera to the corners of its image at `depth`, and around them."""
    xs = [(edge - camera.cx) / camera.fx * depth for edge in (-0.5, camera.width - 0.5)]
    ys = [(edge - camera.cy) / camera.fy * depth for edge in (-0.5, camera.height - 0.5)]
    corners = [[xs[i], ys[j], depth] for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]
    sides = [[corner, corners[(k + 1) % 4]] for k, corner in enumerate(corners)]
    return [point for pair in [*sides, *([[0.0, 0.0, 0.0], corner] for corner in corners)] for point in pair]


def _rgb(bgr: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2RGB)
