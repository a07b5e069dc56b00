# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bench NAME`: the measurements of this package are scripts beside it, in benchmarks/."""

from __future__ import annotations

import argparse
import sys
from typing import Any

SCRIPTS = ("cloud", "tiny", "world", "models", "metric3d", "bag", "alignment", "slam", "overhead", "overload")


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("bench", help="name the script of a measurement")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCRIPTS))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Returns 2: nothing is measured here."""
    for name in arguments.names or ("",):
        print(f"mono_depth bench: {_sentence(name)}", file=sys.stderr)
    return 2


def _sentence(name: str) -> str:
    if name in SCRIPTS:
        return f"the measurement '{name}' is a script in the source tree: python benchmarks/{name}.py"
    found = f"there is no measurement '{name}'" if name else "no measurement is named"
    return f"{found}, expected one of {', '.join(SCRIPTS)}: each is a script, python benchmarks/NAME.py"
