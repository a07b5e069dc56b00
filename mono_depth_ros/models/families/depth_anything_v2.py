# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 (Yang et al. 2024, arXiv 2406.09414) with its authors' processing.

The reference is github.com/DepthAnything/Depth-Anything-V2, `depth_anything_v2/dpt.py` and `util/transform.py`.

Relative or metric, and up to which depth? The tensors are the same. What a checkpoint is, is said by its SHA-256 where
it is a file that the catalogue knows, by config.json in a directory, by NAME.yaml beside NAME.pth, by the authors' name
for the file, or by the arguments of a training that are saved with it; all that is said must agree.

    kind: metric          # or inverse_affine, affine, scale
    max_depth_m: 20       # of a metric one
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.cache import sealed_sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.families.depth_anything_weights import (
    UNUSED,
    authors_names,
    read_config,
    read_pth_weights,
    size_name,
)
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.weights.files import (
    WHOLE,
    check_is_binary,
    check_kind,
    fill,
    kind_in_words,
    weight_files,
)
from mono_depth_ros.models.weights.known import check_known
from mono_depth_ros.models.weights.pickles import read_directory, read_pth, setting
from mono_depth_ros.models.weights.sidecar import read_sidecar, sidecar_of
from mono_depth_ros.prediction import DepthKind

LOGGER = logging.getLogger(__name__)

RELATIVE = Processing(
    kind="inverse_affine",
    input=ImageInput(
        name="image",
        size=SizeRule(shorter_side=518, multiple=14, max_side=8 * 518),  # attention grows with the square of the area
        resample="cubic",
        range=1,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    outputs=Outputs(resize="corners", depth="depth"),
)

_DIGEST, _CONFIG, _NAME = "SHA-256", "config.json", "name"


def processing_of(max_depth_m: float | None, kind: DepthKind = DepthKind.INVERSE_AFFINE) -> Processing:
    """The declaration of a relative network (None), of which `kind` says what it gives, or of a metric one."""
    if max_depth_m is None:
        return replace(RELATIVE, kind=kind.value)
    return replace(RELATIVE, kind="metric", outputs=replace(RELATIVE.outputs, range_m=(0.0, max_depth_m)))


class DepthAnythingV2(DeclaredModel):
    """`DepthModel`: relative gives INVERSE_AFFINE, or what its sidecar says, metric METRIC up to `max_depth_m`, both
    without the camera."""

    def __init__(
        self,
        spec: ModelSpec,
        network: DepthAnythingNetwork | Callable[[], DepthAnythingNetwork],
        options: EngineOptions,
        files: tuple[Path, ...] = (),
    ) -> None:
        """Args:
        network: with its weights, in float32 on the CPU, and not of use to anybody else afterwards; or what reads it.
        files: that it is read from.
        """
        shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"},)
        module = network.optimise() if isinstance(network, DepthAnythingNetwork) else lambda: network().optimise()
        graph = Network(spec.name, module, ("image",), ("depth",), shapes, files=files)
        super().__init__(spec, graph, processing_of(spec.max_depth_m, spec.kind), options)


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None = None) -> DepthAnythingV2:
    """The model in a directory of transformers' format or in an official .pth: see `loading.Loader`."""
    stated = what_it_is(source, expected)
    by_itself = source.is_file()
    if stated.by == _NAME:
        LOGGER.warning("%s is taken for %s by its name alone: it is not the authors' file", source, stated)
    else:
        LOGGER.info("%s is %s by its %s", source, stated, stated.by)
    spec = spec_of(source, stated) if expected is None else ModelSpec.of(expected)
    files = (source, source.with_suffix(".yaml")) if by_itself else (source / "config.json", *weight_files(source))
    # The tensors of the files are gone before an engine makes more of them; at a warm start nobody reads them.
    return DepthAnythingV2(spec, lambda: read(source, expected).network(), options, files)


