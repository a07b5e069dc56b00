# SPDX-License-Identifier: Apache-2.0
"""The kinds of files that are damaged; those of one room share a file beside this one."""

from __future__ import annotations

from importlib import import_module

from corruption_parts import bags, clouds, pictures, texts, weights
from corruption_parts.kind import Kind

KINDS: dict[str, Kind] = {**texts.KINDS, **clouds.KINDS, **pictures.KINDS, **bags.KINDS, **weights.KINDS}


def find(name: str) -> Kind:
    """A kind of the table, or MODULE:NAME of another."""
    module, colon, other = name.partition(":")
    kind: Kind = getattr(import_module(module), other) if colon else KINDS[name]
    return kind
