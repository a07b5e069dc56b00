# SPDX-License-Identifier: Apache-2.0
"""What families share in reading a checkpoint: it is what it should be, down to every weight."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.weights.files import check_digest, check_finite
from mono_depth_ros.prediction import DepthKind


def kind_in_words(kind: DepthKind, max_depth_m: float | None) -> str:
    """Such as "metric up to 20 m"."""
    if kind is DepthKind.INVERSE_AFFINE:
        return "relative (affine inverse depth)"
    return "metric without a bound" if max_depth_m is None else f"metric up to {max_depth_m:g} m"


def check_kind(path: Path, kind: DepthKind, max_depth_m: float | None, expected: CatalogueEntry | None) -> None:
    """Raise ModelError unless the checkpoint is of the kind and range that `expected` says."""
    if expected is not None and (kind.value, max_depth_m) != (expected.kind, expected.max_depth_m):
        wanted = kind_in_words(DepthKind(expected.kind), expected.max_depth_m)
        raise ModelError(f"{expected.name}: {path} is {kind_in_words(kind, max_depth_m)}, expected {wanted}")


def check_digests(directory: Path, expected: CatalogueEntry | None) -> None:
    """Raise ModelError where a file has another SHA-256 than the catalogue knows of it."""
    for name, digest in (expected.files if expected else {}).items():
        if (directory / name).is_file():
            check_digest(directory / name, digest)


def fill(network: nn.Module, weights: Mapping[str, Tensor], where: Path, what: str, unused: Collection[str]) -> None:
    """Give a network on the meta device its weights, in float32; every one is used, none is made up, all are copied.

    Args:
        where: of the weights, for errors. what: "small", or what else such a network is called.
        unused: names of weights that may be there and take no part in inference.

    Raises:
        ModelError: a tensor is missing, unexpected, of another shape, or holds no floating-point or no finite numbers.
    """
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for problem, names in (
        ("missing", sorted(set(shapes) - set(weights))),
        ("unexpected", sorted(set(weights) - set(shapes) - set(unused))),
    ):
        if names:
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(f"{where}: {len(names)} {problem} weights ({some}), expected those of {what}")
    odd = [name for name, shape in shapes.items() if tuple(weights[name].shape) != shape]
    if odd:
        found = f"{odd[0]} is {tuple(weights[odd[0]].shape)}, expected {shapes[odd[0]]}"
        raise ModelError(f"{where}: {len(odd)} weights are of another shape than {what} has: {found}")
    whole = [name for name in shapes if not weights[name].is_floating_point()]
    if whole:
        raise ModelError(f"{where}: {whole[0]} holds {weights[whole[0]].dtype}, expected floating-point numbers")
    # Copied: a mapped file that is overwritten later must not change, or crash, a model that runs.
    state = {name: weights[name].to(torch.float32, copy=True) for name in shapes}
    check_finite(state, where)
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)
