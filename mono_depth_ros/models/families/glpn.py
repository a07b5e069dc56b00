# SPDX-License-Identifier: Apache-2.0
"""GLPN, Global-Local Path Networks (Kim et al. 2022, arXiv 2201.07436): metric depth up to a largest one.

The reference is `GLPNForDepthEstimation` with `image_processing_pil_glpn.py` of `transformers`. Images are read nearly
as they are, each side rounded down to a multiple of 32.

One thing is put right: the published vinvino02/glpn-kitti says max_depth 10, where its authors run it with 80
(github.com/vinvino02/GLPDepth, `--max_depth 80.0` for KITTI), so that read as it is it gives an eighth of the depth.
Loaded by its name, glpn_kitti has 80. The two published files do not differ otherwise: nothing in them tells which.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.families.transformers_models import (
    PREPROCESSOR,
    Preprocessor,
    network_in,
    positive_number,
    read_config,
    read_preprocessor,
)
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.files import check_kind
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.prediction import DepthKind

LOGGER = logging.getLogger(__name__)

PROCESSING = Processing(
    kind="metric",
    input=ImageInput(
        name="pixels",
        size=SizeRule(source=True, multiple=32, rounding="down"),
        resample="linear",
        antialias=True,
        resample_dtype="uint8",
        range=1,
    ),
    # Without a range: bicubic values past the largest depth are as the processor of `transformers` leaves them.
    outputs=Outputs(resize="cubic", depth="depth"),
)
PUBLISHED = Preprocessor(PROCESSING.input, multiple=32)
PUBLISHED_KITTI_M, KITTI_M = 10.0, 80.0
"""What the published config.json of glpn-kitti says, and what it was trained with."""

_STRIDE = 32


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DeclaredModel:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    values = read_config(source, "glpn", "GLPNForDepthEstimation")
    max_depth_m = positive_number(path, "max_depth", values.get("max_depth", 10))  # transformers leaves out its default
    if expected is not None and expected.name == "glpn_kitti" and max_depth_m == PUBLISHED_KITTI_M:
        max_depth_m = KITTI_M
        LOGGER.warning("%s says max_depth %g as published; read as %g m", path, PUBLISHED_KITTI_M, KITTI_M)
    if not max_depth_m.is_integer():
        raise ModelError(f"{path} has max_depth {max_depth_m:g}, expected whole metres")
    values["max_depth"] = int(max_depth_m)
    check_kind(path, DepthKind.METRIC, max_depth_m, expected)
    check_known(source, expected)
    preprocessor = read_preprocessor(source, PUBLISHED, "size_divisor")
    if preprocessor.multiple % _STRIDE:
        raise ModelError(
            f"{source / PREPROCESSOR} has size_divisor {preprocessor.multiple:g}, expected a multiple of {_STRIDE}"
        )
    step = int(preprocessor.multiple)
    image = replace(preprocessor.image, size=replace(preprocessor.image.size, multiple=step))
    spec = ModelSpec(str(source), "glpn", DepthKind.METRIC, "not stated", max_depth_m)
    spec = ModelSpec.of(expected) if expected else spec
    shapes = {0: "batch", 2: f"{step}*rows", 3: f"{step}*columns"}
    network = network_in(source, spec, "GLPN", values, "depth", shapes)
    return DeclaredModel(spec, network, replace(PROCESSING, input=image), options)
