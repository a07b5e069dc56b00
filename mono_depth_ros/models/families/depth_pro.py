# SPDX-License-Identifier: Apache-2.0
"""Depth Pro (Bochkovskii et al. 2024, arXiv 2410.02073): metric depth from inverse depth and the focal length.

The network gives the canonical inverse depth C; depth = f_px / (width C), the paper's eq. 1. The focal length is the
camera's own, not the guess of the network's second head, which is neither loaded nor run. The reference is
`DepthProForDepthEstimation` with `image_processing_depth_pro.py` of `transformers`, which wants torchvision. Images are
squashed to 1536x1536, whatever their shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec, check_batch
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
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs
from mono_depth_ros.models.weights.files import check_kind
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.prediction import DepthKind, DepthPrediction, Prompt

IMAGE = ImageInput(
    name="pixels",
    size=SizeRule(fixed=(1536, 1536)),
    resample="linear",
    range=1,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
RANGE_M = (1e-4, 1e4)
"""Depth is limited to 0.1 mm .. 10 km, as in the reference; 10 km is the sky."""


def processing_of(image: ImageInput) -> Processing:
    """The declaration. The canonical focal length is the width of the network's input."""
    assert image.size.fixed is not None
    outputs = Outputs(resize="linear", depth="canonical_inverse_depth")
    return Processing("inverse_canonical", image, outputs, focal_px=float(image.size.fixed[0]))


class DepthPro(DeclaredModel):
    """`DepthModel` of Depth Pro; `fx` scales the depth.

    The images of a batch go through one by one: each is 35 patches to the encoder already, and a graph of a fixed batch
    is the only one that torch exports of this network.
    """

    def predict(self, rgb: Tensor, cameras: Sequence[Camera], prompts: Sequence[Prompt] = ()) -> list[DepthPrediction]:
        """Depth of (N, H, W, 3) uint8 images: see `DepthModel.predict`."""
        check_batch(rgb, cameras, prompts, self.spec)
        alone = super().predict
        return [alone(image[None], [camera])[0] for image, camera in zip(rgb, cameras, strict=True)]

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Metres at the source size from canonical inverse depth (N, h, w)."""
        return [replace(found, values=found.values.clamp(*RANGE_M)) for found in super().postprocess(outputs, cameras)]


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DepthPro:
    """The model of a checkpoint directory: see `loading.Loader`."""
    values = read_config(source, "depth_pro", "DepthProForDepthEstimation")
    check_kind(source / "config.json", DepthKind.METRIC, None, expected)
    check_known(source, expected)
    image = read_preprocessor(source, Preprocessor(IMAGE), "").image
    patch = values.get("patch_size", 384)
    if image.size.fixed != (4 * patch, 4 * patch):  # a quarter of it is one patch: the coarsest of its three scales
        side = f"{4 * patch}x{4 * patch}"
        raise ModelError(
            f"{source / PREPROCESSOR} asks for size {image.size.fixed}, expected {side} for patches of {patch}"
        )
    values["use_fov_model"] = False
    spec = ModelSpec(str(source), "depth_pro", DepthKind.METRIC, "not stated", needs_camera=True)
    spec = ModelSpec.of(expected) if expected else spec
    network = network_in(source, spec, "DepthPro", values, "canonical_inverse_depth", {}, ("fov_model.",))
    network.depth = lambda outputs: outputs[0].clamp(min=1 / RANGE_M[1])
    return DepthPro(spec, network, processing_of(image), options)
