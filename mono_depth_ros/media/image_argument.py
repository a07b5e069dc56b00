# SPDX-License-Identifier: Apache-2.0
"""Whatever a caller calls an image, as RGB: a path, a PIL image, a numpy array or a torch tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from mono_depth_ros.errors import ImageError
from mono_depth_ros.media.images import read_image
from mono_depth_ros.paths import expanded

EXPECTED = (
    "expected a path, a PIL image, a numpy array uint8 (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey, or a torch tensor "
    "(H, W, 3) uint8, (3, H, W) uint8 or (3, H, W) float from 0 to 1"
)
_DEEP = ("I", "F")  # PIL modes of more than 8 bits begin so


def as_rgb(image: Any) -> np.ndarray | torch.Tensor:
    """(H, W, 3) uint8 RGB: an array, or for a tensor a tensor on its device. Orientation tags are ignored (read_image).

    Raises:
        DataError: a file that cannot be read. ImageError: a file that is no picture; something else than an image,
            or one of another shape, dtype or range: found and expected.
    """
    if isinstance(image, (str, Path)):
        return read_image(expanded(image))
    if isinstance(image, torch.Tensor):
        return _of_tensor(image)
    if hasattr(image, "convert") and hasattr(image, "getbands"):  # PIL, without importing it
        if image.mode.startswith(_DEEP):
            raise _refused(f"a PIL image of mode {image.mode}")
        image = np.array(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise _refused(f"a {type(image).__name__}")
    if image.dtype != np.uint8 or not image.size:
        raise _refused(f"an array of shape {image.shape} and {image.dtype}")
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=-1)
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        return np.ascontiguousarray(image[..., :3])
    raise _refused(f"an array of shape {image.shape}")


def _of_tensor(image: torch.Tensor) -> torch.Tensor:
    found = f"a tensor of shape {tuple(image.shape)} and {str(image.dtype).removeprefix('torch.')}"
    last, first = image.ndim == 3 and image.shape[-1] == 3, image.ndim == 3 and image.shape[0] == 3
    if not image.numel() or not (last or first):
        raise _refused(found)
    if image.is_floating_point():
        image = image.detach()
        if not first or not bool(((image >= 0) & (image <= 1)).all()):
            raise _refused(f"{found}{f' from {float(image.min()):g} to {float(image.max()):g}' if first else ''}")
        return (image * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    if image.dtype != torch.uint8:
        raise _refused(found)
    if last and first:
        raise _refused(f"{found}, in which both the first and the last axis may be the colours")
    return image if last else image.permute(1, 2, 0).contiguous()


def _refused(found: str) -> ImageError:
    return ImageError(f"the image is {found}, {EXPECTED}", "image_shape")
