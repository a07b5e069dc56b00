# SPDX-License-Identifier: Apache-2.0
"""ZoeDepth (Bhat et al. 2023, arXiv 2302.12288): metric depth, trained indoors (nyu), outdoors (kitti) or for both.

The reference is `ZoeDepthForDepthEstimation` with `image_processing_pil_zoedepth.py` of `transformers`, one pass an
image as there by default. (The authors' own `infer` averages it with the mirrored image's, for twice the time.)

One thing is put right: the published Intel/zoedepth-kitti says bins up to 10 m, named nyu, where its authors trained
it up to 80 m, so that read as it is it gives an eighth of the depth (github.com/isl-org/ZoeDepth/issues/139 and 28).
Its bins are normed, so nothing but this number is wrong. Known by its name or its SHA-256, it has 80.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.cache import sealed_sha256
from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.families.transformers_models import (
    Preprocessor,
    network_in,
    positive_number,
    read_config,
    read_preprocessor,
)
from mono_depth_ros.models.networks.zoedepth import replace_parts
from mono_depth_ros.models.preprocess import normalised
from mono_depth_ros.models.processing import ImageInput, SizeRule
from mono_depth_ros.models.resample import Size, resize_corners, resize_maps
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.weights.files import WHOLE, check_kind
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.prediction import DepthKind, DepthPrediction

LOGGER = logging.getLogger(__name__)
PUBLISHED = Preprocessor(
    ImageInput(
        name="pixels",
        size=SizeRule(fixed=(512, 384)),
        resample="linear",
        range=1,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
    multiple=32,
    keep_aspect_ratio=True,
    pad=True,
)
"""The declaration. No contract file can say all of it: images are padded by reflection before they are resized, corner
pixels' centres kept, to a size near to 512x384."""
PUBLISHED_KITTI_M, KITTI_M = 10.0, 80.0
"""What the published config.json of zoedepth-kitti says, and what it was trained with."""

LONGEST_SIDE = 2048
"""Images of more extreme shape are refused: attention's table grows with the square of the area."""

_STRIDE = 32