@dataclass(frozen=True)
class Statement:
    """What something says of a checkpoint. `entry` is the catalogue's, where it is one of its models; `by` is what."""

    kind: DepthKind
    max_depth_m: float | None
    by: str
    entry: CatalogueEntry | None = None

    def __str__(self) -> str:
        return kind_in_words(self.kind, self.max_depth_m)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file or a directory holds.

    Attributes:
        source: of the weights. stated: what it is. size: of the network, by config.json or the tensors' shapes.
        weights: under the authors' names.
    """

    source: Path
    stated: Statement
    size: NetworkSize
    weights: dict[str, Tensor]

    def network(self) -> DepthAnythingNetwork:
        """The network with these weights, float32, on the CPU, under the authors' parameter names.

        Raises:
            ModelError: the weights do not fit exactly or are not finite.
        """
        with torch.device("meta"):  # no random numbers for weights that are there
            network = DepthAnythingNetwork(self.size, self.stated.max_depth_m)
        fill(network, self.weights, self.source, size_name(self.size), UNUSED)
        return network


def read(source: Path, expected: CatalogueEntry | None = None) -> Checkpoint:
    """The checkpoint in a directory of transformers' format or in an official .pth.

    Args:
        expected: what the caller takes it for; a checkpoint that is something else is refused.

    Raises:
        ModelError: it is not what it should be; found and expected.
    """
    if source.is_file():
        size, weights = read_pth_weights(source)
    else:
        size, weights = read_config(source).size, authors_names(read_directory(source))
    stated = what_it_is(source, expected)
    if stated.entry is not None and SIZES[stated.entry.size] != size:
        raise ModelError(f"{source} is {size_name(size)}, expected {stated.entry.size} by its {stated.by}")
    if expected is not None and SIZES[expected.size] != size:
        raise ModelError(f"{expected.name}: {source} is {size_name(size)}, expected {expected.size}")
    if not source.is_file():
        check_known(source, expected)
    return Checkpoint(source, stated, size, weights)


def what_it_is(source: Path, expected: CatalogueEntry | None) -> Statement:
    """What is said of a checkpoint, without a look at its tensors.

    Raises:
        ModelError: it is no checkpoint at all, nothing says what it is, two say different things, or it is not what the
            caller takes it for.
    """
    if source.is_file():
        check_is_binary(source, "a .pth of the authors")
        said = [_by_digest(source), _by_sidecar(source), _by_name(source)]
        stated = _agreed(source, said if any(said) else [_by_training(source)])
    else:
        config = read_config(source)
        by_digest = _by_digest(source / WHOLE) if expected is None and (source / WHOLE).is_file() else None
        stated = _agreed(source, [by_digest, Statement(config.kind, config.max_depth_m, _CONFIG)])
    check_kind(source, stated.kind, stated.max_depth_m, expected)
    return stated


def spec_of(source: Path, stated: Statement) -> ModelSpec:
    """What is known of a checkpoint that is not the catalogue's."""
    licence = stated.entry.licence if stated.entry is not None and stated.by == _DIGEST else "not stated"
    return ModelSpec(str(source), "depth_anything_v2", stated.kind, licence, stated.max_depth_m)


def _agreed(source: Path, statements: list[Statement | None]) -> Statement:
    """The first statement, with the catalogue's entry of whichever has one.

    Raises:
        ModelError: nothing says what the file is, or two say different things, or it is of Depth Anything V1.
    """
    said = [statement for statement in statements if statement is not None]
    if source.is_file() and re.fullmatch(r"depth_anything_vit[sbl]14", source.stem):
        raise ModelError(f"{source} is of Depth Anything V1 by its name, expected V2: its head reads other blocks")
    if not said:
        sidecar = source.with_suffix(".yaml").name
        names = "such as depth_anything_v2_metric_hypersim_vits.pth"
        raise ModelError(
            f"{source} does not say whether it is relative or metric, as no .pth does: write {sidecar} beside it with "
            f"`kind: inverse_affine`, or with `kind: metric` and `max_depth_m: 20`, or use the authors' name, {names}"
        )
    first = said[0]
    for other in said[1:]:
        if (other.kind, other.max_depth_m) != (first.kind, first.max_depth_m):
            raise ModelError(f"{source} is {first} by its {first.by}, expected {other} by its {other.by}")
        if first.entry and other.entry and first.entry.size != other.entry.size:
            sizes = f"{first.entry.size} by its {first.by}, expected {other.entry.size} by its {other.by}"
            raise ModelError(f"{source} is {sizes}")
    return replace(first, entry=next((statement.entry for statement in said if statement.entry), None))


def _by_digest(path: Path) -> Statement | None:
    """What the catalogue knows of this very file, whatever it is called now."""
    ours = [entry for entry in CATALOGUE.values() if entry.family == "depth_anything_v2"]
    known = {entry.files[name]: entry for entry in ours for name in (entry.official, WHOLE) if name in entry.files}
    return _of_entry(known.get(sealed_sha256(path)), _DIGEST) if known else None


def _by_name(path: Path) -> Statement | None:
    """What the authors' file of this name is."""
    named = [entry for entry in CATALOGUE.values() if entry.official and entry.official == path.name]
    return _of_entry(named[0], _NAME) if named else None


def _by_training(path: Path) -> Statement | None:
    """What a checkpoint of training says of its range: in the authors' `metric_depth/train.py` it is an argument."""
    limit = setting(read_pth(path, "a .pth of the authors"), "max_depth")
    if not isinstance(limit, (int, float)) or not 0 < limit < math.inf:
        return None
    return Statement(DepthKind.METRIC, float(limit), "max_depth of its training")


def _of_entry(entry: CatalogueEntry | None, by: str) -> Statement | None:
    return None if entry is None else Statement(DepthKind(entry.kind), entry.max_depth_m, by, entry)


def _by_sidecar(path: Path) -> Statement | None:
    """What NAME.yaml beside NAME.pth says.

    Raises:
        ModelError: see `read_sidecar`.
    """
    sidecar = sidecar_of(path)
    said = read_sidecar(sidecar, bounded=True)
    return None if said is None else Statement(*said, f"{sidecar.name} beside it")
