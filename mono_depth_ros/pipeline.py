# SPDX-License-Identifier: Apache-2.0
"""The heart: one image and its camera in, metric depth, cloud and colour view out. Nodes and tools both call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from mono_depth_ros.config import DepthConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import depth_edges, limit_range, pack_cloud
from mono_depth_ros.geometry.colorize import colorize
from mono_depth_ros.geometry.normals import curvature, normals_from_depth
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rectify import IDENTITY, Rotation, rectify
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.prediction import DepthKind, DepthPrediction


@dataclass(frozen=True, eq=False)
class Frame:
    """One image with its depth. What is derived is computed when asked for, once, on the model's device.

    Attributes:
        rgb: (H, W, 3) uint8. camera: of this image. prediction: of the model, (H, W).
    """

    rgb: torch.Tensor
    camera: Camera
    prediction: DepthPrediction
    config: DepthConfig

    @cached_property
    def depth(self) -> torch.Tensor:
        """(H, W) float32 metres along the optical axis; NaN unknown, +inf sky and beyond range.

        Raises:
            ModelError: the model's output is relative: it has no metres.
        """
        if self.prediction.kind is not DepthKind.METRIC:
            raise ModelError("relative inverse depth has no metres: align it with a reference or use a metric model")
        return limit_range(self.prediction.values, self.config.min_depth, self.config.max_depth)

    @cached_property
    def normals(self) -> torch.Tensor:
        """(H, W, 3) float32 unit normals, camera optical frame, towards the camera; NaN where the depth is unknown.

        The model's own, or for a model without them those of its depth.

        Raises:
            ModelError: the model has none and its output is relative.
        """
        given = self.prediction.normals
        if given is None:
            return normals_from_depth(self.depth, rays(self.camera, self.rgb.device))
        known = (
            torch.isfinite(self.depth) if self.prediction.kind is DepthKind.METRIC else torch.isfinite(given[..., 0])
        )
        return torch.where(known[..., None], given, torch.nan)

    def packed_cloud(self) -> torch.Tensor:
        """(H / stride, W / stride, 4) float32 x, y, z, rgb: `pack_cloud` without flying pixels.

        With `cloud_normals` (..., 8): normal_x, normal_y, normal_z and curvature follow.
        """
        depth, step = self.depth, self.config.stride
        if self.config.edge_ratio > 0:
            depth = torch.where(depth_edges(depth, self.config.edge_ratio), torch.nan, depth)
        grid = rays(self.camera.strided(step), depth.device)
        packed = pack_cloud(depth[::step, ::step], grid, self.rgb[::step, ::step])
        if not self.config.cloud_normals:
            return packed
        normals = torch.where(torch.isfinite(packed[..., 2:3]), self.normals[::step, ::step], torch.nan)
        return torch.cat((packed, normals, curvature(packed[..., :3], normals)[..., None]), dim=-1)

    def color(self) -> torch.Tensor:
        """(H, W, 3) uint8 BGR picture of the inverse depth, near is warm: for eyes, never for measuring."""
        metric = self.prediction.kind is DepthKind.METRIC
        return colorize(1 / self.depth if metric else self.prediction.values)


@dataclass(frozen=True, eq=False)
class Shot:
    """One image to estimate the depth of.

    Attributes:
        rgb: (H, W, 3) uint8. camera: of this image, distortion included.
        into: rectify the image into this pinhole first; the frame is then in that camera.
        rotation: R of the CameraInfo, used with `into`.
    """

    rgb: np.ndarray
    camera: Camera
    into: Camera | None = None
    rotation: Rotation = IDENTITY


class Pipeline:
    """rgb + camera -> Frame."""

    def __init__(self, model: DepthModel, config: DepthConfig | None = None) -> None:
        self.model = model
        self.config = config or DepthConfig()

    @torch.inference_mode()
    def estimate(
        self, rgb: np.ndarray, camera: Camera, into: Camera | None = None, rotation: Rotation = IDENTITY
    ) -> Frame:
        """Depth of one image; the arguments are those of a `Shot`.

        Raises:
            CameraError: the camera is of another size than the image.
            FrameError: the model cannot read the image.
        """
        image, camera = self._prepare(Shot(rgb, camera, into, rotation))
        (frame,) = self._predict([(image, camera)])
        return frame

    @torch.inference_mode()
    def estimate_batch(self, shots: Sequence[Shot]) -> list[Frame | Exception]:
        """Depth of several images, those of one size in one batch of the network.

        Returns:
            For each shot its frame, or why there is none: a FrameError for a bad image, anything else for what went
            wrong in the model, such as too little memory for the batch. It costs the others nothing but time.
        """
        found: list[Frame | Exception | None] = [None] * len(shots)
        batches: dict[tuple[int, int], list[int]] = {}
        images: dict[int, tuple[torch.Tensor, Camera]] = {}
        for index, shot in enumerate(shots):
            try:
                images[index] = self._prepare(shot)
                camera = images[index][1]
                batches.setdefault((camera.width, camera.height), []).append(index)
            except Exception as error:
                found[index] = error
        for batch in batches.values():
            for index, frame in zip(batch, self._predict_each([images[index] for index in batch]), strict=True):
                found[index] = frame
        return [frame for frame in found if frame is not None]

    def _prepare(self, shot: Shot) -> tuple[torch.Tensor, Camera]:
        """The image on the device, rectified where that is asked for, and the camera that goes with it."""
        shot.camera.check_size(shot.rgb.shape[1], shot.rgb.shape[0])
        # torch takes no read-only arrays, which views of immutable bytes are.
        host = torch.from_numpy(shot.rgb if shot.rgb.flags.writeable else shot.rgb.copy())
        image = host.to(self.model.device, non_blocking=True)
        if shot.into is None:
            return image, shot.camera
        return rectify(image, shot.camera, shot.into, shot.rotation), shot.into

    def _predict(self, images: Sequence[tuple[torch.Tensor, Camera]]) -> list[Frame]:
        rgb = torch.stack([image for image, _ in images]) if len(images) > 1 else images[0][0][None]
        predictions = self.model.predict(rgb, [camera for _, camera in images])
        return [
            Frame(image, camera, prediction, self.config)
            for (image, camera), prediction in zip(images, predictions, strict=True)
        ]

    def _predict_each(self, images: Sequence[tuple[torch.Tensor, Camera]]) -> Sequence[Frame | Exception]:
        """All at once; if the model fails at that, one by one, to lose none but those that it fails at alone."""
        try:
            return self._predict(images)
        except Exception as error:
            if len(images) == 1:
                return [error]
            return [frame for image in images for frame in self._predict_each([image])]
