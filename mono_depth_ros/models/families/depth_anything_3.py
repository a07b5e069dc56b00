# SPDX-License-Identifier: Apache-2.0
"""Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647), the metric network, with its authors' processing.

The reference is github.com/ByteDance-Seed/Depth-Anything-3: `utils/io/input_processor.py` (two resizes on grey levels),
`utils/alignment.py` (`apply_metric_scaling`: metres = output * f / 300, f the mean of fx and fy at the processed size;
`compute_sky_mask`: a score of .3). Its authors give the sky a far depth, from a random sample; here it is +inf.

Only `model_name` in config.json tells the metric network from the one that gives relative depth: their tensors have the
same names and shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.networks.depth_anything_3 import SIZES, DepthAnything3Network
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.weights.files import check_kind, fill, read_json, weight_files
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.models.weights.pickles import read_directory
from mono_depth_ros.prediction import DepthKind

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

_METRIC = "da3metric-large"
_OTHERS = "gives depth up to an unknown scale, which is not supported"


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> DeclaredModel:
    """The model of a checkpoint directory: see `loading.Loader`."""
    path = source / "config.json"
    _check_name(path)
    check_kind(path, DepthKind.METRIC, None, expected)
    check_known(source, expected)
    spec = ModelSpec(str(source), "depth_anything_3", DepthKind.METRIC, "not stated", needs_camera=True)
    spec = ModelSpec.of(expected) if expected else spec
    return model_of(spec, lambda: read(source), options, (path, *weight_files(source)))


def model_of(
    spec: ModelSpec, network: Callable[[], DepthAnything3Network], options: EngineOptions, files: tuple[Path, ...] = ()
) -> DeclaredModel:
    """The model around a network in float32 on the CPU, which is of no use to anybody else afterwards."""
    shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"},)
    graph = Network(spec.name, lambda: network().optimise(), ("image",), ("depth", "sky"), shapes, files=files)
    return DeclaredModel(spec, graph, PROCESSING, options)


def read(source: Path) -> DepthAnything3Network:
    """The network with the weights in a directory, float32, on the CPU, under the authors' parameter names.

    Raises:
        ModelError: they are missing, damaged, do not fit exactly or are not finite.
    """
    weights = {name.removeprefix("model."): value for name, value in read_directory(source).items()}
    with torch.device("meta"):
        network = DepthAnything3Network(SIZES["large"])
    fill(network, weights, source, "the large metric Depth Anything 3", ("backbone.pretrained.mask_token",))
    return network


def _check_name(path: Path) -> None:
    found = read_json(path).get("model_name")
    if found != _METRIC:
        known = isinstance(found, str) and found.startswith("da3")
        why = f"which {_OTHERS}" if known else "which is none of Depth Anything 3"
        raise ModelError(f"{path} says model_name {found!r}, {why}: expected '{_METRIC}'")
