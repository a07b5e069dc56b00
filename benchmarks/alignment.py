# SPDX-License-Identifier: Apache-2.0
"""Every figure of the alignment in one run: planted truth, real frames, and in time; a table goes to stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alignment_parts import course, ground, local, planted, real, timing
from alignment_parts.patterns import PATTERNS
from common import add_data, run
from mono_depth_ros.errors import ConfigError

PARTS = ("planted", "local", "real", "timing", "ground", "course")


def alignment(data: Path | None, parts: Sequence[str] = (), **chosen: Any) -> dict[str, Any]:
    """The measurement, as plain values; the table goes to stderr as its parts get ready.

    Args:
        data: folder with real frames: `seven_scenes`, `nyu_depth`, `kitti_lidar`, `kitti_depth`, `middlebury`. What is
            not there, or all of it where data is None, is left out, and `without` says so.
        parts: of PARTS; none: all. chosen: of the real frames, as `real.lines` has it.

    Returns:
        `rows`: a dict a figure, with `name`, `measured`, `asked` (in words, None: for information), `unit` and `holds`
        (None: nothing asked); `missed`: names of the rows that do not hold; `real`: what was measured on real frames;
        `without`: data sets that were not there.

    Raises:
        ConfigError: `data` is given and is no folder.
    """
    if data is not None and not data.is_dir():
        raise ConfigError(f"data is {data}, expected a folder with {', '.join(real.DATA_SETS)}")
    judged: list[real.Judged] = []

    def real_rows() -> list[dict[str, Any]]:
        print(f"\n{real.HEAD}", file=sys.stderr)
        for line in real.lines(data, **chosen):
            real.show(line)
            judged.append(line)
        return real.rows(judged)

    titles: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
        "planted": ("scale and shift, planted", planted.rows),
        "local": ("local correction, planted", local.rows),
        "real": ("real frames, what is missed", real_rows),
        "timing": ("time of an image", timing.rows),
        "ground": ("the floor", lambda: ground.rows(data)),
        "course": ("in time", course.rows),
    }
    rows: list[dict[str, Any]] = []
    for part in parts or PARTS:
        title, measure = titles[part]
        found = measure()
        shown = [line for line in found if line["holds"] is False] if part == "real" else found
        print(table(title, shown), file=sys.stderr, flush=True)
        rows += found
    asked = [line["holds"] for line in rows if line["holds"] is not None]
    print(f"\n{sum(asked)} of {len(asked)} hold", file=sys.stderr)
    return {
        "what": "alignment: errors where nothing was given, printed errors and times; planted truth and real frames",
        "rows": rows,
        "missed": [row["name"] for row in rows if row["holds"] is False],
        "real": [line.plain() for line in judged],
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
    add_data(
        parser,
        "Real frames with depth, in folders seven_scenes, nyu_depth, kitti_lidar, kitti_depth, middlebury, without "
        "which the figures on real frames are left out",
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=(), help="Only these parts are measured.")
    for name, choices in (("sets", real.DATA_SETS), ("patterns", tuple(PATTERNS)), ("priors", real.PRIORS)):
        text = f"Of the real frames only these {name} are measured."
        parser.add_argument(f"--{name}", nargs="+", choices=choices, default=(), help=text)
    parser.add_argument("--frames", type=int, default=0, help="At most this many frames of each set; 0 takes all.")
    parser.add_argument("--no-outliers", action="store_true", help="Lines with wrong samples are left out.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(
        __file__,
        lambda given: alignment(
            given.data,
            given.parts,
            sets=given.sets,
            patterns=given.patterns,
            priors=given.priors,
            frames=given.frames,
            outliers=not given.no_outliers,
        ),
        argv,
        add_options,
    )


if __name__ == "__main__":
    sys.exit(main())
