# SPDX-License-Identifier: Apache-2.0
"""Relative or metric, and up to which depth? What is said of an official file, which does not say so itself.

The two have the same tensors. What a file is, is told by its SHA-256 where it is one of the authors' files that the
catalogue knows, by a file NAME.yaml beside it, or by the authors' name for it; all that is said must agree.

    kind: metric          # or inverse_affine
    max_depth_m: 20       # of a metric one
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.weights.files import WHOLE, sha256
from mono_depth_ros.prediction import DepthKind

DIGEST, NAME = "SHA-256", "name"
_KEYS = ("kind", "max_depth_m")
_KINDS = {kind.value: kind for kind in DepthKind}


@dataclass(frozen=True)
class Statement:
    """What somebody says of a file. `entry` is the catalogue's, where it is one of its models; `by` is who says so."""

    kind: DepthKind
    max_depth_m: float | None
    by: str
    entry: CatalogueEntry | None = None

    def __str__(self) -> str:
        return kind_in_words(self.kind, self.max_depth_m)


def kind_in_words(kind: DepthKind, max_depth_m: float | None) -> str:
    """Such as "metric up to 20 m"."""
    return f"metric up to {max_depth_m:g} m" if kind is DepthKind.METRIC else "relative (affine inverse depth)"


def what_it_is(path: Path) -> Statement:
    """What an official file is, by all that is said of it.

    Raises:
        ModelError: nothing says so, or two say different things, or it is of Depth Anything V1.
    """
    sources = (stated_by_digest, stated_by_sidecar, stated_by_name)
    statements = [said for source in sources if (said := source(path)) is not None]
    if re.fullmatch(r"depth_anything_vit[sbl]14", path.stem):
        raise ModelError(f"{path} is of Depth Anything V1 by its name, expected V2: its head reads other blocks")
    if not statements:
        sidecar = path.with_suffix(".yaml").name
        names = "such as depth_anything_v2_metric_hypersim_vits.pth"
        raise ModelError(
            f"{path} does not say whether it is relative or metric, as no .pth does: write {sidecar} beside it with "
            f"`kind: inverse_affine`, or with `kind: metric` and `max_depth_m: 20`, or use the authors' name, {names}"
        )
    first = statements[0]
    for other in statements[1:]:
        if (other.kind, other.max_depth_m) != (first.kind, first.max_depth_m):
            raise ModelError(f"{path} is {first} by its {first.by}, expected {other} by its {other.by}")
        if first.entry and other.entry and first.entry.size != other.entry.size:
            sizes = f"{first.entry.size} by its {first.by}, expected {other.entry.size} by its {other.by}"
            raise ModelError(f"{path} is {sizes}")
    return replace(first, entry=next((said.entry for said in statements if said.entry), None))


def stated_by_digest(path: Path) -> Statement | None:
    """What the catalogue knows of this very file, whatever it is called now."""
    ours = [entry for entry in CATALOGUE.values() if entry.spec.family == "depth_anything_v2"]
    known = {entry.files[name]: entry for entry in ours for name in (entry.official, WHOLE) if name in entry.files}
    entry = known.get(sha256(path)) if known else None
    return None if entry is None else _of_entry(entry, DIGEST)


def stated_by_name(path: Path) -> Statement | None:
    """What the authors' file of this name is."""
    for entry in CATALOGUE.values():
        if entry.official and entry.official == path.name:
            return _of_entry(entry, NAME)
    return None


def stated_by_sidecar(path: Path) -> Statement | None:
    """What NAME.yaml beside NAME.pth says.

    Raises:
        ModelError: it is there and unreadable, has a misspelt key or values that are not possible.
    """
    sidecar = path.with_suffix(".yaml")
    if not sidecar.is_file():
        return None
    try:
        values: Any = yaml.safe_load(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(f"{sidecar} cannot be read as YAML: {' '.join(str(error).split())}") from error
    odd = sorted(map(str, set(values) - set(_KEYS))) if isinstance(values, dict) else [repr(values)]
    if odd:
        raise ModelError(f"{sidecar} has {', '.join(odd)}, expected only: {', '.join(_KEYS)}")
    kind, limit = values.get("kind"), values.get("max_depth_m")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ModelError(f"{sidecar} says kind {kind!r}, expected {' or '.join(_KINDS)}")
    number = isinstance(limit, (int, float)) and not isinstance(limit, bool) and math.isfinite(limit) and limit > 0
    if _KINDS[kind] is DepthKind.METRIC and not number:
        raise ModelError(f"{sidecar} is metric with max_depth_m {limit!r}, expected metres, such as 20 or 80")
    if _KINDS[kind] is not DepthKind.METRIC and limit is not None:
        raise ModelError(f"{sidecar} is {kind} with max_depth_m {limit!r}, expected none: it has no metres")
    return Statement(_KINDS[kind], None if limit is None else float(limit), f"{sidecar.name} beside it")


def _of_entry(entry: CatalogueEntry, by: str) -> Statement:
    return Statement(entry.spec.kind, entry.spec.max_depth_m, by, entry)
