# SPDX-License-Identifier: Apache-2.0
"""Depth Pro (Bochkovskii et al. 2024, arXiv 2410.02073): metric depth from inverse depth and the focal length.

The network gives the canonical inverse depth C; depth = f_px / (width C), the paper's eq. 1. The focal length is the
camera's own, not the guess of the network's second head, which is neither loaded nor run. The reference is
`DepthProForDepthEstimation` with `image_processing_depth_pro.py` of `transformers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec, check_batch
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.ported.checkpoint import DepthOnly, check_digests, check_kind, load_network, read_config
from mono_depth_ros.models.ported.model import PortedModel
from mono_depth_ros.models.ported.processing import FILE, Processing, read_processing
from mono_depth_ros.models.ported.resizing import resize_bilinear
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.prediction import DepthKind, DepthPrediction

PUBLISHED = Processing(size=(1536, 1536))
INVERSE_RANGE = (1e-4, 1e4)
"""Inverse depth in 1/m is limited to this, so depth to 0.1 mm .. 10 km; 10 km is the sky."""


class DepthPro(PortedModel):
    """`DepthModel` of Depth Pro: images are squashed to 1536x1536, whatever their shape; `fx` scales the depth.

    The images of a batch go through one by one: each is 35 patches to the encoder already, and a graph of a fixed batch
    is the only one that torch exports of this network.
    """

    @torch.inference_mode()
    def predict(self, rgb: Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Depth of (N, H, W, 3) uint8 images: see `DepthModel.predict`."""
        check_batch(rgb, cameras)
        alone = super().predict
        return [alone(image[None], [camera])[0] for image, camera in zip(rgb, cameras, strict=True)]

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """(N, 3, h, w), normalised; bilinear on float, without antialiasing."""
        assert self.processing.size is not None
        return (resize_bilinear(self.processing.normalise(rgb), self.processing.size),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Metres at the source size from canonical inverse depth (N, h, w)."""
        scale = torch.tensor([camera.width / camera.fx for camera in cameras], device=outputs[0].device)
        inverse = resize_bilinear((outputs[0] * scale[:, None, None])[:, None], (cameras[0].width, cameras[0].height))
        values = inverse[:, 0].clamp(*INVERSE_RANGE).reciprocal()
        return [DepthPrediction(value, self.spec.kind) for value in values]


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DepthPro:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    values = read_config(source, "depth_pro", "DepthProForDepthEstimation")
    spec = ModelSpec(str(source), "depth_pro", DepthKind.METRIC, "not stated", needs_camera=True)
    check_kind(path, spec, expected.spec if expected else None)
    check_digests(source, expected)
    processing = read_processing(source, PUBLISHED, "")
    patch = values.get("patch_size", 384)
    if processing.size != (4 * patch, 4 * patch):  # a quarter of it is one patch: the coarsest of its three scales
        side = f"{4 * patch}x{4 * patch}"
        raise ModelError(f"{source / FILE} asks for size {processing.size}, expected {side} for patches of {patch}")
    values["use_fov_model"] = False
    module = DepthOnly(load_network(source, "DepthPro", values, ("fov_model.",)), values)
    network = Network(
        spec.name,
        module,
        ("pixels",),
        ("canonical_inverse_depth",),
        ({},),
        lambda outputs: outputs[0].clamp(min=INVERSE_RANGE[0]),
    )
    return DepthPro(expected.spec if expected else spec, network, processing, options)
