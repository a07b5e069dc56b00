# SPDX-License-Identifier: Apache-2.0
"""The canonical camera (Yin et al. 2023, arXiv 2307.10984, section 3.2) and the image's place in the network's input.

Depth from one image is known up to the focal length: an object twice as far seen with twice the focal length looks the
same. So the network gives depth as a camera with CANONICAL_FOCAL would see it, and the true one is

    depth = canonical depth * focal length / CANONICAL_FOCAL,

with the focal length in pixels of the image that the network reads: resizing by s makes it s times as long. (This is
the paper's "CSTM_label": the image stays, the label is transformed.) Cropping changes nothing, the crop is put into the
middle; binning and resizing before us are in the focal length already.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ImageError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.networks.metric3d_encoder import MULTIPLE
from mono_depth_ros.models.resample import Size

CANONICAL_FOCAL = 1000.0
"""Pixels."""

INPUT_SIZE: Size = (1064, 616)
"""(width, height) that the network was trained at."""

PADDING = (124, 116, 104)
"""RGB: the mean colour, which the authors write as 123.675 116.28 103.53 and OpenCV rounds for images of bytes."""

_LEAST = 14  # pixels of a side when read: one patch


@dataclass(frozen=True)
class Placement:
    """Where an image lies in the network's input.

    Attributes:
        scale: from source pixels to pixels of the input. width, height: of the image there.
        left, top: its first pixel. input_size: (width, height) of the input.
    """

    scale: float
    width: int
    height: int
    left: int
    top: int
    input_size: Size

    @classmethod
    def of(cls, width: int, height: int, input_size: Size = INPUT_SIZE) -> Placement:
        """As large as it fits, its sides truncated to whole pixels, centred; an odd pixel more goes right and down.

        Source: `resize_for_input` in the authors' `mono/utils/do_test.py`.

        Raises:
            ImageError: reason `image_shape`, for an image so long that less than one patch would be left of it.
        """
        columns, rows = input_size
        scale = min(rows / height, columns / width)
        fit = int(scale * width), int(scale * height)
        if min(fit) < _LEAST:
            found = f"the image is {width}x{height} and would be read at {fit[0]}x{fit[1]}"
            longest = f"{columns // _LEAST}:1, upright 1:{rows // _LEAST}"
            raise ImageError(f"{found}, expected an aspect ratio of at most {longest}", "image_shape")
        return cls(scale, *fit, (columns - fit[0]) // 2, (rows - fit[1]) // 2, input_size)

    def canonical_to_metric(self, camera: Camera) -> float:
        """Metres of the camera for one metre of the canonical camera."""
        return camera.fx * self.scale / CANONICAL_FOCAL

    def place(self, rgb: Tensor) -> Tensor:
        """(H, W, 3) uint8 to (h, w, 3) uint8 at `input_size`: resized, and the rest in the mean colour."""
        columns, rows = self.input_size
        canvas = torch.tensor(PADDING, dtype=torch.uint8, device=rgb.device).repeat(rows, columns, 1)
        canvas[self.top : self.top + self.height, self.left : self.left + self.width] = resize_bytes(
            rgb, (self.width, self.height)
        )
        return canvas

    def cut(self, values: Tensor) -> Tensor:
        """The image's part of (..., h, w)."""
        return values[..., self.top : self.top + self.height, self.left : self.left + self.width]


def check_input_size(size: Size) -> None:
    """Raise ValueError unless both sides are multiples of 28, at least 28."""
    if any(side < MULTIPLE or side % MULTIPLE for side in size):
        raise ValueError(f"input size is {size[0]}x{size[1]}, expected multiples of {MULTIPLE}, such as 1064x616")


def resize_bytes(rgb: Tensor, size: Size) -> Tensor:
    """(H, W, 3) uint8 to `size` (width, height), bilinear by the half-pixel rule, without antialiasing.

    On the CPU OpenCV's INTER_LINEAR as the authors use it; elsewhere torch, which may differ by a grey level.
    """
    if rgb.device.type == "cpu":
        return torch.from_numpy(cv2.resize(rgb.contiguous().numpy(), size, interpolation=cv2.INTER_LINEAR))
    return resize_bytes_torch(rgb, size)


def resize_bytes_torch(rgb: Tensor, size: Size) -> Tensor:
    """`resize_bytes` on any device."""
    planes = rgb.permute(2, 0, 1)[None].float()
    out = functional.interpolate(planes, size[::-1], mode="bilinear", align_corners=False)
    return out[0].permute(1, 2, 0).round_().to(torch.uint8)
