# SPDX-License-Identifier: Apache-2.0
"""Other views of a training frame: what a turned, cropped, mirrored camera of another focal length would have seen.

A camera that turns about its centre sees the same rays: its image is a homography of the first, and the depth of a ray
changes with its angle to the new axis (Hartley and Zisserman 2004, section 8.4). A crop and resize is another focal
length and principal point. So depth stays metric, and the rays that the network is given say which camera it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.distortion import distort
from mono_depth_ros.training.adapt.example import Example, Floats, scattered
from mono_depth_ros.training.augment import change_colour, random_window, ray_axes

_PLAIN = 0.3  # of the views are not turned
_COARSER = 1.5  # image pixels in a pixel of the view, beyond which it is averaged first


@dataclass(frozen=True, eq=False)
class Shown:
    """A view: what a batch is made of.

    Attributes:
        rgb: (h, w, 3) uint8. ray_x: (w,), ray_y: (h,) float32, x/z and y/z of its pinhole.
        dense: (h, w) float32 metres, NaN unknown, +inf sky. dense_weight: how much it counts.
        sparse: (h, w) float32 metres, NaN unknown. weight: (h, w) float32 of those.
    """

    rgb: NDArray[np.uint8]
    ray_x: Floats
    ray_y: Floats
    dense: Floats
    dense_weight: float
    sparse: Floats
    weight: Floats


def random_view(example: Example, size: tuple[int, int], turn_deg: float, rng: np.random.Generator) -> Shown:
    """A random view of an example at `size` (width, height), with other colours, blur or noise."""
    camera = replace(example.camera, model="none", distortion=())
    window = random_window(camera.width, camera.height, size, rng)
    turn = np.eye(3) if rng.random() < _PLAIN else rotation(*rng.normal(0, turn_deg, 3) * (0.5, 0.5, 1.0))
    shown = view(example, camera.cropped(*window).resized(*size), turn)
    if rng.random() < 0.5:
        shown = mirrored(shown)
    return replace(shown, rgb=change_colour(np.ascontiguousarray(shown.rgb), rng))


def view(example: Example, camera: Camera, turn: NDArray[np.float64]) -> Shown:
    """What the pinhole `camera`, turned, sees of an example.

    Args:
        turn: (3, 3) from the example's optical frame to that of the new camera.
    """
    ray_x, ray_y = ray_axes(camera)
    back = turn.T.astype(np.float32)
    x, y, z = (back[k, 0] * ray_x + (back[k, 1] * ray_y + back[k, 2])[:, None] for k in range(3))
    source, rgb, dense = example.camera, example.rgb, example.dense
    scale = source.fx / camera.fx
    if scale > _COARSER:
        rgb = np.asarray(cv2.resize(rgb, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA), np.uint8)
    u, v = pixels(x / z, y / z, source)
    image_u, image_v = (
        (at + 0.5) * (new / old) - 0.5
        for at, new, old in ((u, rgb.shape[1], source.width), (v, rgb.shape[0], source.height))
    )
    seen = np.asarray(cv2.remap(rgb, image_u, image_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    if dense is None:
        depth = np.full(u.shape, np.nan, np.float32)
    else:
        depth = cv2.remap(
            dense.astype(np.float32, copy=False), u, v, cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT, borderValue=math.nan,
        ) / z  # fmt: skip
    turned = example.points @ turn.T.astype(np.float32)
    sparse, weight = scattered(turned, example.weight, camera)
    return Shown(seen, ray_x, ray_y, depth, example.dense_weight, sparse, weight)


def pixels(x: Floats, y: Floats, camera: Camera) -> tuple[Floats, Floats]:
    """Where rays x/z, y/z appear in an image, float32; far outside where the lens has no such ray."""
    if not camera.rectified:
        bent = distort(torch.from_numpy(x), torch.from_numpy(y), camera)
        x, y = (np.nan_to_num(each.numpy(), nan=-1e4) for each in bent)
    return (camera.fx * x + camera.cx).astype(np.float32), (camera.fy * y + camera.cy).astype(np.float32)


def mirrored(shown: Shown) -> Shown:
    """Left and right exchanged, in the image and in the world."""
    maps = {name: getattr(shown, name)[:, ::-1] for name in ("rgb", "dense", "sparse", "weight")}
    return replace(shown, ray_x=-shown.ray_x[::-1], **maps)


def rotation(pitch_deg: float, yaw_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """(3, 3): about x, then y, then z of the camera's optical frame."""
    (cx, sx), (cy, sy), (cz, sz) = (
        (math.cos(math.radians(angle)), math.sin(math.radians(angle))) for angle in (pitch_deg, yaw_deg, roll_deg)
    )
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    found: NDArray[np.float64] = about_z @ about_y @ about_x
    return found
