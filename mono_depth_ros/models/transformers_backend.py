# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 (Yang et al. 2024, arXiv 2406.09414): the network of `transformers`, the authors' processing.

The reference is github.com/DepthAnything/Depth-Anything-V2, `depth_anything_v2/dpt.py` and `util/transform.py`. The
image processor of `transformers` is not used: it antialiases, picks another size and returns through another filter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.checkpoint import load_network, read_config
from mono_depth_ros.models.contract import ModelSpec, check_batch
from mono_depth_ros.models.resize import Size, lower_bound_size, resize_corners, resize_cubic
from mono_depth_ros.prediction import DepthPrediction

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
LONGEST_SIDE = 518 * 8
"""Images of more extreme shape than 8:1 are refused: attention grows with the square of the area."""

_POSITION_OFFSET = 0.1  # `interpolate_offset` of the authors' DINOv2


class DepthAnythingV2:
    """`DepthModel` of a checkpoint directory in the format of `transformers` (config.json, *.safetensors).

    `spec.kind` is what the checkpoint says: relative gives INVERSE_AFFINE, metric gives METRIC up to `max_depth_m`.
    The camera is not used.
    """

    def __init__(
        self, directory: Path, device: torch.device, expected: ModelSpec | None = None, hidden_size: int | None = None
    ) -> None:
        """Load in float32.

        Args:
            expected: what the caller takes the checkpoint for; a checkpoint that says otherwise is refused.
            hidden_size: the encoder width that goes with `expected`.

        Raises:
            ModelError: transformers is missing, or the directory does not hold what it should; found and expected.
        """
        config = read_config(directory)
        if expected is not None:
            config.check(expected)
        unstated = ModelSpec(str(directory), "depth_anything_v2", config.kind, "not stated", config.max_depth_m)
        self.spec, self.device = expected or unstated, device
        network = load_network(directory, config)
        width = network.backbone.embeddings.cls_token.shape[-1]
        if hidden_size is not None and width != hidden_size:
            raise ModelError(f"{self.spec.name}: {directory} has an encoder {width} wide, expected {hidden_size}")
        use_authors_positions(network)
        self.network = network.to(device=device, memory_format=torch.channels_last)
        self._scale = torch.tensor([1 / (255 * std) for std in STD], device=device)
        self._shift = torch.tensor([-mean / std for mean, std in zip(MEAN, STD, strict=True)], device=device)

    @torch.inference_mode()
    def predict(self, rgb: Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Depth or inverse depth of (N, H, W, 3) uint8 images: see `DepthModel.predict`."""
        check_batch(rgb, cameras)
        height, width = rgb.shape[1:3]
        output = self.network(pixel_values=self.preprocess(rgb)).predicted_depth
        return [DepthPrediction(values, self.spec.kind) for values in resize_corners(output, (width, height))]

    def preprocess(self, rgb: Tensor) -> Tensor:
        """(N, 3, h, w) float32, normalised, channels last, h and w by the authors' size rule."""
        size = network_size(rgb.shape[2], rgb.shape[1])
        resized = torch.stack([resize_cubic(image.float(), size) for image in rgb.to(self.device)])
        # Resampling weights sum to 1, so normalising afterwards gives what the authors' /255 before it gives.
        return resized.mul_(self._scale).add_(self._shift).permute(0, 3, 1, 2)


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


def use_authors_positions(network: Any) -> None:
    """Make the network resample its position embeddings as the authors' does; `transformers` omits their offset."""
    embeddings = network.backbone.embeddings
    patch = embeddings.patch_embeddings.patch_size[0]

    def positions(_tokens: Tensor, height: int, width: int) -> Tensor:
        return resample_positions(embeddings.position_embeddings, height // patch, width // patch)

    embeddings.interpolate_pos_encoding = positions


def resample_positions(table: Tensor, rows: int, columns: int) -> Tensor:
    """Position embeddings (1, 1 + rows * columns, C) from (1, 1 + n * n, C), the class token's first.

    The sampling step is n / (rows + 0.1), not n / rows: `interpolate_pos_encoding` in `depth_anything_v2/dinov2.py`.
    """
    side = math.isqrt(table.shape[1] - 1)
    if (rows, columns) == (side, side):
        return table
    grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
    scale = ((rows + _POSITION_OFFSET) / side, (columns + _POSITION_OFFSET) / side)
    grid = functional.interpolate(grid, scale_factor=scale, mode="bicubic")
    if grid.shape[-2:] != (rows, columns):
        raise ModelError(f"position embeddings: found {tuple(grid.shape[-2:])}, expected {(rows, columns)}")
    return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2).to(table.dtype)], dim=1)
