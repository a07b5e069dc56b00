# SPDX-License-Identifier: Apache-2.0
"""UniDepthV2 (Piccinelli et al. 2025, arXiv 2502.20110): metric depth by the calibrated camera, as its authors process.

The reference is github.com/lpiccinelli-eth/UniDepth, `UniDepthV2.infer` of `unidepth/models/unidepthv2/unidepthv2.py`.
The authors' geometry is kept where it is rough: K is taken as it is with pixel centres at .5, half a pixel off from
ROS's, and all of it is scaled by one factor although the sides are rounded up to multiples of 14 (on a frame of NYUv2
2e-3 of depth); `exact_camera` is without both. Lens distortion is in the rays, which the authors do for other camera
models.

The network's own guess of the camera is not computed. Its second output is an error without a unit: the confidence is
1 / max(error, 1), and never an uncertainty in metres. The weights may not be used in products (CC BY-NC 4.0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.maps import kept
from mono_depth_ros.geometry.rays import pixel_rays
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.networks.unidepth_v2 import NetworkSize, UniDepthV2Network, embedded
from mono_depth_ros.models.networks.vit import PATCH, VitSize
from mono_depth_ros.models.preprocess import check_aspect, normalised, unit_rays
from mono_depth_ros.models.processing import ImageInput, SizeRule
from mono_depth_ros.models.resample import Size, resize_images, resize_maps
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.weights.files import check_kind, fill, read_json, weight_files
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.models.weights.pickles import read_directory
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.transfer import upload

IMAGE = ImageInput("image", SizeRule(source=True), "linear", 1, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

_ENCODERS = {"dinov2_vits14": (384, 12, 6), "dinov2_vitb14": (768, 12, 12), "dinov2_vitl14": (1024, 24, 16)}
_UNUSED = ("pixel_encoder.mask_token", "pixel_encoder.register_tokens", "pixel_decoder.level_embeds")
_GUESS = ("pixel_decoder.camera_layer.", "pixel_decoder.camera_token_adapter.", "pixel_decoder.pos_embed.")
"""What the authors guess a camera with."""


@dataclass(frozen=True)
class Shapes:
    """What the network was trained at: width by height and pixels of an image, both from and to."""

    ratio: tuple[float, float]
    pixels: tuple[float, float]


@dataclass(frozen=True)
class Place:
    """Where an image lies: at (left, top) in a `padded` one, which is read at `size`; K is scaled by `factor`, or if it
    is to be `exact` as the image is."""

    left: int
    top: int
    padded: Size
    size: Size
    factor: float
    exact: bool


@lru_cache(maxsize=64)
def place_of(width: int, height: int, shapes: Shapes, exact: bool = False) -> Place:
    """`get_paddings` and `get_resize_factor` of the authors.

    Raises:
        ImageError: reason `image_shape`: the shape is too extreme.
    """
    aspect = width / height
    check_aspect(width, height)
    target = min(shapes.ratio[1], max(shapes.ratio[0], aspect))
    # Of a shape within the bounds nothing is padded; float error takes the authors a pixel of some.
    padded = (
        (width, max(int(width / target), height)) if aspect > target else (max(int(height * target), width), height)
    )
    count = padded[0] * padded[1]
    factor = math.sqrt(min(shapes.pixels[1], max(shapes.pixels[0], count)) / count)
    across, down = (math.ceil(int(side * factor) / PATCH) * PATCH for side in padded)
    return Place((padded[0] - width) // 2, (padded[1] - height) // 2, padded, (across, down), factor, exact)


class UniDepthV2(EngineModel):
    """`DepthModel` of UniDepthV2."""

    no_contract = "its images are padded to a shape and read at a number of pixels"

    def __init__(
        self,
        spec: ModelSpec,
        size: NetworkSize,
        shapes: Shapes,
        network: Callable[[], UniDepthV2Network],
        options: EngineOptions,
        files: tuple[Path, ...] = (),
    ) -> None:
        """Raises ModelError: see `make_engine`."""
        self.hidden, self.shapes, self._exact = size.hidden, shapes, options.exact_camera
        self._seen: tuple[list[Camera], Tensor] = [], torch.empty(0)  # the newest cameras, and their input
        axes = ({0: "batch", 2: "14*rows", 3: "14*columns"}, {0: "batch", 1: "tokens"})
        names = ("image", "directions"), ("distance", "error")
        graph = Network(spec.name, lambda: network().optimise(), *names, axes, files=files)
        super().__init__(spec, graph, options)

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The image (N, 3, h, w), normalised, padded with the mean colour, resized; and the directions of its patches.

        Raises:
            ImageError: reason `image_shape`, see `place_of`.
        """
        place = place_of(rgb.shape[2], rgb.shape[1], self.shapes, self._exact)
        pixels = normalised(rgb, IMAGE)
        if place.padded != (rgb.shape[2], rgb.shape[1]):
            right, bottom = place.padded[0] - place.left - rgb.shape[2], place.padded[1] - place.top - rgb.shape[1]
            pixels = functional.pad(pixels, (0, 0, place.left, right, place.top, bottom))
        image = resize_images(pixels, place.size, "linear").permute(0, 3, 1, 2)
        if list(cameras) != self._seen[0]:  # mostly those of the image before, which are on the device already
            told = torch.stack([_directions(camera, place, self.hidden) for camera in cameras])
            self._seen = list(cameras), upload(told, self.device)
        return image, self._seen[1]

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Metres along the optical axis, and the confidence, at the size of the cameras."""
        return [self._predicted(outputs[0][i], outputs[1][i], camera) for i, camera in enumerate(cameras)]

    def _predicted(self, distance: Tensor, error: Tensor, camera: Camera) -> DepthPrediction:
        place = place_of(camera.width, camera.height, self.shapes, self._exact)
        depth = distance * _unit_rays(camera, place, str(distance.device))[2]
        whole = resize_maps(torch.stack((depth, error)), place.padded, "linear")
        values, errors = whole[
            :, place.top : place.top + camera.height, place.left : place.left + camera.width
        ].contiguous()
        values = torch.where(values > 0, values, math.nan)
        return DepthPrediction(values, DepthKind.METRIC, confidence=1 / errors.clamp(min=1))


@kept
def _unit_rays(camera: Camera, place: Place, device: str) -> Tensor:
    """(3, h, w) on the device: x, y, z of the unit vector to what each pixel of the network sees."""
    width, height = place.size
    step, half = (1 / place.factor,) * 2, 0.0
    if place.exact:  # pixel centres are at whole numbers
        step, half = (place.padded[0] / width, place.padded[1] / height), 0.5
    across = (torch.arange(width, dtype=torch.float64) + 0.5) * step[0] - place.left - half
    down = (torch.arange(height, dtype=torch.float64) + 0.5) * step[1] - place.top - half
    grid = torch.stack((across.expand(height, -1), down[:, None].expand(-1, width)), dim=-1)
    pinhole = pixel_rays(grid, replace(camera, model="none", distortion=()))
    return unit_rays(pixel_rays(grid, camera), pinhole).contiguous().to(device)


def _directions(camera: Camera, place: Place, hidden: int) -> Tensor:
    """(rows * columns, C) on the host: what the network is told of the rays of its patches."""
    rays = _unit_rays(camera, place, "cpu")
    grid = (place.size[1] // PATCH, place.size[0] // PATCH)
    small = functional.interpolate(rays[None], grid, mode="bilinear", align_corners=False, antialias=True)[0]
    return embedded(small / small.norm(dim=0, keepdim=True).clamp(min=1e-4), hidden)


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> UniDepthV2:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    size, shapes = _sizes(path)
    check_kind(path, DepthKind.METRIC, None, expected)
    check_known(source, expected)
    spec = ModelSpec(str(source), "unidepth_v2", DepthKind.METRIC, "not stated", needs_camera=True, confidence=True)
    files = (path, *weight_files(source))
    spec = ModelSpec.of(expected) if expected else spec
    return UniDepthV2(spec, size, shapes, lambda: read(source), options, files)


def read(source: Path) -> UniDepthV2Network:
    """The network with the weights in a directory, float32, on the CPU, under the authors' parameter names.

    Raises:
        ModelError: they are missing, damaged, do not fit config.json exactly or are not finite.
    """
    size, _ = _sizes(source / "config.json")
    weights = {name: value for name, value in read_directory(source).items() if not name.startswith(_GUESS)}
    with torch.device("meta"):
        network = UniDepthV2Network(size)
    fill(network, weights, source, "UniDepthV2 by its config.json", _UNUSED)
    return network


def _sizes(path: Path) -> tuple[NetworkSize, Shapes]:
    values = read_json(path)
    try:
        model = values["model"]
        if model["name"] != "UniDepthV2":
            raise ModelError(f"{path} says model {model['name']!r}, expected 'UniDepthV2'")
        encoder, decoder = model["pixel_encoder"], model["pixel_decoder"]
        _check_variant(path, encoder, decoder)
        dim, depth, heads = _ENCODERS[encoder["name"]]
        taps = tuple(int(index) - 1 for index in encoder["output_idx"])
        if len(taps) != 4 or not all(0 <= tap < depth for tap in taps):
            raise ModelError(f"{path} has output_idx {encoder['output_idx']}, expected four of {depth} blocks")
        vit = VitSize(dim, depth, heads, taps, last_eps=1e-5, offset=0.0)
        blocks = tuple(int(count) for count in decoder["depths"])
        numbers = (int(decoder["hidden_dim"]), int(model["num_heads"]), int(model["expansion"]))
        size = NetworkSize(vit, *numbers, (blocks[0], blocks[1], blocks[2]), int(decoder["out_dim"]))
        limits = values["data"]["augmentations"]["shape_constraints"]
        ratio = tuple(float(value) for value in limits["ratio_bounds"])
        return size, Shapes((ratio[0], ratio[1]), (float(limits["pixels_min"]), float(limits["pixels_max"])))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(f"{path} is not that of a UniDepthV2: {error!r}") from error


def _check_variant(path: Path, encoder: Mapping[str, Any], decoder: Mapping[str, Any]) -> None:
    """Raise ModelError where the configuration has parts that no published network has."""
    if encoder["name"] not in _ENCODERS:
        raise ModelError(f"{path} has the encoder {encoder['name']!r}, expected one of: {', '.join(_ENCODERS)}")
    published = {"num_register_tokens": 0, "use_norm": True, "stacking_fn": "last", "interpolate_offset": 0.0}
    odd = {key: encoder[key] for key, value in published.items() if encoder.get(key, value) != value}
    odd |= {key: decoder[key] for key, value in {"kernel_size": 3}.items() if decoder.get(key, 7) != value}
    if odd or len(decoder["depths"]) != 3:
        raise ModelError(f"{path} has {odd or decoder['depths']}, expected what the published UniDepthV2 have")
