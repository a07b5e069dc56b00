# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses from YAML, strictly: every key known, every value of its type and in its range."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mono_depth_ros.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What a value must keep to: documentation, unit, inclusive range of its numbers, choices, how many there are."""

    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] | None = None
    count: int | None = None


def about(
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
    count: int | None = None,
) -> dict[str, Limits]:
    """The `metadata` of a dataclass field that can come from YAML."""
    return {"limits": Limits(doc, unit, low, high, choices, count)}


def read(cls: type[T], content: object, where: str) -> T:
    """An instance of a dataclass from what YAML holds; `where` begins every error's sentence.

    Args:
        cls: all of its fields have `about` as metadata; one without a default is required.

    Raises:
        ModelError: a key is unknown (the nearest is named) or missing, a value of another type or out of its range.
    """
    if not isinstance(content, Mapping):
        raise ModelError(f"{where} holds {_shown(content)}, expected keys: {', '.join(_names(cls))}")
    for key in content:
        if key not in _names(cls):
            close = difflib.get_close_matches(str(key), _names(cls), n=1, cutoff=0.5)
            hint = f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(_names(cls))}"
            raise ModelError(f"{where}: '{key}' is not known, {hint}")
    hints = get_type_hints(cls)
    values = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if item.name in content:
            values[item.name] = _value(hints[item.name], content[item.name], item, f"{where}: '{item.name}'")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ModelError(f"{where} lacks '{item.name}', expected {_expected(hints[item.name], limits(item))}")
    return cls(**values)


def write(instance: Any) -> dict[str, Any]:
    """The opposite of `read`: plain values for YAML, of the fields that differ from their default."""
    kept = {}
    for item in fields(instance):
        value = getattr(instance, item.name)
        if value != (item.default if item.default_factory is MISSING else item.default_factory()):
            kept[item.name] = write(value) if is_dataclass(value) else _plain(value)
    return kept


def table(cls: type[Any]) -> str:
    """The fields as a Markdown table, nested ones not: for the documentation."""
    hints = get_type_hints(cls)
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for item in fields(cls):
        required = item.default is MISSING and item.default_factory is MISSING
        default = "required" if required else _default(item.default)
        kind = hints[item.name]
        value = "keys" if is_dataclass(_without_none(kind)) else _expected(kind, limits(item))
        lines.append(f"| `{item.name}` | {value} | {default} | {limits(item).doc} |")
    return "\n".join(lines)


def limits(item: Field[Any]) -> Limits:
    """What `about` said of a field."""
    found: Limits = item.metadata["limits"]
    return found


def _names(cls: type[Any]) -> list[str]:
    return [item.name for item in fields(cls)]


def _value(kind: Any, value: object, item: Field[Any], where: str) -> Any:
    """`value` as the type `kind`; raises ModelError."""
    kind, bounds = _without_none(kind), limits(item)
    if is_dataclass(kind):
        return read(kind, value, where)  # type: ignore[arg-type]
    origin = get_origin(kind)
    if origin is tuple:
        inner = get_args(kind)[0]
        whole = isinstance(value, list) and bounds.count in (None, len(value))
        if isinstance(value, list) and whole and all(_fits(inner, part, bounds) for part in value):
            return tuple(inner(part) for part in value)
    elif origin is dict:
        if isinstance(value, dict) and all(isinstance(k, str) and _fits(float, v, bounds) for k, v in value.items()):
            return dict(value)
    elif _fits(kind, value, bounds):
        return kind(value)
    raise ModelError(f"{where} is {_shown(value)}, expected {_expected(kind, bounds)}{_exponent(value)}")


def _fits(kind: type, value: object, bounds: Limits) -> bool:
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if not isinstance(value, (int, float) if kind is float else kind):
        return False
    if bounds.choices is not None:
        return value in bounds.choices
    if isinstance(value, (int, float)):
        return not (
            math.isnan(value)
            or (bounds.low is not None and value < bounds.low)
            or (bounds.high is not None and value > bounds.high)
        )
    return bool(value)  # no empty names


def _expected(kind: Any, bounds: Limits) -> str:
    """The allowed values in words."""
    kind = _without_none(kind)
    if bounds.choices is not None and get_origin(kind) is not tuple:
        return "one of: " + ", ".join(map(str, bounds.choices))
    if is_dataclass(kind):
        return "the keys " + ", ".join(_names(kind))  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        words = {str: "names", int: "whole numbers", float: "numbers"}[inner]
        return f"a list of {f'{bounds.count} ' if bounds.count else ''}{words}{_range(bounds)}"
    if get_origin(kind) is dict:
        return "names with a number each"
    return {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}[kind] + _range(bounds)


def _range(bounds: Limits) -> str:
    unit = f" {bounds.unit}" if bounds.unit else ""
    if bounds.choices is not None:
        return ", each " + " or ".join(map(str, bounds.choices))
    if bounds.low is not None and bounds.high is not None:
        return f" from {bounds.low:g} to {bounds.high:g}{unit}"
    return f", {bounds.low:g}{unit} or more" if bounds.low is not None else (f" of{unit}" if unit else "")


def _exponent(value: object) -> str:
    """YAML 1.1 reads 1e-3 as a text."""
    try:
        return f" (YAML wants a dot before the exponent: {float(value):e})" if isinstance(value, str) else ""
    except ValueError:
        return ""


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        return next(part for part in get_args(kind) if part is not type(None))
    return kind


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _default(value: Any) -> str:
    if value in (None, "", (), MISSING):
        return "none"
    return str(_plain(value)).lower() if isinstance(value, bool) else str(_plain(value))


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return "nothing" if value is None else text if len(text) <= 80 else text[:77] + "..."
