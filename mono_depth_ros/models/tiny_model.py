# SPDX-License-Identifier: Apache-2.0
"""The embedded model `tiny` behind the model contract: metric, camera-aware, shipped with the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.networks.tiny import input_size, load_tiny
from mono_depth_ros.models.resample import Size, resize_area, resize_linear
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.runtime.engine_model import EngineModel, check_frames
from mono_depth_ros.prediction import DepthKind, DepthPrediction

STEEPEST_RAY = 4.0
"""|x/z| and |y/z| beyond this (76 degrees off the axis) are unknown: training went to about 1.5, and the tangent of a
fisheye's rim would drown the rest of the image."""


class TinyModel(EngineModel):
    """`DepthModel` around `TinyDepthNet`.

    Images are read at about 256 x 192 pixels, averaged over area because that is how the training frames look; the
    network sees the rays of that smaller camera, lens distortion undone. NaN where the lens has no ray or one beyond
    STEEPEST_RAY, +inf where the network sees sky.
    """

    def __init__(self, options: EngineOptions, weights: Path | None = None) -> None:
        """Load the shipped weights, or a `weights` file.

        Raises:
            ModelError: the file is missing or does not fit the network; or see `make_engine`.
        """
        if options.engine == "auto":
            # At 6 ms a frame, coming up at once is worth more than the milliseconds of another engine.
            options = replace(options, engine="torch")
        if (options.engine, options.precision) == ("torch", "auto"):
            options = replace(options, precision="fp32")
        network = Network(
            name="tiny",
            module=load_tiny(weights),
            inputs=("rgb", "rays"),
            outputs=("log_depth", "sky_logit"),
            shapes=({0: "batch", 2: "32*rows", 3: "32*columns"},) * 2,
            depth=lambda outputs: outputs[0].exp(),
        )
        super().__init__(CATALOGUE["tiny"].spec, network, options)
        self.predict(*check_frames()[0])  # so that the first frame is not slow

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """rgb (N, 3, h, w) in [0, 1] and rays (N, 2, h, w), channels last."""
        size = input_size(rgb.shape[2], rgb.shape[1])
        small = torch.stack([resize_area(image, size) for image in rgb])
        grids = torch.stack([_input_rays(camera, size, str(self.device)) for camera in cameras])
        return small.permute(0, 3, 1, 2).float().div_(255), grids

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predictions from log depth and sky logits, each (N, 1, h, w)."""
        log_depth, sky_logit = outputs
        return [postprocess(log_depth[i, 0], sky_logit[i, 0], camera, self.device) for i, camera in enumerate(cameras)]


def load(_source: Path, options: EngineOptions, _expected: CatalogueEntry | None) -> TinyModel:
    """The shipped model: see `loading.Loader`."""
    return TinyModel(options)


def postprocess(log_depth: Tensor, sky_logit: Tensor, camera: Camera, device: torch.device) -> DepthPrediction:
    """Prediction at the size of `camera` from the network's outputs (h, w).

    Upsampled as inverse depth: on a plane 1/z is linear in the pixel, so bilinear is exact there, where log depth and
    depth are not; the result also leans to the near side of an edge. Against 640x480 ground truth of the synthetic
    world, true depth at 256x192 upsampled this way is off by AbsRel .0058, as log depth .0072, as depth .0093.
    """
    size = (camera.width, camera.height)
    values = resize_linear((-log_depth.float()).exp_(), size).reciprocal_()
    # Indoors there is none, which saves most of the time; on a GPU asking would cost more than doing it.
    if device.type != "cpu" or bool((sky_logit > 0).any()):
        values.masked_fill_(resize_linear(sky_logit.float(), size) > 0, torch.inf)
    unseen = _unseen(camera, str(device))
    if unseen is not None:
        values.masked_fill_(unseen, torch.nan)
    return DepthPrediction(values, DepthKind.METRIC)


@lru_cache(maxsize=32)
def _input_rays(camera: Camera, size: Size, device: str) -> Tensor:
    """(2, h, w) rays of the camera at the network's size; 0, as on the optical axis, where they are unknown."""
    grid = rays(camera.resized(*size), device)
    return torch.where(_too_steep(grid)[..., None], 0.0, grid).permute(2, 0, 1)


@lru_cache(maxsize=32)
def _unseen(camera: Camera, device: str) -> Tensor | None:
    """(H, W) bool, True for pixels without a usable ray; None where there are none such."""
    unseen = _too_steep(rays(camera, device))
    return unseen if bool(unseen.any()) else None


def _too_steep(grid: Tensor) -> Tensor:
    return ~(grid.abs() <= STEEPEST_RAY).all(dim=-1)  # NaN too
