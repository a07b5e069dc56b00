# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses of options from YAML and back, strictly: every key known, every value of its type and range."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.paths import require_file

T = TypeVar("T")


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ConfigError: it cannot be read, is no YAML, or gives a key twice; the sentence goes on from the file's name.
    """
    try:
        require_file(path)
        return load_yaml(path.read_text(encoding="utf-8"), _StrictLoader)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"is not YAML: {' '.join(str(error).split())}") from error


class _StrictLoader(yaml.SafeLoader):
    """A key that is given twice is an error; of the two only one could hold, and nobody would be told which."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def parse(cls: type[T], content: object, where: str) -> T:
    """An instance of a dataclass from what YAML holds; `where` begins every error's sentence.

    Args:
        cls: all of its fields are made by `option`; one without a default is required.

    Raises:
        ConfigError: a key is unknown (the nearest is named) or missing, a value of another type or out of its range.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} holds {_shown(content)}, expected keys: {', '.join(_names(cls))}")
    for key in content:
        if key not in _names(cls):
            close = difflib.get_close_matches(str(key), _names(cls), n=1, cutoff=0.5)
            hint = f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(_names(cls))}"
            raise ConfigError(f"{where}: '{key}' is not known, {hint}")
    hints = get_type_hints(cls)
    values = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if item.name in content:
            values[item.name] = _value(hints[item.name], content[item.name], item, f"{where}: '{item.name}'")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ConfigError(f"{where} lacks '{item.name}', expected {_expected(hints[item.name], item)}")
    return cls(**values)


def plain(instance: Any) -> dict[str, Any]:
    """The opposite of `parse`: plain values for YAML, of the fields that differ from their default."""
    kept = {}
    for item in fields(instance):
        value = getattr(instance, item.name)
        if value != (item.default if item.default_factory is MISSING else item.default_factory()):
            kept[item.name] = plain(value) if is_dataclass(value) else _plain(value)
    return kept


def table(cls: type[Any]) -> str:
    """The fields as a Markdown table, nested ones not: for the documentation."""
    hints = get_type_hints(cls)
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for item in fields(cls):
        required = item.default is MISSING and item.default_factory is MISSING
        default = "required" if required else _default(item.default)
        value = "keys" if is_dataclass(_without_none(hints[item.name])) else _expected(hints[item.name], item)
        lines.append(f"| `{item.name}` | {value} | {default} | {item.metadata['doc']} |")
    return "\n".join(lines)


def _names(cls: type[Any]) -> list[str]:
    return [item.name for item in fields(cls)]


def _value(kind: Any, value: object, item: Field[Any], where: str) -> Any:
    """`value` as the type `kind`; raises ConfigError."""
    kind, count = _without_none(kind), item.metadata["count"]
    if is_dataclass(kind):
        return parse(kind, value, where)  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        if isinstance(value, list) and count in (None, len(value)) and all(_fits(inner, part, item) for part in value):
            return tuple(inner(part) for part in value)
    elif get_origin(kind) is dict:
        if isinstance(value, dict) and all(isinstance(k, str) and _fits(float, v, item) for k, v in value.items()):
            return dict(value)
    elif _fits(kind, value, item):
        return kind(value)
    raise ConfigError(f"{where} is {_shown(value)}, expected {_expected(kind, item)}{_exponent(value)}")


def _fits(kind: type, value: object, item: Field[Any]) -> bool:
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if not isinstance(value, (int, float) if kind is float else kind):
        return False
    choices, low, high = (item.metadata[key] for key in ("choices", "low", "high"))
    if choices is not None:
        return value in choices
    if isinstance(value, (int, float)):
        return not (math.isnan(value) or (low is not None and value < low) or (high is not None and value > high))
    return bool(value)  # no empty names


def _expected(kind: Any, item: Field[Any]) -> str:
    """The allowed values in words."""
    kind = _without_none(kind)
    choices, count = item.metadata["choices"], item.metadata["count"]
    if choices is not None and get_origin(kind) is not tuple:
        return "one of: " + ", ".join(map(str, choices))
    if is_dataclass(kind):
        return "the keys " + ", ".join(_names(kind))  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        words = {str: "names", int: "whole numbers", float: "numbers"}[get_args(kind)[0]]
        return f"a list of {f'{count} ' if count else ''}{words}{_range(item)}"
    if get_origin(kind) is dict:
        return "names with a number each"
    return {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}[kind] + _range(item)


def _range(item: Field[Any]) -> str:
    choices, low, high = (item.metadata[key] for key in ("choices", "low", "high"))
    unit = f" {item.metadata['unit']}" if item.metadata["unit"] else ""
    if choices is not None:
        return ", each " + " or ".join(map(str, choices))
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}{unit}"
    return f", {low:g}{unit} or more" if low is not None else (f" of{unit}" if unit else "")


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
