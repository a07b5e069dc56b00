# SPDX-License-Identifier: Apache-2.0
"""From images to a network's inputs, on the model's device, as its `Processing` says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ImageError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.processing import CameraInput, ImageInput, Processing, SizeRule
from mono_depth_ros.models.resample import Size, resize_images

MAX_PIXELS = 2**25
"""Of a network's input: a size rule that asks for more, from an image of extreme shape, is refused."""
MAX_ASPECT = 20.0
"""Of an image whose rule is a number of patches or pixels, and so has no bound of its own."""


@dataclass(frozen=True)
class Layout:
    """The image, resized to `content`, lies at (left, top) in a `canvas`; sizes are (width, height) in pixels.

    Attributes:
        scale: of the focal lengths fx and fy. That of `fit` is the exact ratio, not that of the sizes in whole pixels.
        first: the size of a step before `content`, None where there is none.
    """

    content: Size
    canvas: Size
    left: int
    top: int
    scale: tuple[float, float]
    first: Size | None = None

    @property
    def padded(self) -> bool:
        """Whether the canvas is larger than the image in it."""
        return self.content != self.canvas

    def camera(self, camera: Camera) -> Camera:
        """The camera of the canvas, from that of the image."""
        (width, height), (sx, sy) = self.canvas, self.scale
        cx, cy = (camera.cx + 0.5) * sx - 0.5 + self.left, (camera.cy + 0.5) * sy - 0.5 + self.top
        return replace(camera, width=width, height=height, fx=camera.fx * sx, fy=camera.fy * sy, cx=cx, cy=cy)


