# SPDX-License-Identifier: Apache-2.0
"""Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647) on one image, with its authors' processing.

Metric (metres by the focal length, sky), mono (depth up to scale and shift, sky; the same network with other weights)
and any-view small and base (depth up to one scale, confidence; the focal length that they guess is not used). The
reference is github.com/ByteDance-Seed/Depth-Anything-3: `utils/io/input_processor.py` (two resizes on grey levels),
`utils/alignment.py` (`apply_metric_scaling`: metres = output * f / 300, f the mean of fx and fy at the processed size;
`compute_sky_mask`: a score of .3). Its authors give the sky a far depth, from a random sample; here it is +inf.

Only `model_name` in config.json tells the metric network from the mono one: their tensors have the same names and
shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.networks import depth_anything_3_any_view as any_view
from mono_depth_ros.models.networks.depth_anything_3 import SIZES, DepthAnything3Network
from mono_depth_ros.models.networks.depth_anything_3_any_view import AnyViewNetwork
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.weights.files import fill, read_json, weight_files
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.models.weights.pickles import read_directory

PROCESSING = Processing(
    kind="canonical",
    focal_px=300.0,
    focal="mean",
    input=ImageInput(
        name="image",
        size=SizeRule(longer_side=504, multiple=14, rounding="half_up", two_steps=True),
        resample="area",
        resample_dtype="uint8",
        range=1,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    outputs=Outputs("linear", "depth", sky="sky", sky_above=0.3),
)

MONO = replace(PROCESSING, kind="affine", focal_px=None, focal="fx")
ANY_VIEW = replace(
    MONO, kind="scale", outputs=Outputs("linear", "depth", confidence="confidence", confidence_form="odds")
)

_MODELS = {
    "da3metric-large": (PROCESSING, "large"),
    "da3mono-large": (MONO, "large"),
    "da3-small": (ANY_VIEW, "small"),
    "da3-base": (ANY_VIEW, "base"),
}
"""What each `model_name` is, and its size."""

AnyNetwork = DepthAnything3Network | AnyViewNetwork


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DeclaredModel:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    name = model_name(path)
    if expected is not None and name != (wanted := expected.hub.rpartition("/")[2].lower()):
        raise ModelError(f"{expected.name}: {path} says model_name '{name}', expected '{wanted}'")
    processing, _ = _MODELS[name]
    if options.exact_camera:
        if not processing.needs_camera:
            raise ModelError(f"exact_camera is set, expected it for da3metric-large only: {name} takes no camera")
        processing = replace(processing, focal="geometric")
    check_known(source, expected)
    spec = ModelSpec(
        str(source),
        "depth_anything_3",
        processing.depth_kind,
        "not stated",
        needs_camera=processing.needs_camera,
        confidence=bool(processing.outputs.confidence),
    )
    spec = ModelSpec.of(expected) if expected else spec
    return model_of(spec, lambda: read(source, name), processing, options, (path, *weight_files(source)))


def model_of(
    spec: ModelSpec,
    network: Callable[[], AnyNetwork],
    processing: Processing,
    options: EngineOptions,
    files: tuple[Path, ...] = (),
) -> DeclaredModel:
    """The model around a network in float32 on the CPU, which is of no use to anybody else afterwards."""
    shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"},)
    outputs = tuple(processing.outputs.wanted.values())
    graph = Network(spec.name, lambda: network().optimise(), ("image",), outputs, shapes, files=files)
    return DeclaredModel(spec, graph, processing, options)


def read(source: Path, name: str) -> AnyNetwork:
    """The network with the weights in a directory, float32, on the CPU, under the authors' parameter names.

    Raises:
        ModelError: they are missing, damaged, do not fit exactly or are not finite.
    """
    weights = {key.removeprefix("model."): value for key, value in read_directory(source).items()}
    processing, size = _MODELS[name]
    network: AnyNetwork
    with torch.device("meta"):
        if processing is ANY_VIEW:
            network, unused = AnyViewNetwork(any_view.SIZES[size]), any_view.UNUSED
        else:
            network, unused = DepthAnything3Network(SIZES[size]), ("backbone.pretrained.mask_token",)
    fill(network, weights, source, f"Depth Anything 3, {name}", unused)
    return network


def model_name(path: Path) -> str:
    """What config.json says the weights are of.

    Raises:
        ModelError: it cannot be read, or they are of none that is supported.
    """
    found = read_json(path).get("model_name")
    if isinstance(found, str) and found in _MODELS:
        return found
    known = isinstance(found, str) and found.startswith("da3")
    why = "which is not supported" if known else "which is none of Depth Anything 3"
    raise ModelError(f"{path} says model_name {found!r}, {why}: expected one of: {', '.join(_MODELS)}")
