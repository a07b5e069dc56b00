# SPDX-License-Identifier: Apache-2.0
"""GLPN, Global-Local Path Networks (Kim et al. 2022, arXiv 2201.07436): metric depth up to a largest one.

The reference is `GLPNForDepthEstimation` with `image_processing_pil_glpn.py` of `transformers`.

One thing is put right: the published vinvino02/glpn-kitti says max_depth 10, where its authors run it with 80
(github.com/vinvino02/GLPDepth, `--max_depth 80.0` for KITTI), so that read as it is it gives an eighth of the depth.
Loaded by its name, glpn_kitti has 80. The two published files do not differ otherwise: nothing in them tells which.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.ported.checkpoint import (
    DepthOnly,
    check_digests,
    check_kind,
    load_network,
    positive_number,
    read_config,
)
from mono_depth_ros.models.ported.model import PortedModel
from mono_depth_ros.models.ported.pillow import resize_pillow
from mono_depth_ros.models.ported.processing import FILE, Processing, read_processing
from mono_depth_ros.models.ported.resizing import resize_bicubic
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.prediction import DepthKind, DepthPrediction

LOGGER = logging.getLogger(__name__)
PUBLISHED = Processing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), multiple=32)
PUBLISHED_KITTI_M, KITTI_M = 10.0, 80.0
"""What the published config.json of glpn-kitti says, and what it was trained with."""

_STRIDE = 32


class Glpn(PortedModel):
    """`DepthModel` of GLPN: images are read nearly as they are, each side rounded down to a multiple of 32."""

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """(N, 3, h, w) in [0, 1].

        Raises:
            ImageError: reason `image_shape`, for images smaller than one step.
        """
        height, width = rgb.shape[1:3]
        step = int(self.processing.multiple)
        if min(width, height) < step:
            raise ImageError(f"the image is {width}x{height}, expected at least {step}x{step}", "image_shape")
        size = (width // step * step, height // step * step)
        return (self.processing.normalise(resize_pillow(rgb, size, self.processing.kernel)),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Metres (N, h, w), bicubic to the source size."""
        values = resize_bicubic(outputs[0], (cameras[0].width, cameras[0].height))
        return [DepthPrediction(value, self.spec.kind) for value in values]


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> Glpn:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    values = read_config(source, "glpn", "GLPNForDepthEstimation")
    max_depth_m = positive_number(path, "max_depth", values.get("max_depth", 10))  # transformers leaves out its default
    if expected is not None and expected.spec.name == "glpn_kitti" and max_depth_m == PUBLISHED_KITTI_M:
        max_depth_m = KITTI_M
        LOGGER.warning("%s says max_depth %g as published; read as %g m", path, PUBLISHED_KITTI_M, KITTI_M)
    if not max_depth_m.is_integer():
        raise ModelError(f"{path} has max_depth {max_depth_m:g}, expected whole metres")
    values["max_depth"] = int(max_depth_m)
    spec = ModelSpec(str(source), "glpn", DepthKind.METRIC, "not stated", max_depth_m)
    check_kind(path, spec, expected.spec if expected else None)
    check_digests(source, expected)
    processing = read_processing(source, PUBLISHED, "size_divisor")
    if processing.multiple % _STRIDE:
        raise ModelError(f"{source / FILE} has size_divisor {processing.multiple:g}, expected a multiple of {_STRIDE}")
    step = int(processing.multiple)
    shapes = ({0: "batch", 2: f"{step}*rows", 3: f"{step}*columns"},)
    network = Network(
        spec.name, DepthOnly(load_network(source, "GLPN", values), values), ("pixels",), ("depth",), shapes
    )
    return Glpn(expected.spec if expected else spec, network, processing, options)
