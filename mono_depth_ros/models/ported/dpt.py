# SPDX-License-Identifier: Apache-2.0
"""DPT, MiDaS 3 (Ranftl et al. 2021, arXiv 2103.13413): affine-invariant inverse depth, large and hybrid.

The reference is `DPTForDepthEstimation` with `image_processing_pil_dpt.py` of `transformers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.ported.checkpoint import DepthOnly, check_digests, check_kind, load_network, read_config
from mono_depth_ros.models.ported.model import PortedModel
from mono_depth_ros.models.ported.pillow import resize_pillow
from mono_depth_ros.models.ported.processing import FILE, Processing, read_processing
from mono_depth_ros.models.ported.resizing import resize_bicubic
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.prediction import DepthKind, DepthPrediction

PUBLISHED = Processing(size=(384, 384), kernel="bicubic")


class Dpt(PortedModel):
    """`DepthModel` of DPT: images are squashed to a square, whatever their shape."""

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """(N, 3, h, w), normalised."""
        assert self.processing.size is not None
        return (self.processing.normalise(resize_pillow(rgb, self.processing.size, self.processing.kernel)),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Inverse depth (N, h, w), bicubic to the source size."""
        values = resize_bicubic(outputs[0], (cameras[0].width, cameras[0].height))
        return [DepthPrediction(value, self.spec.kind) for value in values]


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> Dpt:
    """The model of a checkpoint directory: see `loading.Loader`."""
    values = read_config(source, "dpt", "DPTForDepthEstimation")
    spec = ModelSpec(str(source), "dpt", DepthKind.INVERSE_AFFINE, "not stated")
    check_kind(source / "config.json", spec, expected.spec if expected else None)
    check_digests(source, expected)
    _check_variant(source / "config.json", values, expected)
    processing = read_processing(source, PUBLISHED, "ensure_multiple_of", ("keep_aspect_ratio",))
    _check_size(source / FILE, processing, values)
    # Segmentation's second head and the pooler of the encoder are in some exports.
    module = DepthOnly(load_network(source, "DPT", values, ("auxiliary_head.", "dpt.pooler.")), values)
    network = Network(spec.name, module, ("pixels",), ("inverse_depth",), ({0: "batch"},))
    return Dpt(expected.spec if expected else spec, network, processing, options)


def _check_variant(path: Path, values: dict[str, Any], expected: CatalogueEntry | None) -> None:
    hybrid = bool(values.get("is_hybrid"))
    if values.get("backbone_config") and not hybrid:
        # DINOv2's give depth, not inverse depth, MiDaS 3.1's another contract yet; the file does not say.
        raise ModelError(f"{path} has a backbone_config, expected MiDaS 3: none (large), or is_hybrid true (hybrid)")
    found = "dpt_hybrid" if hybrid else "dpt_large"
    if expected is not None and found != expected.spec.name:
        raise ModelError(f"{expected.spec.name}: {path} is {found} (is_hybrid {hybrid}), expected {expected.spec.name}")


def _check_size(path: Path, processing: Processing, values: dict[str, Any]) -> None:
    """The network reads squares only, and the hybrid of one size only."""
    assert processing.size is not None
    width, height = processing.size
    patch, side = values.get("patch_size") or 16, values.get("image_size") or 384
    fits = width == height and not width % patch and (not values.get("is_hybrid") or width == side)
    if not fits or processing.keep_aspect_ratio or width % processing.multiple:
        asks = f"size {width}x{height}, keep_aspect_ratio {processing.keep_aspect_ratio}"
        asks += f", ensure_multiple_of {processing.multiple:g}"
        raise ModelError(f"{path} asks for {asks}, expected a square such as {side}x{side}, aspect ratio not kept")
