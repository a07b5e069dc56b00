# SPDX-License-Identifier: Apache-2.0
"""`mono_depth doctor`: one screen for people, or JSON."""

from __future__ import annotations

import argparse
import json
import textwrap
from dataclasses import asdict
from typing import Any

from mono_depth_ros.startup import importing

_WIDTH = 100


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="what is on this machine, and what to do about what is not",
        description="Look at Python, the engines, the GPU, ROS 2 and its middleware, shared memory, the models in the "
        "cache, a webcam and the disk. Nothing is changed. Exit code 1 where depth cannot be computed here at all.",
        examples=("mono_depth doctor", "mono_depth doctor --json"),
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object on stdout.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was found; 0, or 1 where something is broken that everything needs."""
    with importing():
        from mono_depth_ros.tools.doctor.checks import examine

    checks = examine()
    good = not any(check.state == "broken" for check in checks)
    if args.json:
        print(json.dumps({"good": good, "checks": [asdict(check) for check in checks]}))
    else:
        for check in checks:
            print(in_words(check.state, check.name, check.found, check.advice))
        print("depth can be computed here" if good else "depth cannot be computed here: see what is broken above")
    return 0 if good else 1


def in_words(state: str, name: str, found: str, advice: str) -> str:
    """One check, in as many lines as it needs."""
    begin = f"{state:8}{name:15}"
    lines = textwrap.wrap(found, _WIDTH - len(begin), break_on_hyphens=False) or [""]
    if advice:
        lines += textwrap.wrap(f"-> {advice}", _WIDTH - len(begin), break_on_hyphens=False)
    return "\n".join(f"{begin if k == 0 else ' ' * len(begin)}{line}".rstrip() for k, line in enumerate(lines))
