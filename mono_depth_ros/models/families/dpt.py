# SPDX-License-Identifier: Apache-2.0
"""DPT, MiDaS 3 (Ranftl et al. 2021, arXiv 2103.13413): affine-invariant inverse depth, large and hybrid.

The reference is `DPTForDepthEstimation` with `image_processing_pil_dpt.py` of `transformers`. Images are squashed to a
square, whatever their shape.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.families.transformers_models import (
    PREPROCESSOR,
    Preprocessor,
    network_in,
    read_config,
    read_preprocessor,
)
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.files import check_digests, check_kind
from mono_depth_ros.prediction import DepthKind

PROCESSING = Processing(
    kind="inverse_affine",
    input=ImageInput(
        name="pixels",
        size=SizeRule(fixed=(384, 384)),
        resample="cubic",
        antialias=True,
        resample_dtype="uint8",
        range=1,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
    outputs=Outputs(resize="cubic", depth="inverse_depth"),
)
PUBLISHED = Preprocessor(PROCESSING.input)


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DeclaredModel:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    values = read_config(source, "dpt", "DPTForDepthEstimation")
    check_kind(path, DepthKind.INVERSE_AFFINE, None, expected)
    check_digests(source, expected)
    _check_variant(path, values, expected)
    preprocessor = read_preprocessor(source, PUBLISHED, "ensure_multiple_of", ("keep_aspect_ratio",))
    _check_size(source / PREPROCESSOR, preprocessor, values)
    processing = replace(PROCESSING, input=preprocessor.image)
    spec = ModelSpec.of(expected) if expected else ModelSpec(str(source), "dpt", DepthKind.INVERSE_AFFINE, "not stated")
    # Segmentation's second head and the pooler of the encoder are in some exports.
    unused = ("auxiliary_head.", "dpt.pooler.")
    network = network_in(source, spec, "DPT", values, "inverse_depth", {0: "batch"}, unused)
    return DeclaredModel(spec, network, processing, options)


def _check_variant(path: Path, values: dict[str, Any], expected: CatalogueEntry | None) -> None:
    hybrid = bool(values.get("is_hybrid"))
    if values.get("backbone_config") and not hybrid:
        # DINOv2's give depth, not inverse depth, MiDaS 3.1's another contract yet; the file does not say.
        raise ModelError(f"{path} has a backbone_config, expected MiDaS 3: none (large), or is_hybrid true (hybrid)")
    found = "dpt_hybrid" if hybrid else "dpt_large"
    if expected is not None and found != expected.name:
        raise ModelError(f"{expected.name}: {path} is {found} (is_hybrid {hybrid}), expected {expected.name}")


def _check_size(path: Path, preprocessor: Preprocessor, values: dict[str, Any]) -> None:
    """The network reads squares only, and the hybrid of one size only."""
    assert preprocessor.image.size.fixed is not None
    width, height = preprocessor.image.size.fixed
    patch, side = values.get("patch_size") or 16, values.get("image_size") or 384
    fits = width == height and not width % patch and (not values.get("is_hybrid") or width == side)
    if not fits or preprocessor.keep_aspect_ratio or width % preprocessor.multiple:
        asks = f"size {width}x{height}, keep_aspect_ratio {preprocessor.keep_aspect_ratio}"
        asks += f", ensure_multiple_of {preprocessor.multiple:g}"
        raise ModelError(f"{path} asks for {asks}, expected a square such as {side}x{side}, aspect ratio not kept")
