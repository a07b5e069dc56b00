# SPDX-License-Identifier: Apache-2.0
"""Whatever a caller knows of the depth of an image, as Samples: a depth map, or the points of a lidar."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mono_depth_ros.alignment.beams import beams
from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import DataError, ModelError, SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import rigid_from_matrix, transform_points

_EXPECTED = "expected Samples, a depth map (H, W) in metres, or lidar points (N, 3) in metres with cam_from_lidar"


def as_samples(
    reference: Samples | ArrayLike | torch.Tensor,
    size: tuple[int, int],
    camera: Camera | None,
    mask: ArrayLike | torch.Tensor | None = None,
    cam_from_lidar: ArrayLike | torch.Tensor | None = None,
) -> Samples:
    """Samples of an image of `size` (height, width); the arguments are those of `Frame.align`.

    A depth map of more than `ReferenceConfig.reference_samples` known pixels is thinned to about as many.

    Raises:
        DataError: what is given is ambiguous, or of another shape or dtype. ModelError: points without a camera.
        SamplesError: it gives no sample. ConfigError: `cam_from_lidar` is no rigid transform.
    """
    if isinstance(reference, Samples):
        if mask is not None or cam_from_lidar is not None:
            raise DataError("mask and cam_from_lidar are for depth maps and lidar points, found Samples with one")
        return reference
    values = _floats(reference)
    if mask is not None and cam_from_lidar is not None:
        raise DataError("both mask and cam_from_lidar are given: mask is for a depth map, cam_from_lidar for points")
    map_like, point_like = values.shape == size, values.ndim == 2 and values.shape[-1] == 3
    if cam_from_lidar is not None and point_like:
        if camera is None:
            raise ModelError("lidar points need the camera of the image: pass it after the image, model(image, camera)")
        points = transform_points(rigid_from_matrix(_host(cam_from_lidar)), values)
        return samples_from_points(points, camera, group=beams(values))
    if cam_from_lidar is not None or not (map_like or point_like):
        given = " with cam_from_lidar" if cam_from_lidar is not None else ""
        found = f"the reference has the shape {values.shape}{given} for a {size[1]}x{size[0]} image"
        raise DataError(f"{found}, {_EXPECTED}")
    if point_like and mask is None:
        found = f"an array of shape {values.shape} without cam_from_lidar"
        raise DataError(
            f"{found}: lidar points need cam_from_lidar, (4, 4), np.eye(4) for points in the camera's frame"
            + ("; a depth map of this size needs a mask to be told from them" if map_like else "")
        )
    samples = samples_from_depth(_masked(values, mask))
    if not len(samples):
        raise SamplesError("the depth map has no finite and positive depth, expected metres", "reference_empty")
    return samples.thinned(ReferenceConfig().reference_samples)


def _masked(depth: NDArray[np.float32], mask: ArrayLike | torch.Tensor | None) -> NDArray[np.float32]:
    if mask is None:
        return depth
    counts = _host(mask)
    if counts.shape != depth.shape or counts.dtype != np.bool_:
        raise DataError(
            f"the mask is {counts.shape} {counts.dtype}, expected {depth.shape} bool, that of the depth map"
        )
    return np.where(counts, depth, np.float32(np.nan))


def _floats(values: ArrayLike | torch.Tensor) -> NDArray[np.float32]:
    array = _host(values)
    if array.dtype.kind != "f":
        raise DataError(f"the reference is {array.dtype}, {_EXPECTED}: float; depth in millimetres is divided by 1000")
    return array.astype(np.float32, copy=False)


def _host(values: ArrayLike | torch.Tensor) -> NDArray[Any]:
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"the reference is no array ({error}), {_EXPECTED}") from error
