# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models list` and `mono_depth models info NAME`: what can be loaded by name, and under which licence."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `models`."""
    parser = subparsers.add_parser("models", help="the models there are: kind, size, licence, hub name")
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|info")
    listing = actions.add_parser("list", help="one line for each model")
    info = actions.add_parser("info", help="everything known of one model")
    info.add_argument("name", metavar="NAME", help="catalogue name")
    for action in (listing, info):
        action.add_argument("--json", action="store_true", help="print JSON on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the catalogue or one entry of it; 0. ModelError for an unknown name goes up to the caller."""
    from mono_depth_ros.errors import ModelError
    from mono_depth_ros.models.catalogue import CATALOGUE, find

    if args.action == "list":
        rows = [describe(entry) for entry in CATALOGUE.values()]
        print(json.dumps(rows) if args.json else table(rows))
        return 0
    entry = find(args.name)
    if entry is None:
        raise ModelError(f"'{args.name}' is not in the catalogue: `mono_depth models list` shows what is")
    known = describe(entry)
    print(json.dumps(known) if args.json else "\n".join(f"{key:13} {shown(value)}" for key, value in known.items()))
    return 0


def describe(entry: Any) -> dict[str, Any]:
    """One `CatalogueEntry` as plain values, ready for JSON."""
    spec = entry.spec
    return {
        "name": spec.name,
        "family": spec.family,
        "kind": spec.kind.value,
        "max_depth_m": spec.max_depth_m,
        "needs_camera": spec.needs_camera,
        "parameters_m": entry.parameters_m,
        "licence": spec.licence,
        "hub": spec.hub,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Aligned columns with a heading."""
    columns = ("name", "kind", "max_depth_m", "parameters_m", "licence", "hub")
    lines = [columns, *(tuple(shown(row[column]) for column in columns) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    padded = (zip(line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(cell.ljust(width) for cell, width in cells).rstrip() for cells in padded)


def shown(value: Any) -> str:
    """A value for eyes: `-` for what there is not, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)
