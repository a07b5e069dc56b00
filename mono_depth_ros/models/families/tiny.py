# SPDX-License-Identifier: Apache-2.0
"""The embedded model `tiny`: metric, camera-aware, shipped with the package; or a directory with other weights of it.

Its declaration is here in code, since no contract file can say it: it reads the rays of the camera beside the image.
Such a directory holds config.json, in which model_type is mono_depth_tiny, and model.safetensors.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.maps import kept
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.engine_model import CHECK_SIZES, EngineModel, check_frame
from mono_depth_ros.models.networks.tiny import MULTIPLE, TinyDepthNet
from mono_depth_ros.models.resample import Size, resize_area, resize_maps
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.weights.files import WHOLE, read_json
from mono_depth_ros.prediction import DepthKind, DepthPrediction

TINY_WEIGHTS = Path(__file__).parents[1] / "weights" / "tiny.safetensors"
INPUT_AREA = 256 * 192
STEEPEST_RAY = 4.0
"""|x/z| and |y/z| beyond this (76 degrees off the axis) are unknown: training went to about 1.5, and the tangent of a
fisheye's rim would drown the rest of the image."""


class TinyModel(EngineModel):
    """`DepthModel` around `TinyDepthNet`.

    Images are read at about 256 x 192 pixels, averaged over area because that is how the training frames look; the
    network sees the rays of that smaller camera, lens distortion undone. NaN where the lens has no ray or one beyond
    STEEPEST_RAY, +inf where the network sees sky.
    """

    no_contract = "it reads the rays of the camera"
    _factor = 1.0  # of the sides at which images are read

    def __init__(self, options: EngineOptions, weights: Path | None = None, spec: ModelSpec | None = None) -> None:
        """Load the shipped weights, or a `weights` file, of which `spec` is known.

        Raises:
            ModelError: the file is missing or does not fit the network; or see `make_engine`.
        """
        if options.engine == "auto" and options.precision != "int8" and options.engine_path is None:
            # At 6 ms a frame, coming up at once is worth more than the milliseconds of another engine.
            options = replace(options, engine="torch")
        if (options.engine, options.precision) == ("torch", "auto"):
            options = replace(options, precision="fp32")
        network = Network(
            name="tiny",
            module=lambda: load_tiny(weights),
            inputs=("rgb", "rays"),
            outputs=("log_depth", "sky_logit"),
            shapes=({0: "batch", 2: "32*rows", 3: "32*columns"},) * 2,
            depth=lambda outputs: outputs[0].exp(),
            files=(weights or TINY_WEIGHTS,),
        )
        super().__init__(spec or ModelSpec.of(CATALOGUE["tiny"]), network, options)
        self.predict(*check_frame(*CHECK_SIZES[0]))  # so that the first frame is not slow

    def scaled(self, factor: float) -> TinyModel:
        """See `EngineModel.scaled`."""
        found = copy.copy(self)
        found._factor = self._factor * factor
        return found

    def reads(self, width: int, height: int) -> Size:
        """See `EngineModel.reads`."""
        return input_size(width, height, self._factor)

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """rgb (N, 3, h, w) in [0, 1] and rays (N, 2, h, w), channels last."""
        size = self.reads(rgb.shape[2], rgb.shape[1])
        grids = torch.stack([_input_rays(camera, size, str(self.device)) for camera in cameras])
        return resize_area(rgb, size).permute(0, 3, 1, 2).float().div_(255), grids

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predictions from log depth and sky logits, each (N, 1, h, w)."""
        log_depth, sky_logit = outputs
        return [postprocess(log_depth[i], sky_logit[i], camera, self.device) for i, camera in enumerate(cameras)]


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> TinyModel:
    """The shipped model, or one in a directory: see `loading.Loader`."""
    if expected is not None:
        return TinyModel(options)
    values = read_json(source / "config.json")
    if (kind := values.get("kind", "metric")) != "metric":
        raise ModelError(f"{source / 'config.json'} says kind {kind!r}, expected 'metric', as every tiny is")
    licence = str(values.get("licence", "not stated"))
    spec = replace(ModelSpec.of(CATALOGUE["tiny"]), name=str(source), licence=licence)
    return TinyModel(options, source / WHOLE, spec)


def input_size(width: int, height: int, factor: float = 1.0) -> Size:
    """(width, height) the network reads an image of `width` x `height` at: multiples of 32, about 256 * 192 pixels,
    times `factor` the sides.

    The aspect ratio is kept as near as multiples of 32 allow; never below 32. Raises ModelError for sizes under 1.
    """
    if width < 1 or height < 1:
        raise ModelError(f"image size: found {width}x{height}, expected at least 1x1")
    scale = factor * math.sqrt(INPUT_AREA / (width * height))
    fitted = [max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in (width, height)]
    return fitted[0], fitted[1]


def postprocess(log_depth: Tensor, sky_logit: Tensor, camera: Camera, device: torch.device) -> DepthPrediction:
    """Prediction at the size of `camera` from the network's outputs (1, h, w).

    Upsampled as inverse depth: on a plane 1/z is linear in the pixel, so bilinear is exact there, where log depth and
    depth are not; the result also leans to the near side of an edge. Against 640x480 ground truth of the synthetic
    world, true depth at 256x192 upsampled this way is off by AbsRel .0058, as log depth .0072, as depth .0093.
    """
    size = (camera.width, camera.height)
    values = resize_maps((-log_depth.float()).exp_(), size, "linear")[0].reciprocal_()
    # Indoors there is none, which saves most of the time; on a GPU asking would cost more than doing it.
    if device.type != "cpu" or bool((sky_logit > 0).any()):
        values.masked_fill_(resize_maps(sky_logit.float(), size, "linear")[0] > 0, torch.inf)
    unseen = _unseen(camera, str(device))
    if unseen is not None:
        values.masked_fill_(unseen, torch.nan)
    return DepthPrediction(values, DepthKind.METRIC)


@kept
def _input_rays(camera: Camera, size: Size, device: str) -> Tensor:
    """(2, h, w) rays of the camera at the network's size; 0, as on the optical axis, where they are unknown."""
    grid = rays(camera.resized(*size), device)
    return torch.where(_too_steep(grid)[..., None], 0.0, grid).permute(2, 0, 1)


