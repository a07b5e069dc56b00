# SPDX-License-Identifier: Apache-2.0
"""A Depth Anything checkpoint of either format, read and held to what it says of itself and to what was asked for.

What is in the file decides, never its name. Nothing in a file is run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.depth_anything.directory import read_directory
from mono_depth_ros.models.depth_anything.official import read_tensors
from mono_depth_ros.models.depth_anything.scene import answer
from mono_depth_ros.models.depth_anything.sizes import build, size_name, size_of
from mono_depth_ros.models.depth_anything.statements import DIGEST, NAME, kind_in_words, stated_by_digest, what_it_is
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.weights.files import WHOLE, check_digest, check_finite
from mono_depth_ros.prediction import DepthKind

LOGGER = logging.getLogger(__name__)
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file or a directory holds.

    Attributes:
        source: of the weights. kind, max_depth_m: what it says it is. size: of the network, by the tensors' shapes.
        weights: under the authors' names. licence: of the weights, as far as it is known.
        known: True for one of the authors' own files, by its SHA-256. by_name: True where only its name says the kind.
    """

    source: Path
    kind: DepthKind
    max_depth_m: float | None
    size: NetworkSize
    weights: dict[str, Tensor]
    licence: str = "not stated"
    known: bool = False
    by_name: bool = False

    def check(self, expected: CatalogueEntry) -> None:
        """Raise ModelError unless the checkpoint is what `expected` says."""
        spec = expected.spec
        if (self.kind, self.max_depth_m) != (spec.kind, spec.max_depth_m):
            found = kind_in_words(self.kind, self.max_depth_m)
            raise ModelError(
                f"{spec.name}: {self.source} is {found}, expected {kind_in_words(spec.kind, spec.max_depth_m)}"
            )
        if self.size != SIZES[expected.size]:
            raise ModelError(f"{spec.name}: {self.source} is {size_name(self.size)}, expected {expected.size}")

    def spec(self) -> ModelSpec:
        """What is known of a checkpoint that is not the catalogue's."""
        return ModelSpec(str(self.source), "depth_anything_v2", self.kind, self.licence, self.max_depth_m)

    def network(self) -> DepthAnythingNetwork:
        """The network with these weights, float32, on the CPU, under the authors' parameter names.

        Raises:
            ModelError: the weights do not fit exactly or are not finite, or the network answers like the other kind.
        """
        network = build(self.size, self.max_depth_m, self.weights, self.source).eval().requires_grad_(False)
        check_finite(network.state_dict(), self.source)
        if not self.known:
            _check_answer(network, self)
        return network


def read(source: Path, expected: CatalogueEntry | None = None) -> Checkpoint:
    """The checkpoint in a directory of transformers' format or in an official .pth.

    Args:
        expected: what the caller takes it for; a checkpoint that is something else is refused.

    Raises:
        ModelError: it is not what it should be; found and expected.
    """
    if source.is_file():
        checkpoint = _read_official(source)
        if expected is not None:
            checkpoint.check(expected)
        return checkpoint
    config, size, weights = read_directory(source)
    checkpoint = Checkpoint(source, config.kind, config.max_depth_m, size, weights)
    if expected is None:
        return _recognised(checkpoint)
    checkpoint.check(expected)
    return replace(checkpoint, known=_check_digests(source, expected))


def _recognised(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint of a directory, with what the catalogue knows of it where its weights are the authors'.

    Raises:
        ModelError: config.json says something else than the catalogue does of these weights.
    """
    path = checkpoint.source / WHOLE
    stated = stated_by_digest(path) if path.is_file() else None
    if stated is None or stated.entry is None:
        return checkpoint
    if (stated.kind, stated.max_depth_m) != (checkpoint.kind, checkpoint.max_depth_m):
        said = kind_in_words(checkpoint.kind, checkpoint.max_depth_m)
        raise ModelError(f"{path} is {stated} by its {stated.by}, expected {said} by the config.json beside it")
    return replace(checkpoint, licence=stated.entry.spec.licence, known=True)


def _check_digests(directory: Path, expected: CatalogueEntry) -> bool:
    """True where the weights are the ones the catalogue knows, False where it knows none.

    Raises:
        ModelError: a file is another than the catalogue knows.
    """
    there = [name for name in expected.files if (directory / name).is_file()]
    for name in there:
        check_digest(directory / name, expected.files[name])
    return any(name.endswith(".safetensors") for name in there)


def _read_official(path: Path) -> Checkpoint:
    weights = read_tensors(path)
    size = size_of(weights, path)
    if size not in SIZES.values():
        raise ModelError(f"{path} has {size_name(size)}, expected one of: {', '.join(SIZES)}")
    stated = what_it_is(path)
    entry, known = stated.entry, stated.by == DIGEST
    if entry is not None and SIZES[entry.size] != size:
        raise ModelError(f"{path} is {size_name(size)}, expected {entry.size} by its {stated.by}")
    licence = entry.spec.licence if entry is not None and known else "not stated"
    return Checkpoint(path, stated.kind, stated.max_depth_m, size, weights, licence, known, stated.by == NAME)


def _check_answer(network: DepthAnythingNetwork, checkpoint: Checkpoint) -> None:
    """Raise ModelError where the network gives the larger numbers to the wrong end of a corridor."""
    found, correlation = answer(network, torch.tensor(MEAN), torch.tensor(STD))
    LOGGER.debug("%s: rank correlation of the output with nearness %.2f", checkpoint.source, correlation)
    if found is not None and found is not checkpoint.kind:
        said = kind_in_words(checkpoint.kind, checkpoint.max_depth_m)
        larger = "nearer" if correlation > 0 else "farther"
        what = "relative" if found is DepthKind.INVERSE_AFFINE else "metric"
        why = f"of a corridor it gives larger numbers to what is {larger} (rank correlation {correlation:.2f})"
        raise ModelError(f"{checkpoint.source} is {what}, expected {said}: {why}")
    if found is None and checkpoint.by_name:
        LOGGER.warning(
            "%s is taken for %s by its name alone: it is not the authors' file, and what it answers is not clear",
            checkpoint.source,
            checkpoint.kind.value,
        )
