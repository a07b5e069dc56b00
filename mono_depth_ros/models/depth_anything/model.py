# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 (Yang et al. 2024, arXiv 2406.09414) with its authors' processing.

The reference is github.com/DepthAnything/Depth-Anything-V2, `depth_anything_v2/dpt.py` and `util/transform.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ImageError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.depth_anything.checkpoint import MEAN, STD, read
from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork
from mono_depth_ros.models.resample import Size, lower_bound_size, resize_corners
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.runtime.engine_model import EngineModel
from mono_depth_ros.prediction import DepthPrediction

LONGEST_SIDE = 518 * 8
"""Images of more extreme shape than 8:1 are refused: attention grows with the square of the area."""

_SCALE = tuple(1 / (255 * std) for std in STD)
_SHIFT = tuple(-mean / std for mean, std in zip(MEAN, STD, strict=True))
_LEVELS = (np.arange(256)[:, None] * np.array(_SCALE) + np.array(_SHIFT)).astype(np.float32)[None]
"""(1, 256, 3): what each grey level of each channel becomes."""


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None = None) -> DepthAnythingV2:
    """The model in a directory of transformers' format or in an official .pth: see `Loader`."""
    spec, network = _read(source, expected)
    return DepthAnythingV2(spec, network, options)


def _read(source: Path, expected: CatalogueEntry | None) -> tuple[ModelSpec, DepthAnythingNetwork]:
    """A function of its own, so that the file's tensors are gone before an engine makes more of them."""
    checkpoint = read(source, expected)
    return checkpoint.spec() if expected is None else expected.spec, checkpoint.network()


class DepthAnythingV2(EngineModel):
    """`DepthModel`: relative gives INVERSE_AFFINE, metric gives METRIC up to `max_depth_m`. The camera is not used."""

    def __init__(self, spec: ModelSpec, network: DepthAnythingNetwork, options: EngineOptions) -> None:
        """`network` has its weights, in float32 on the CPU, and is not of use to anybody else afterwards."""
        shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"},)
        graph = Network(spec.name, network.optimise(), ("image",), ("depth",), shapes)
        super().__init__(spec, graph, options)

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """(N, 3, h, w) float32, normalised, channels last, h and w by the authors' size rule.

        Resampling weights sum to 1, so normalising before it gives what the authors' normalising after it gives.
        """
        size = network_size(rgb.shape[2], rgb.shape[1])
        return ((normalised_cpu if rgb.device.type == "cpu" else normalised)(rgb, size),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Bilinear to the size of the source, corner pixels' centres kept."""
        size = (cameras[0].width, cameras[0].height)
        return [DepthPrediction(values, self.spec.kind) for values in resize_corners(outputs[0], size)]


def network_size(width: int, height: int) -> Size:
    """The (width, height) an image is read at.

    Raises:
        ImageError: reason `image_shape`, for shapes that would make a huge network input.
    """
    size = lower_bound_size(width, height)
    if max(size) > LONGEST_SIDE:
        found = f"the image is {width}x{height} and would be read at {size[0]}x{size[1]}"
        raise ImageError(f"{found}, expected an aspect ratio of at most 8:1", "image_shape")
    return size


def normalised_cpu(rgb: Tensor, size: Size) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, h, w) float32, channels last; OpenCV's resampling, the authors' own, and quick."""
    width, height = size
    out = torch.empty((len(rgb), height, width, 3))
    for image, target in zip(rgb, out, strict=True):
        levels = cv2.LUT(image.contiguous().numpy(), _LEVELS)
        cv2.resize(levels, size, dst=target.numpy(), interpolation=cv2.INTER_CUBIC)
    return out.permute(0, 3, 1, 2)


def normalised(rgb: Tensor, size: Size) -> Tensor:
    """`normalised_cpu` on any device, equal to it within 1e-4 of the range of values."""
    scale, shift = _on(rgb.device)
    planes = torch.addcmul(shift, rgb.float(), scale).permute(0, 3, 1, 2)
    resized = functional.interpolate(planes, size[::-1], mode="bicubic", align_corners=False, antialias=False)
    return resized.contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=8)
def _on(device: torch.device) -> tuple[Tensor, Tensor]:
    """Scale and shift where the images are: they are not uploaded for each."""
    return torch.tensor(_SCALE, device=device), torch.tensor(_SHIFT, device=device)
