# SPDX-License-Identifier: Apache-2.0
"""YAML that somebody else wrote: nothing in it can take the memory or the stack of the process that reads it."""

from __future__ import annotations

from typing import Any

import yaml

_DEPTH = 64
_NODES = 100_000
_NUMBERS, _DIGITS = tuple("+-.0123456789"), 400  # Python takes longer ones, and cannot write them
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str, loader: Any = yaml.SafeLoader, max_nodes: int = _NODES) -> Any:
    """What a YAML text holds.

    Args:
        loader: a safe one. max_nodes: with every alias written out.

    Raises:
        YAMLError: it is no YAML, nested too deeply, too large, or holds a value that Python has no place for.
    """
    try:
        _check(text, max_nodes)
        return yaml.load(text, loader)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:  # dates and numbers that there are not
        raise yaml.YAMLError(f"a value cannot be read: {error}") from error


def _check(text: str, max_nodes: int) -> None:
    """In the stream of events, which takes neither stack nor memory: libyaml's own composer dies of 100,000 "["."""
    sizes: dict[str | None, int] = {}  # nodes under each anchor
    opened: list[tuple[str | None, int]] = []  # anchor, and nodes before it
    nodes = 0
    for event in yaml.parse(text, _PARSER):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in opened):
                raise yaml.YAMLError(f"the alias '{event.anchor}' stands within itself")
            nodes += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if event.anchor:
                sizes[event.anchor] = 1
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
                _check_number(event.value)
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, nodes - 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = nodes - before
        if len(opened) > _DEPTH:
            raise yaml.YAMLError(f"nested more than {_DEPTH} deep, expected less")
        if nodes > max_nodes:
            raise yaml.YAMLError(f"more than {max_nodes} values, expected fewer")


def _check_number(value: str) -> None:
    if value[:1] in _NUMBERS and len(value) > _DIGITS:
        raise yaml.YAMLError(f"a number of {len(value)} digits, expected at most {_DIGITS}")
