# SPDX-License-Identifier: Apache-2.0
"""DPT (Ranftl et al. 2021, arXiv 2103.13413): MiDaS 3, large and hybrid, MiDaS 3.1 and DINOv2's heads.

The reference is `DPTForDepthEstimation` with `image_processing_pil_dpt.py` of `transformers`. MiDaS 3
squashes images to a square, whatever their shape; of the others their own files say what they read.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.families.transformers_models import (
    PREPROCESSOR,
    PROCESSOR,
    Preprocessor,
    network_in,
    read_config,
    read_preprocessor,
)
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.files import check_kind
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.models.weights.sidecar import read_sidecar, sidecar_of
from mono_depth_ros.prediction import DepthKind

LOGGER = logging.getLogger(__name__)

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


_MIDAS_31 = ("swinv2", "beit")
_BACKBONES = (*_MIDAS_31, "dinov2")
_UNUSED = ("auxiliary_head.", "dpt.pooler.")
"""Segmentation's second head and the pooler of the encoder are in some exports."""


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DeclaredModel:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    values = read_config(source, "dpt", "DPTForDepthEstimation")
    backbone = _backbone(path, values)
    kind, limit = _kind(source, backbone)
    check_kind(path, kind, limit, expected)
    _check_variant(path, values, backbone, expected)
    check_known(source, expected)
    preprocessor = read_preprocessor(source, PUBLISHED, "ensure_multiple_of", ("keep_aspect_ratio",))
    image = _image_of_backbone(source, preprocessor) if backbone else preprocessor.image
    if not backbone:
        _check_size(source / PREPROCESSOR, preprocessor, values)
    outputs = PROCESSING.outputs
    if not kind.inverse:
        outputs = Outputs("cubic", "depth", range_m=(0.0, limit) if limit else None)
    processing = replace(PROCESSING, kind=kind.value, input=image, outputs=outputs)
    spec = ModelSpec.of(expected) if expected else ModelSpec(str(source), "dpt", kind, "not stated", limit)
    step = "" if image.size.multiple == 1 else f"{image.size.multiple}*"
    shapes = {0: "batch"} if image.size.fixed else {0: "batch", 2: f"{step}rows", 3: f"{step}columns"}
    network = network_in(source, spec, "DPT", values, outputs.depth, shapes, _UNUSED)
    return DeclaredModel(spec, network, processing, options)


def _backbone(path: Path, values: dict[str, Any]) -> str:
    """The encoder's model_type; "" for MiDaS 3, whose encoders are DPT's own."""
    inner = values.get("backbone_config")
    if not inner or values.get("is_hybrid"):
        return ""
    found = inner.get("model_type") if isinstance(inner, dict) else inner
    if found not in _BACKBONES:
        raise ModelError(f"{path} has a backbone_config of {found!r}, expected one of: {', '.join(_BACKBONES)}")
    return str(found)


def _kind(source: Path, backbone: str) -> tuple[DepthKind, float | None]:
    """What the depth means: by DIRECTORY.yaml, else inverse depth, which all of MiDaS gives.

    Raises:
        ModelError: the encoder is DINOv2's, whose published heads give depth or inverse depth, and nothing says which.
    """
    said = read_sidecar(sidecar_of(source), bounded=False) if backbone else None
    if said is not None:
        return said
    if backbone and backbone not in _MIDAS_31:
        raise ModelError(
            f"{source} does not say whether it gives metres or inverse depth, as no DPT with {backbone} does: write "
            f"{sidecar_of(source)} with `kind: metric` (as for facebook/dpt-dinov2-small-nyu) or `kind: "
            "inverse_affine`; a model of the hub becomes a directory by `mono_depth models fetch NAME --out DIR`"
        )
    if backbone:
        LOGGER.warning("%s is taken for MiDaS 3.1, relative inverse depth, by its encoder %s", source, backbone)
    return DepthKind.INVERSE_AFFINE, None


def _check_variant(path: Path, values: dict[str, Any], backbone: str, expected: CatalogueEntry | None) -> None:
    hybrid = bool(values.get("is_hybrid"))
    found = f"DPT with {backbone}" if backbone else "dpt_hybrid" if hybrid else "dpt_large"
    if expected is not None and found != expected.name:
        raise ModelError(f"{expected.name}: {path} is {found} (is_hybrid {hybrid}), expected {expected.name}")


def _image_of_backbone(source: Path, preprocessor: Preprocessor) -> ImageInput:
    """The declaration for an encoder that reads other sizes than MiDaS 3, which its own files have to give."""
    if not any((source / name).is_file() for name in (PREPROCESSOR, PROCESSOR)):
        raise ModelError(f"{source} has no {PREPROCESSOR}, expected it: the size that its encoder reads is there")
    size, multiple = preprocessor.image.size.fixed, preprocessor.multiple
    assert size is not None
    if multiple != int(multiple):
        raise ModelError(f"{source / PREPROCESSOR} asks for ensure_multiple_of {multiple:g}, expected a whole number")
    if preprocessor.keep_aspect_ratio:
        return replace(preprocessor.image, size=SizeRule(near=size, multiple=int(multiple)))
    whole = tuple(round(side / multiple) * int(multiple) for side in size)
    return replace(preprocessor.image, size=SizeRule(fixed=whole))


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
