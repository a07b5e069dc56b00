# SPDX-License-Identifier: Apache-2.0
"""What an option is: a dataclass field with its default, documentation, unit and range, checked on construction."""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from mono_depth_ros.errors import ConfigError


def option(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
    count: int | None = None,
    several: bool = False,
    dynamic: bool = False,
    aliases: tuple[str, ...] = (),
    flag: str = "",
) -> Any:
    """A dataclass field with its documentation, unit, inclusive range or choices, and for a tuple how many there are.

    `several`: the text is any of the choices, with commas; `names` gives them.
    `dynamic` options may be changed while a node runs. A numeric option without limits still refuses NaN. `default`
    MISSING is a field that must be given; one in a `Config` must have a default. `aliases` are earlier names, which the
    command line and the nodes still take. `flag` is its name on the command line, where that is another one; its own is
    taken there too.
    """
    metadata = {"doc": doc, "unit": unit, "low": low, "high": high, "choices": choices}
    metadata |= {"count": count, "several": several, "dynamic": dynamic, "aliases": aliases, "flag": flag}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Base of the configuration classes: checks every field on construction."""

    def __post_init__(self) -> None:
        for item in fields(self):
            check(item, getattr(self, item.name))


def check(item: Field[Any], value: Any) -> None:
    """Raise ConfigError naming the allowed values unless `value` fits the option `item`."""
    default = item.default
    assert default is not MISSING, f"{item.name} has no default"
    accepted = (int, float) if isinstance(default, float) else (type(default),)
    if not isinstance(value, accepted) or (isinstance(value, bool) and not isinstance(default, bool)):
        raise ConfigError(f"{item.name} is {value!r}, expected a {type(default).__name__}: {allowed(item)}")
    choices, low, high = (item.metadata[key] for key in ("choices", "low", "high"))
    chosen = names(str(value)) if item.metadata["several"] else (value,)
    wrong = choices is not None and (not set(chosen) <= set(choices) or not 0 < len(chosen) == len(set(chosen)))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        wrong = wrong or math.isnan(value) or (low is not None and value < low) or (high is not None and value > high)
    if wrong:
        raise ConfigError(f"{item.name} is {value!r}, expected {allowed(item)}")


def names(text: str) -> tuple[str, ...]:
    """The names in a text with commas, in its order."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def allowed(item: Field[Any]) -> str:
    """The allowed values of an option in words, such as `1 to 16 px`."""
    choices, low, high, unit = (item.metadata[key] for key in ("choices", "low", "high", "unit"))
    if choices is not None:
        listed = ", ".join(str(choice) for choice in choices)
        return f"one of: {listed}; or several with commas" if item.metadata["several"] else f"one of: {listed}"
    suffix = f" {unit}" if unit else ""
    if low is not None and high is not None:
        return f"{low:g} to {high:g}{suffix}"
    if low is not None:
        return f"{low:g}{suffix} or more"
    if high is not None:
        return f"{high:g}{suffix} or less"
    return {bool: "true or false", str: "a text"}.get(type(item.default), "a number") + suffix