@lru_cache(maxsize=64)
def layout(width: int, height: int, image: ImageInput) -> Layout:
    """How the network reads an image of this size.

    Raises:
        ImageError: reason `image_shape`: its shape is so extreme that a side is too short or that the input would be
            huge.
    """
    rule = image.size
    if rule.fit is not None:
        assert image.pad is not None
        scale = min(rule.fit[0] / width, rule.fit[1] / height)
        content = _fitted(width, height, scale, rule)
        free = (rule.fit[0] - content[0], rule.fit[1] - content[1])
        left, top = (free[0] // 2, free[1] // 2) if image.pad.where == "centre" else (0, 0)
        found = Layout(content, (rule.fit[0], rule.fit[1]), left, top, (scale, scale))
    else:
        first = _first(width, height, rule) if rule.two_steps else None
        content = _multiples(first, rule) if first is not None and not rule.fixed else sized(width, height, rule)
        found = Layout(content, content, 0, 0, (content[0] / max(width, 1), content[1] / max(height, 1)), first)
    low, high = max(rule.min_side, rule.multiple), rule.max_side or MAX_PIXELS
    if min(content) < low or max(content) > high or found.canvas[0] * found.canvas[1] > MAX_PIXELS:
        read = f"the image is {width}x{height} and would be read at {content[0]}x{content[1]}"
        limits = f"sides of at least {low}{f' and at most {rule.max_side}' if rule.max_side else ''} pixels"
        raise ImageError(f"{read}, expected a shape less extreme for size rule {rule.rule}: {limits}", "image_shape")
    return found


def _fitted(width: int, height: int, scale: float, rule: SizeRule) -> Size:
    """`down` truncates, float error and all, as `resize_for_input` of Metric3D's `mono/utils/do_test.py` does."""
    if rule.rounding == "down":
        return int(width * scale), int(height * scale)
    return _whole(width * scale, 1, rule.rounding), _whole(height * scale, 1, rule.rounding)


def sized(width: int, height: int, rule: SizeRule) -> Size:
    """(width, height) that a rule makes of an image's, padding left out."""
    if rule.fixed is not None:
        return rule.fixed[0], rule.fixed[1]
    scale, low, high = 1.0, 0.0, math.inf
    if rule.shorter_side is not None:
        scale, low = max(rule.shorter_side / width, rule.shorter_side / height), rule.shorter_side
    elif rule.longer_side is not None:
        scale, high = min(rule.longer_side / width, rule.longer_side / height), rule.longer_side
        scale = min(scale, 1.0) if rule.only_shrink else scale
    elif rule.near is not None:  # as `get_resize_output_image_size` of transformers' DPT
        scale = min((rule.near[0] / width, rule.near[1] / height)[::-1], key=lambda factor: abs(1 - factor))

    def fit(side: int) -> int:
        """`nearest` as in Depth-Anything-V2 `util/transform.py`, `constrain_to_multiple_of`."""
        if rule.rounding not in ("nearest", "half_up"):
            return _whole(scale * side, rule.multiple, rule.rounding)
        rounded = _whole(scale * side, rule.multiple, rule.rounding)
        if rounded < low:
            return _whole(scale * side, rule.multiple, "up")
        return rounded if rounded <= high else _whole(scale * side, rule.multiple, "down")

    return fit(width), fit(height)


def _first(width: int, height: int, rule: SizeRule) -> Size:
    """The size of the first of two steps: in whole pixels by the rule, or with the longer side of a fixed size."""
    if rule.fixed is None:
        return sized(width, height, replace(rule, multiple=1, rounding="nearest"))
    scale = max(rule.fixed) / max(width, height)
    return _whole(scale * width, 1, "nearest"), _whole(scale * height, 1, "nearest")


def _multiples(size: Size, rule: SizeRule) -> Size:
    """The second of two steps: its bounds hold for the first."""
    return _whole(size[0], rule.multiple, rule.rounding), _whole(size[1], rule.multiple, rule.rounding)


def _whole(length: float, multiple: int, rounding: str) -> int:
    steps = length / multiple
    # A hair's breadth of float error, as in 375 * (518 / 375), is no reason for another step.
    near = round(steps)
    if rounding == "nearest" or abs(steps - near) < 1e-9 * max(near, 1):
        return near * multiple
    if rounding == "half_up":
        return math.floor(steps + 0.5) * multiple
    return (math.floor(steps) if rounding == "down" else math.ceil(steps)) * multiple


def image_input(rgb: Tensor, image: ImageInput, place: Layout) -> Tensor:
    """The tensor of the images, (N, ...) in the network's layout.

    Args:
        rgb: (N, H, W, 3) uint8 on the device. place: where these images lie.

    Returns:
        float32, holding whole numbers where the network takes uint8: engines convert to its dtype.
    """
    if image.dtype == "uint8":
        levels = rgb if image.resample_dtype == "uint8" else rgb.float()
        pixels = _resized(levels, image, place).float().round_().clamp_(0, 255)
    elif image.resample_dtype == "uint8":
        pixels = normalised(_resized(rgb, image, place), image)
    else:  # The weights of every kernel sum to 1: what is normalised first comes out as if it were normalised last.
        pixels = _resized(normalised(rgb, image), image, place)
    if image.pad is not None and place.padded:
        canvas = _padding(image, str(rgb.device)).expand(len(rgb), place.canvas[1], place.canvas[0], 3).clone()
        width, height = place.content
        canvas[:, place.top : place.top + height, place.left : place.left + width] = pixels
        pixels = canvas
    if image.channels == "bgr":
        pixels = pixels.flip(-1)
    if image.layout in ("nhwc", "hwc"):
        return pixels if image.layout == "nhwc" else pixels[0]
    planes = pixels.permute(0, 3, 1, 2)
    return {"n1chw": planes[:, None], "chw": planes[0]}.get(image.layout, planes)


def _resized(images: Tensor, image: ImageInput, place: Layout) -> Tensor:
    for size in (place.first, place.content):
        if size is not None:
            images = resize_images(images, size, image.resample, image.antialias)
    return images


def normalised(rgb: Tensor, image: ImageInput) -> Tensor:
    """(N, H, W, 3) uint8 to float32 as the network takes it, the channels still in the order of `rgb`."""
    if rgb.device.type != "cpu":
        scale, shift = _scale_shift(image, str(rgb.device))
        return torch.addcmul(shift, rgb.float(), scale)
    table = _table(image)
    out = torch.empty(rgb.shape)
    for one, target in zip(rgb, out, strict=True):
        cv2.LUT(one.contiguous().numpy(), table, dst=target.numpy())
    return out


def _levels(image: ImageInput, grey: np.ndarray) -> np.ndarray:
    """(..., 3) float64 what grey levels (..., 1) or (..., 3) become, the channels in the order red, green, blue."""
    order = slice(None, None, -1) if image.channels == "bgr" else slice(None)
    mean, std = (np.array(values, dtype=np.float64)[order] for values in (image.mean, image.std))
    levels: np.ndarray = (grey * (image.range / 255) - mean) / std
    return levels


@lru_cache(maxsize=16)
def _table(image: ImageInput) -> np.ndarray:
    """(1, 256, 3): what each grey level of each channel becomes."""
    return _levels(image, np.arange(256.0)[None, :, None]).astype(np.float32)


@lru_cache(maxsize=16)
def _scale_shift(image: ImageInput, device: str) -> tuple[Tensor, Tensor]:
    """Scale and shift of the grey levels where the images are: they are not uploaded for each."""
    zero, one = (torch.from_numpy(_levels(image, np.array([level]))) for level in (0.0, 1.0))
    return (one - zero).float().to(device), zero.float().to(device)


@lru_cache(maxsize=16)
def _padding(image: ImageInput, device: str) -> Tensor:
    """(3,) the padding as the network takes it, the channels in the order red, green, blue."""
    assert image.pad is not None
    value = np.array(image.pad.value, dtype=np.float64)[:: -1 if image.channels == "bgr" else 1]
    levels = value if image.dtype == "uint8" else _levels(image, value)
    return torch.from_numpy(levels.astype(np.float32)).to(device)


def focal_px(camera: Camera, processing: Processing) -> float:
    """f of the declaration, of a camera at the processed size."""
    fx, fy = camera.fx, camera.fy
    return {"fx": fx, "mean": (fx + fy) / 2, "geometric": math.sqrt(fx * fy)}[processing.focal]


CAMERA_RANKS = {"focal_px": 0, "matrix": 2, "matrix4": 2, "inverse_matrix": 2, "vector": 1, "rays": 3}
"""Axes of what a form has for one camera."""


def camera_input(cameras: Sequence[Camera], rank: int, form: CameraInput, processing: Processing) -> Tensor:
    """The tensor of the cameras at the processed size, float32.

    Args:
        rank: of the graph's input; that of one camera, see CAMERA_RANKS, is for a graph of one image, without the
            batch's axis.

    Returns:
        (N, ...) of the form: nothing or (1,) for a focal length, (3, 3), (4, 4), (4,), or (3, H, W).
    """
    if form.form == "focal_px":
        focal = torch.tensor([focal_px(camera, processing) for camera in cameras])
        return focal[0] if rank == 0 else focal if rank == 1 else focal[:, None]
    values = torch.stack(
        [_camera_rays(camera) if form.form == "rays" else _numbers(camera, form) for camera in cameras]
    )
    return values if rank > CAMERA_RANKS[form.form] else values[0]


def _numbers(camera: Camera, form: CameraInput) -> Tensor:
    matrix = camera.matrix.astype(np.float64)
    if form.pixel_centres == "halves":
        matrix[:2, 2] += 0.5
    if form.form == "matrix4":
        whole = np.eye(4)
        whole[:3, :3] = matrix
        return torch.from_numpy(whole).float()
    if form.form == "vector":
        return torch.from_numpy(matrix[[0, 1, 0, 1], [0, 1, 2, 2]]).float()
    return torch.from_numpy(np.linalg.inv(matrix) if form.form == "inverse_matrix" else matrix).float()


def _camera_rays(camera: Camera) -> Tensor:
    return unit_rays(rays(camera), rays(replace(camera, model="none", distortion=())))


def unit_rays(ahead: Tensor, pinhole: Tensor) -> Tensor:
    """(3, H, W) float32 unit vectors of viewing rays (H, W, 2) with z = 1, as a network takes them.

    What the lens model does not cover, as in the corners of a fisheye, is as of a `pinhole`: a network spreads one NaN
    over its whole output.
    """
    known = torch.where(ahead.isfinite(), ahead, pinhole)
    units = functional.normalize(torch.cat([known, torch.ones_like(known[..., :1])], -1), dim=-1)
    return units.permute(2, 0, 1).float()


def check_aspect(width: int, height: int) -> None:
    """Raise ImageError, reason `image_shape`, for an image longer than MAX_ASPECT times its other side."""
    if not 1 / MAX_ASPECT <= width / height <= MAX_ASPECT:
        found = f"the image is {width}x{height}"
        raise ImageError(f"{found}, expected a shape less extreme than {MAX_ASPECT:g} to 1", "image_shape")
