# SPDX-License-Identifier: Apache-2.0
"""Prompt Depth Anything (Lin et al. 2025, arXiv 2412.14015): metric depth by a coarse depth map, such as a lidar's.

The reference is github.com/DepthAnything/PromptDA, `promptda/promptda.py` and `load_image` of
`promptda/utils/io_wrapper.py`. The prompt is normalised by its own minimum and maximum, so that depth cannot leave its
range: where it comes to an end of it, the confidence is 0. Images are never enlarged; sides that are no multiples of
14, which the authors refuse of images up to 1008 pixels, are rounded down as they do with larger ones.

A file of the authors says nothing but its weights, whose names have something of 9 characters before them, which they
drop by its position.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.families.depth_anything_weights import UNUSED, authors_names, read_config, size_name
from mono_depth_ros.models.networks.depth_anything import SIZES, NetworkSize
from mono_depth_ros.models.networks.prompt_depth_anything import PromptDepthAnythingNetwork
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, PromptInput, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.weights.files import check_digest, check_kind, fill, weight_files
from mono_depth_ros.models.weights.known import check_number
from mono_depth_ros.models.weights.pickles import read_directory, read_pth, tensors_in
from mono_depth_ros.prediction import DepthKind

PROCESSING = Processing(
    kind="metric",
    input=ImageInput(
        "image",
        SizeRule(longer_side=1008, multiple=14, rounding="down", only_shrink=True),
        "area",
        1,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    prompt=PromptInput("prompt", SizeRule(longer_side=256)),  # 256x192 of a 4:3 image: ARKit's
    outputs=Outputs("linear", "depth"),
)

_FIRST = "pretrained.cls_token"
_UNUSED = UNUSED | {"_mean", "_std"}


class PromptDepthAnything(DeclaredModel):
    """`DepthModel` that needs a prompt: METRIC, between the nearest and the farthest depth of the prompt."""

    def __init__(
        self,
        spec: ModelSpec,
        network: Callable[[], PromptDepthAnythingNetwork],
        options: EngineOptions,
        files: tuple[Path, ...] = (),
    ) -> None:
        """`network` reads it from `files`. Raises ModelError: see `make_engine`."""
        shapes = (
            {0: "batch", 2: "14*rows", 3: "14*columns"},
            {0: "batch", 2: "prompt_rows", 3: "prompt_columns"},
        )
        graph = Network(spec.name, lambda: network().optimise(), ("image", "prompt"), ("depth",), shapes, files=files)
        super().__init__(spec, graph, PROCESSING, options)


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> PromptDepthAnything:
    """The model in the authors' model.ckpt or in a directory of transformers' format: see `loading.Loader`."""
    if (source / "model.ckpt").is_file():
        source = source / "model.ckpt"
    check_kind(source, DepthKind.METRIC, None, expected)
    if expected is not None and source.name in expected.files:
        check_digest(source, expected.files[source.name])
    spec = ModelSpec(
        str(source), "prompt_depth_anything", DepthKind.METRIC, "not stated", confidence=True, needs_prompt=True
    )
    files = (source,) if source.is_file() else (source / "config.json", *weight_files(source))
    return PromptDepthAnything(
        ModelSpec.of(expected) if expected else spec, lambda: read(source, expected), options, files
    )


def read(source: Path, expected: CatalogueEntry | None = None) -> PromptDepthAnythingNetwork:
    """The network in a file of the authors or in a directory, float32, on the CPU, under the authors' parameter names.

    Raises:
        ModelError: it is damaged, of another model or size, or would run code.
    """
    size, weights = _of_authors(source) if source.is_file() else _of_transformers(source)
    check_number(sum(value.numel() for value in weights.values()), expected, source)
    if expected is not None and SIZES[expected.size] != size:
        raise ModelError(f"{expected.name}: {source} is {size_name(size)}, expected {expected.size}")
    with torch.device("meta"):
        network = PromptDepthAnythingNetwork(size)
    fill(network, weights, source, f"Prompt Depth Anything {size_name(size)}", _UNUSED)
    return network


def _of_authors(path: Path) -> tuple[NetworkSize, dict[str, Tensor]]:
    found = tensors_in(read_pth(path, "a model.ckpt of Prompt Depth Anything"), path)
    first = next((name for name in found if name.endswith(_FIRST)), None)
    if first is None:
        there = ", ".join(sorted(found)[:3])
        raise ModelError(f"{path} has no tensor {_FIRST} but {there}, ...: expected a model.ckpt of its authors")
    prefix = first.removesuffix(_FIRST)
    odd = [name for name in found if not name.startswith(prefix)]
    if odd:
        raise ModelError(f"{path} has {odd[0]} beside {first}: expected one prefix before all names, or none")
    weights = {name[len(prefix) :]: value for name, value in found.items()}
    if not any(".resConfUnit_depth." in name for name in weights):
        raise ModelError(f"{path} has no layers for a prompt: expected Prompt Depth Anything, not Depth Anything V2")
    sizes = {size.vit.embed_dim: size for size in SIZES.values()}
    width = weights[_FIRST].shape[-1]
    if width not in sizes:
        raise ModelError(f"{path} has an encoder {width} wide, expected one of: {', '.join(map(str, sizes))}")
    return sizes[width], weights


def _of_transformers(directory: Path) -> tuple[NetworkSize, dict[str, Tensor]]:
    config = read_config(directory, "prompt_depth_anything")
    if config.kind is not DepthKind.METRIC or config.max_depth_m != 1:
        limit = "" if config.max_depth_m is None else f" with max_depth {config.max_depth_m:g}"
        found = f"depth_estimation_type '{'metric' if config.kind is DepthKind.METRIC else 'relative'}'{limit}"
        raise ModelError(f"{directory / 'config.json'} has {found}, expected 'metric' with max_depth 1")
    return config.size, authors_names(read_directory(directory))
