# SPDX-License-Identifier: Apache-2.0
"""Every figure of the alignment in one run: planted truth, real frames, and in time; a table goes to stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignment_parts import course, ground, local, planted, real
from common import run
from mono_depth_ros.errors import ConfigError


def alignment(data: Path | None) -> dict[str, Any]:
    """The measurement, as plain values; the table goes to stderr as its parts get ready.

    Args:
        data: folder with real frames: `seven_scenes`, `nyu_depth`, `kitti_lidar`, `kitti_depth`. What is not there, or
            all of it where data is None, is left out, and `without` says so.

    Returns:
        `rows`: a dict a figure, with `name`, `measured`, `asked` (in words, None: for information), `unit` and `holds`
        (None: nothing asked); `missed`: names of the rows that do not hold; `without`: data sets that were not there.

    Raises:
        ConfigError: `data` is given and is no folder.
    """
    if data is not None and not data.is_dir():
        raise ConfigError(f"data is {data}, expected a folder with {', '.join(real.DATA_SETS)}")
    parts = {
        "scale and shift, planted": planted.rows,
        "local correction, planted": local.rows,
        "real frames": lambda: real.rows(data),
        "the floor": lambda: ground.rows(data),
        "in time": course.rows,
    }
    rows: list[dict[str, Any]] = []
    for title, part in parts.items():
        found = part()
        print(table(title, found), file=sys.stderr, flush=True)
        rows += found
    return {
        "what": "alignment: held-out errors and times, planted truth and real frames",
        "rows": rows,
        "missed": [row["name"] for row in rows if row["holds"] is False],
        "without": [name for name in real.DATA_SETS if data is None or not (data / name).is_dir()],
    }


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """The rows for eyes: figure, measured, asked, and whether it holds."""
    lines = [("figure", "measured", "asked", "holds")]
    for row in rows:
        measured = f"{row['measured']:.4g} {row['unit']}".rstrip()
        asked = "" if row["asked"] is None else f"{row['asked']} {row['unit']}".rstrip()
        lines.append((row["name"], measured, asked, {True: "yes", False: "NO", None: ""}[row["holds"]]))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    body = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(("", title, *body))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=os.environ.get("MONO_DEPTH_DATA"),
        help="Real frames with depth, in folders seven_scenes, nyu_depth, kitti_lidar, kitti_depth; default: the "
        "environment's MONO_DEPTH_DATA; without it the figures on real frames are left out.",
    )


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda arguments: alignment(arguments.data), argv, add_options)


if __name__ == "__main__":
    sys.exit(main())
