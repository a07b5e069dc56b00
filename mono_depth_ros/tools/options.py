# SPDX-License-Identifier: Apache-2.0
"""Command line options derived from configuration classes: defaults, ranges and words have one home."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import Field, fields
from typing import Any, TypeVar

from mono_depth_ros.config import Config, allowed

AnyConfig = TypeVar("AnyConfig", bound=Config)


def add_options(parser: Any, cls: type[Config], names: Iterable[str] | None = None) -> None:
    """Add `--min-depth` and so on for the fields of `cls`, or for those named."""
    for item in fields(cls):
        if names is None or item.name in names:
            _add(parser, item)


def config_from(args: argparse.Namespace, cls: type[AnyConfig], names: Iterable[str] | None = None) -> AnyConfig:
    """The configuration that was asked for, from the options that `add_options` added; other fields keep their default.

    Raises:
        ConfigError: a value out of range; the sentence names the allowed ones.
    """
    chosen = [item.name for item in fields(cls)] if names is None else names
    return cls(**{name: getattr(args, name) for name in chosen})


def _add(parser: Any, item: Field[Any]) -> None:
    flag = f"--{item.name.replace('_', '-')}"
    default = item.default
    if isinstance(default, bool):
        words = f"{item.metadata['doc']} (default: {'yes' if default else 'no'})"
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default, help=words.replace("%", "%%"))
        return
    shown = "none" if default == "" else f"{default:g}" if isinstance(default, float) else default
    doc, limits = item.metadata["doc"], allowed(item)
    if isinstance(default, str) and item.metadata["choices"] is None:
        limits = ""  # any text
    elif doc.endswith("."):
        limits = f" {limits[0].upper()}{limits[1:]}"
    else:
        limits = f"; {limits}"
    words = f"{doc}{limits} (default: {shown})".replace("%", "%%")
    metavar = {float: "X", int: "N"}.get(type(default), "TEXT")
    parser.add_argument(flag, type=type(default), default=default, metavar=metavar, help=words)