class ZoeDepth(EngineModel):
    """`DepthModel` of ZoeDepth."""

    no_contract = "its images are padded by reflection before they are resized"

    def __init__(self, spec: ModelSpec, network: Network, preprocessor: Preprocessor, options: EngineOptions) -> None:
        """Raises ModelError: see `make_engine`."""
        self.preprocessor = preprocessor
        super().__init__(spec, network, options)

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """(N, 3, h, w), normalised: padded by reflection, then resized on float without antialiasing.

        Raises:
            ImageError: reason `image_shape`, for images too small to reflect or of too extreme a shape.
        """
        height, width = rgb.shape[1:3]
        across, down = (padding(side) if self.preprocessor.pad else 0 for side in (width, height))
        target = network_size(width + 2 * across, height + 2 * down, self.preprocessor)
        if across >= width or down >= height or not all(_STRIDE <= side <= LONGEST_SIDE for side in target):
            found = f"the image is {width}x{height} and would be read at {target[0]}x{target[1]}"
            limits = f"sides of at least 5 pixels, read at {_STRIDE} to {LONGEST_SIDE}"
            raise ImageError(f"{found}, expected {limits}", "image_shape")
        planes = normalised(rgb, self.preprocessor.image).permute(0, 3, 1, 2)
        planes = functional.pad(planes, (across, across, down, down), mode="reflect")
        return (resize_corners(planes, target, self.preprocessor.image.resample),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Metres (N, h, w), bicubic to the padded source size, without the padding."""
        width, height = cameras[0].width, cameras[0].height
        across, down = (padding(side) if self.preprocessor.pad else 0 for side in (width, height))
        padded = resize_maps(outputs[0], (width + 2 * across, height + 2 * down), "cubic")
        values = padded[:, down : down + height, across : across + width]
        return [DepthPrediction(value, self.spec.kind) for value in values]


def padding(side: int) -> int:
    """Pixels that are reflected at each end of a side; `pad_image` of the processor."""
    return int(math.sqrt(side / 2) * 3)


def network_size(width: int, height: int, preprocessor: Preprocessor) -> Size:
    """The (width, height) that a padded image is read at; `get_resize_output_image_size` of the processor."""
    assert preprocessor.image.size.fixed is not None
    across, down = (wanted / side for wanted, side in zip(preprocessor.image.size.fixed, (width, height), strict=True))
    if preprocessor.keep_aspect_ratio:  # scale as little as possible
        across = down = across if abs(1 - across) < abs(1 - down) else down
    multiple = preprocessor.multiple
    return int(round(across * width / multiple) * multiple), int(round(down * height / multiple) * multiple)


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> ZoeDepth:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    values = read_config(source, "zoedepth", "ZoeDepthForDepthEstimation")
    max_depth_m = _max_depth(path, values)
    if _is_published_kitti(source, values, expected):
        max_depth_m = KITTI_M
        values["bin_configurations"][0]["max_depth"] = KITTI_M
        LOGGER.warning("%s says bins up to %g m as published; read as %g m", path, PUBLISHED_KITTI_M, KITTI_M)
    check_kind(path, DepthKind.METRIC, max_depth_m, expected)
    check_known(source, expected)
    preprocessor = read_preprocessor(source, PUBLISHED, "ensure_multiple_of", ("keep_aspect_ratio", "do_pad"))
    step = f"{int(preprocessor.multiple)}*" if preprocessor.multiple % _STRIDE == 0 else ""
    shapes = {0: "batch", 2: f"{step}rows", 3: f"{step}columns"}
    spec = ModelSpec(str(source), "zoedepth", DepthKind.METRIC, "not stated", max_depth_m)
    spec = ModelSpec.of(expected) if expected else spec
    network = network_in(source, spec, "ZoeDepth", values, "depth", shapes, adapt=replace_parts)
    return ZoeDepth(spec, network, preprocessor, options)


def _max_depth(path: Path, values: dict[str, Any]) -> float | None:
    """Of the only head in metres; None where there are two, for indoors and outdoors."""
    encoder = values.get("backbone_config") or {"model_type": "beit"}
    if not isinstance(encoder, dict) or encoder.get("model_type", "beit") != "beit":
        raise ModelError(f"{path} has the backbone_config {encoder!r}, expected one of model_type 'beit'")
    kind = values.get("bin_centers_type", "softplus")
    if kind not in ("softplus", "normed"):
        raise ModelError(f"{path} says bin_centers_type {kind!r}, expected 'softplus' or 'normed'")
    heads = values.get("bin_configurations") or [{"max_depth": 10.0}]  # transformers leaves out its default
    if not isinstance(heads, list) or len(heads) > 2 or not all(isinstance(head, dict) for head in heads):
        raise ModelError(f"{path} has bin_configurations {heads!r}, expected one or two, with max_depth")
    limits = [positive_number(path, "max_depth", head.get("max_depth")) for head in heads]
    return limits[0] if len(heads) == 1 else None


def _is_published_kitti(source: Path, values: dict[str, Any], expected: CatalogueEntry | None) -> bool:
    """Whether this is the checkpoint whose config.json is wrong: by the catalogue's name, or by its SHA-256."""
    heads = values.get("bin_configurations") or []
    normed = values.get("bin_centers_type") == "normed" and len(heads) == 1
    if not normed or heads[0]["max_depth"] != PUBLISHED_KITTI_M:
        return False
    known = CATALOGUE["zoedepth_kitti"]
    if expected is not None:
        return expected.name == known.name
    weights, digest = source / WHOLE, known.files.get(WHOLE)
    if digest is not None and weights.is_file() and sealed_sha256(weights) == digest:
        return True
    LOGGER.warning(
        "%s says normed bins up to %g m, as does the published zoedepth-kitti, which was trained up to %g m: if these "
        "weights come from it, set max_depth there",
        *(source / "config.json", PUBLISHED_KITTI_M, KITTI_M),
    )
    return False
