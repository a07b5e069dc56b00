# SPDX-License-Identifier: Apache-2.0
"""Command line options derived from configuration classes: defaults, ranges and words have one home."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import Field, fields
from typing import Any, TypeVar

from mono_depth_ros.config import Config, EvalConfig, allowed, check
from mono_depth_ros.errors import ConfigError, UsageError
from mono_depth_ros.errors import shown as printable
from mono_depth_ros.tools.parser import add_alias

AnyConfig = TypeVar("AnyConfig", bound=Config)


def add_options(parser: Any, cls: type[Config], names: Iterable[str] | None = None) -> None:
    """Add `--min-depth` and so on for the fields of `cls`, or for those named."""
    for item in fields(cls):
        if names is None or item.name in names:
            action = _add(parser, item)
            if item.name == "model":
                action.completer = complete_model
            action.of_nodes = cls is not EvalConfig  # whose range is one of ground truth, under the nodes' names
            earlier = (*item.metadata["aliases"], *([item.name] if item.metadata["flag"] else []))
            if earlier:
                add_alias(parser, action, *map(_flag, earlier))


def config_from(args: argparse.Namespace, cls: type[AnyConfig], names: Iterable[str] | None = None) -> AnyConfig:
    """The configuration that was asked for, from the options that `add_options` added; other fields keep their default.

    Raises:
        UsageError: values that do not go together.
    """
    chosen = [item.name for item in fields(cls)] if names is None else names
    try:
        return cls(**{name: getattr(args, name) for name in chosen})
    except ConfigError as error:
        raise UsageError(str(error)) from error


def complete_model(prefix: str, **_: Any) -> list[str]:
    """What could come next in the shell: names of the catalogue, and files; for argcomplete."""
    from argcomplete.completers import FilesCompleter

    from mono_depth_ros.models.catalogue import CATALOGUE

    return [*CATALOGUE, *FilesCompleter()(prefix)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _add(parser: Any, item: Field[Any]) -> Any:
    default, doc, several = item.default, item.metadata["doc"], item.metadata["several"]
    choices = None if several else item.metadata["choices"]  # argparse would take the whole text for one of them
    if isinstance(default, bool):
        words = f"{doc} (default: {'yes' if default else 'no'})".replace("%", "%%")
        return parser.add_argument(_flag(item.name), action=argparse.BooleanOptionalAction, default=default, help=words)
    shown = "none" if default == "" else f"{default:g}" if isinstance(default, float) else default
    limits = allowed(item)
    if choices is not None or (isinstance(default, str) and not several):
        limits = ""  # argparse lists choices by itself; the others are any text
    elif doc.endswith("."):
        limits = f" {limits[0].upper()}{limits[1:]}"
    else:
        limits = f"; {limits}"
    words = f"{doc}{limits} (default: {shown})".replace("%", "%%")
    metavar = None if choices else {float: "X", int: "N"}.get(type(default), "TEXT")
    return parser.add_argument(
        _flag(item.metadata["flag"] or item.name),
        dest=item.name,
        type=_Type(item),
        default=default,
        choices=choices,
        metavar=metavar,
        help=words,
    )


class _Type:
    """The type of an option, as argparse takes it: text in, a value that the field allows out."""

    def __init__(self, item: Field[Any]) -> None:
        self._item = item
        self._of_text: Any = type(item.default)

    def __call__(self, text: str) -> Any:
        try:
            value = self._of_text(text)
            check(self._item, value)
        except (ValueError, ConfigError) as error:
            found = f"found '{printable(text)}', expected {allowed(self._item)}"
            raise argparse.ArgumentTypeError(found) from error
        return value
