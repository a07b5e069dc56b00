# SPDX-License-Identifier: Apache-2.0
"""Metric3D v2 (Hu, Yin et al. 2024, arXiv 2404.15506) with its authors' processing.

The reference is github.com/YvanYin/Metric3D, `mono/utils/do_test.py` and `hubconf.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.metric3d.canonical import INPUT_SIZE, Placement, check_input_size
from mono_depth_ros.models.metric3d.checkpoint import build, find_file, read
from mono_depth_ros.models.networks.metric3d import Metric3DNetwork
from mono_depth_ros.models.resample import Size, resize_linear
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.runtime.engine_model import EngineModel
from mono_depth_ros.models.weights.files import check_digest, sha256
from mono_depth_ros.prediction import DepthKind, DepthPrediction

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

LONGEST_M = 300.0
"""What is not between 0 and this is unknown."""


class Metric3D(EngineModel):
    """`DepthModel` around `Metric3DNetwork`: metric depth, its confidence, and normals.

    The focal length of the camera decides the scale; the network takes the image for a pinhole's.
    """

    def __init__(
        self, spec: ModelSpec, network: Metric3DNetwork, options: EngineOptions, input_size: Size = INPUT_SIZE
    ) -> None:
        """Load the network into an engine.

        Args:
            input_size: (width, height) at which images are read, multiples of 28. What it was trained at is best; a
                smaller one is faster, and the metric scale stays right.

        Raises:
            ValueError: `input_size` is not made of multiples of 28.
            ModelError: see `make_engine`.
        """
        check_input_size(input_size)
        self.input_size = input_size
        self._mean = torch.tensor(MEAN, device=options.device)
        self._std = torch.tensor(STD, device=options.device)
        super().__init__(
            spec,
            Network(
                name=spec.name,
                module=network.optimise(),
                inputs=("image",),
                outputs=("depth", "confidence", "normals"),
                shapes=({0: "batch"},),
            ),
            options,
        )

    def preprocess(self, rgb: Tensor, _cameras: Sequence[Camera]) -> Inputs:
        """(N, 3, h, w) float32, normalised, channels last, at `input_size`."""
        placement = Placement.of(rgb.shape[2], rgb.shape[1], self.input_size)
        placed = torch.stack([placement.place(image) for image in rgb])
        return (placed.float().sub_(self._mean).div_(self._std).permute(0, 3, 1, 2),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Metres from the canonical depth; everything at the size of the camera."""
        return [
            self._prediction(depth[0], confidence[0], normals[:3], camera)
            for depth, confidence, normals, camera in zip(*outputs, cameras, strict=True)
        ]

    def _prediction(self, depth: Tensor, confidence: Tensor, normals: Tensor, camera: Camera) -> DepthPrediction:
        placement, size = Placement.of(camera.width, camera.height, self.input_size), (camera.width, camera.height)
        values = resize_linear(placement.cut(depth), size).mul_(placement.canonical_to_metric(camera))
        values.masked_fill_(~((values > 0) & (values < LONGEST_M)), torch.nan)
        directions = torch.stack([resize_linear(placement.cut(plane), size) for plane in normals])
        return DepthPrediction(
            values,
            DepthKind.METRIC,
            confidence=resize_linear(placement.cut(confidence), size).clamp_(0, 1),
            normals=functional.normalize(directions, dim=0).movedim(0, -1).contiguous(),
        )


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> Metric3D:
    """The model in one of the authors' .pth files, or in a directory with one: see `loading.Loader`."""
    path = find_file(source, expected.size if expected is not None else None)
    size, weights = read(path)
    if expected is not None and size != expected.size:
        raise ModelError(f"{expected.spec.name}: {path} is {size}, expected {expected.size}")
    if expected is not None and expected.official in expected.files:
        check_digest(path, expected.files[expected.official])
    spec = expected.spec if expected is not None else _unlisted(path, size)
    input_size = options.input_size or INPUT_SIZE
    try:
        check_input_size(input_size)
    except ValueError as error:
        raise ModelError(str(error)) from error
    return Metric3D(spec, build(path, size, weights), options, input_size)


def _unlisted(path: Path, size: str) -> ModelSpec:
    """What is known of a file that was given by its path: the licence, where it is one of the authors'."""
    entry = CATALOGUE[f"metric3d_v2_{size}"]
    theirs = entry.official in entry.files and sha256(path) == entry.files[entry.official]
    licence = entry.spec.licence if theirs else "not stated"
    return replace(entry.spec, name=str(path), licence=licence, hub="")
