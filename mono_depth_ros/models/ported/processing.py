# SPDX-License-Identifier: Apache-2.0
"""How a checkpoint wants its images prepared: preprocessor_config.json, honoured or refused, never ignored."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.ported.checkpoint import refuse_code
from mono_depth_ros.models.resample import Size
from mono_depth_ros.models.weights.files import read_json

FILE = "preprocessor_config.json"
_KERNELS = {2: "bilinear", 3: "bicubic"}  # PIL.Image.Resampling
_SWITCHED_ON = ("do_resize", "do_rescale")
_WITHOUT_EFFECT = {
    *("image_processor_type", "feature_extractor_type", "processor_class", "image_seq_length", "return_tensors"),
    *("data_format", "input_data_format", "device", "disable_grouping", "do_convert_rgb", "default_to_square"),
    *("do_reduce_labels", "crop_size", "pad_size", "size_divisor", "antialias", "_valid_processor_keys"),
}
"""What describes the file, labels of segmentation, or belongs to a step that is switched off."""


@dataclass(frozen=True)
class Processing:
    """Steps from an image to the network's input.

    Attributes:
        size: (width, height) that images are resized to or towards, None where it follows from the image alone.
        kernel: "bilinear" or "bicubic".
        factor: that grey levels are multiplied by. mean, std: of the normalisation after that, one a channel.
        keep_aspect_ratio: by one factor, that of the side which needs less change.
        multiple: sides are rounded to multiples of this, not necessarily a whole number.
        pad: by reflection, before the resize.
    """

    size: Size | None = None
    kernel: str = "bilinear"
    factor: float = 1 / 255
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    keep_aspect_ratio: bool = False
    multiple: float = 1
    pad: bool = False

    def normalise(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) grey levels to (N, 3, H, W) float32."""
        mean, std = images.new_tensor(self.mean, dtype=torch.float32), images.new_tensor(self.std, dtype=torch.float32)
        return (images.float() * self.factor).sub_(mean).div_(std).permute(0, 3, 1, 2)


def read_processing(directory: Path, published: Processing, multiple: str, keys: Collection[str] = ()) -> Processing:
    """What the checkpoint's preprocessor_config.json asks for; `published` where there is none or it does not say.

    Args:
        multiple: the key in the file that `Processing.multiple` comes from, "" for none.
        keys: further keys that this family can honour, of keep_aspect_ratio, do_pad.

    Raises:
        ModelError: the file is damaged or asks for something that is not done here; found and expected.
    """
    path = directory / FILE
    if not path.is_file():
        return published
    values = {key: value for key, value in read_json(path).items() if value is not None}
    refuse_code(path, values)
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key in _SWITCHED_ON:
            _check(path, key, value, value is True, "true")
        elif key == "size" and published.size is not None:
            changes["size"] = _size(path, value)
        elif key == "resample":
            _check(path, key, value, value in _KERNELS, "2 (bilinear) or 3 (bicubic)")
            changes["kernel"] = _KERNELS[value]
        elif key == "rescale_factor":
            _check(path, key, value, _positive(value), "a positive number such as 1/255")
            changes["factor"] = float(value)
        elif multiple and key == multiple:
            _check(path, key, value, _positive(value), "a positive number")
            changes["multiple"] = value
        elif key in keys:
            _check(path, key, value, isinstance(value, bool), "true or false")
            changes[{"do_pad": "pad"}.get(key, key)] = value
        elif key not in (*_WITHOUT_EFFECT, "size", "do_normalize", "image_mean", "image_std") and value is not False:
            known = ", ".join(sorted({"size", "resample", "image_mean", "image_std", *keys, multiple} - {""}))
            raise ModelError(f"{path} asks for {key} = {value!r}, which is not done here; expected only {known}")
    if values.get("do_normalize", True):
        changes["mean"] = _channels(path, "image_mean", values.get("image_mean", published.mean))
        changes["std"] = _channels(path, "image_std", values.get("image_std", published.std))
        _check(path, "image_std", values.get("image_std"), all(v > 0 for v in changes["std"]), "positive numbers")
    else:
        changes.update(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return replace(published, **changes)


def _size(path: Path, value: Any) -> Size:
    if isinstance(value, dict) and set(value) == {"height", "width"}:
        width, height = value["width"], value["height"]
    else:
        width = height = value
    fits = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in (width, height))
    _check(path, "size", value, fits, "a number or height and width, in pixels")
    return width, height


def _channels(path: Path, key: str, value: Any) -> tuple[float, float, float]:
    values = list(value) if isinstance(value, (list, tuple)) else [value] * 3
    fits = len(values) == 3 and all(isinstance(v, (int, float)) and math.isfinite(v) for v in values)
    _check(path, key, value, fits, "a number or three")
    return float(values[0]), float(values[1]), float(values[2])


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _check(path: Path, key: str, value: Any, fits: bool, expected: str) -> None:
    if not fits:
        raise ModelError(f"{path} asks for {key} = {value!r}, expected {expected}")