@kept
def _unseen(camera: Camera, device: str) -> Tensor | None:
    """(H, W) bool, True for pixels without a usable ray; on the CPU None where there are none such."""
    unseen = _too_steep(rays(camera, device))
    return unseen if unseen.device.type != "cpu" or bool(unseen.any()) else None


def _too_steep(grid: Tensor) -> Tensor:
    return ~(grid.abs() <= STEEPEST_RAY).all(dim=-1)  # NaN too


def load_tiny(path: Path | str | None = None, device: torch.device | str = "cpu") -> TinyDepthNet:
    """The trained network, norms folded, eval mode, float32 channels-last on `device`; `path` None is the shipped file.

    The file is safetensors with the folded weights in float16 or float32. Raises ModelError where it is missing or
    does not fit the network.
    """
    from safetensors.torch import load_file

    source = TINY_WEIGHTS if path is None else Path(path)
    if not source.is_file():
        raise ModelError(f"weights of 'tiny': no file {source}; `mono_depth train --out {source}` makes it")
    network = TinyDepthNet().fuse()
    try:
        weights = {name: value.float() for name, value in load_file(source).items()}
        network.load_state_dict(weights, strict=True)
    except Exception as error:
        raise ModelError(f"weights of 'tiny': {source} does not fit the network: {error}") from error
    network.requires_grad_(False).eval().to(device=device)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_tiny(network: TinyDepthNet, path: Path | str) -> None:
    """Write a trained (not fused) network as `load_tiny` reads it: norms folded, float16. The network is kept."""
    from safetensors.torch import save_file

    fused = copy.deepcopy(network).cpu().float().fuse()
    save_file({name: value.half().contiguous() for name, value in fused.state_dict().items()}, str(path))
