# SPDX-License-Identifier: Apache-2.0
"""A depth image of another camera, or of another size, as samples in the image at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import transform_points

_DEFAULT = ReferenceConfig()
_SAME_PX = 1e-3  # intrinsics that differ by less are the same: they went through text and back


def samples_from_reference_depth(
    depth: NDArray[np.float32],
    reference_camera: Camera,
    camera: Camera,
    cam_from_reference: NDArray[np.float64] | None,
    config: ReferenceConfig = _DEFAULT,
    sigma: NDArray[np.float32] | None = None,
) -> Samples:
    """The depths of a depth camera, a stereo pair or another depth image, where the image sees the same points.

    Every pixel is taken to its point by the lens of its own camera, into the frame of the image, and through the lens
    of the image to a pixel. A coarser depth image leaves gaps, which is right: nothing is interpolated.

    Args:
        depth: (H, W) float32 metres along the optical axis of the reference; NaN and infinite: unknown.
        reference_camera: of the depth image. camera: of the image.
        cam_from_reference: (4, 4) from the optical frame of the depth image to that of the image. None says that the
            depth image is registered: made for the very pixels of the image, whatever `reference_camera` says.
        config: limits in metres, and what is dropped at edges; from one and the same place nothing hides anything, so
            that without a translation nothing is.
        sigma: (H, W) float32 metres, the standard deviation of `depth`; None: not known.

    Raises:
        SamplesError: reason `reference_size` where `depth` is not of its camera's size, or registered and not of the
            image's; else as `samples_from_points`.
    """
    owner = camera if cam_from_reference is None else reference_camera
    if depth.shape != (owner.height, owner.width):
        found = f"the reference depth is {'x'.join(map(str, depth.shape[::-1]))}"
        whose = "the image, to which it is registered" if cam_from_reference is None else "its own camera"
        raise SamplesError(f"{found}, expected {owner.width}x{owner.height}, the size of {whose}", "reference_size")
    moved = cam_from_reference is not None and bool(np.abs(cam_from_reference[:3, 3]).max() > 1e-9)
    turned = cam_from_reference is not None and bool(np.abs(cam_from_reference[:3, :3] - np.eye(3)).max() > 1e-9)
    if cam_from_reference is None or not (moved or turned or not _same(reference_camera, camera)):
        samples = _directly(depth, config)
        return samples if sigma is None else replace(samples, sigma=sigma[samples.rows, samples.columns])
    with np.errstate(invalid="ignore"):
        known = np.isfinite(depth) & (depth > 0)
    z = depth[known]
    directions = rays(reference_camera).numpy()[known]
    points = np.concatenate((directions * z[:, None], z[:, None]), axis=1)
    points = transform_points(cam_from_reference, points)
    config = config if moved else replace(config, occlusion_window=0)
    return samples_from_points(points, camera, config, sigma=None if sigma is None else sigma[known])


def _directly(depth: NDArray[np.float32], config: ReferenceConfig) -> Samples:
    found = samples_from_depth(depth, config.reference_min, config.reference_max)
    if not len(found):
        known = int(np.count_nonzero(np.isfinite(depth) & (depth > 0)))
        limits = f"{config.reference_min:g} to {config.reference_max:g} m"
        text = f"the reference depth has {known} known pixels and none of them at {limits}: are they in metres?"
        raise SamplesError(text, "reference_limits" if known else "reference_empty")
    return found


def _same(a: Camera, b: Camera) -> bool:
    if (a.width, a.height, a.model, a.distortion) != (b.width, b.height, b.model, b.distortion):
        return False
    return bool(np.abs(a.matrix - b.matrix).max() < _SAME_PX)
