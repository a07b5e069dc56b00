# SPDX-License-Identifier: Apache-2.0
"""The heart: one image and its camera in, metric depth, cloud and colour view out. Nodes and tools both call it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from mono_depth_ros.config import DepthConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import depth_edges, limit_range, pack_cloud
from mono_depth_ros.geometry.colorize import colorize
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rectify import IDENTITY, Rotation, rectify
from mono_depth_ros.models.contract import DepthModel
from mono_depth_ros.prediction import DepthKind, DepthPrediction


@dataclass(frozen=True, eq=False)
class RgbdFrame:
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

    def cloud(self) -> torch.Tensor:
        """(H / stride, W / stride, 4) float32 x, y, z, rgb: `pack_cloud` without flying pixels."""
        depth, step = self.depth, self.config.stride
        if self.config.edge_ratio > 0:
            depth = torch.where(depth_edges(depth, self.config.edge_ratio), torch.nan, depth)
        grid = rays(self.camera.strided(step), depth.device)
        return pack_cloud(depth[::step, ::step], grid, self.rgb[::step, ::step])

    def color(self) -> torch.Tensor:
        """(H, W, 3) uint8 BGR picture of the inverse depth, near is warm: for eyes, never for measuring."""
        metric = self.prediction.kind is DepthKind.METRIC
        return colorize(1 / self.depth if metric else self.prediction.values)


class Pipeline:
    """rgb + camera -> RgbdFrame."""

    def __init__(self, model: DepthModel, config: DepthConfig | None = None) -> None:
        self.model = model
        self.config = config or DepthConfig()

    @torch.inference_mode()
    def estimate(
        self, rgb: np.ndarray, camera: Camera, into: Camera | None = None, rotation: Rotation = IDENTITY
    ) -> RgbdFrame:
        """Depth of one image.

        Args:
            rgb: (H, W, 3) uint8. camera: of this image, distortion included.
            into: rectify the image into this pinhole first; the frame is then in that camera.
            rotation: R of the CameraInfo, used with `into`.

        Raises:
            CameraError: the camera is of another size than the image.
        """
        camera.check_size(rgb.shape[1], rgb.shape[0])
        # torch takes no read-only arrays, which views of immutable bytes are.
        host = torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy())
        image = host.to(self.model.device, non_blocking=True)
        if into is not None:
            image, camera = rectify(image, camera, into, rotation), into
        (prediction,) = self.model.predict(image[None], [camera])
        return RgbdFrame(image, camera, prediction, self.config)
