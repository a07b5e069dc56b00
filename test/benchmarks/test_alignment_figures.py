# SPDX-License-Identifier: Apache-2.0
"""The figures in docs/alignment.md are those of benchmarks/alignment.json; `python THIS_FILE` writes them there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- alignment figures -->\n", "<!-- end of the alignment figures -->\n"
HEAD = ["| figure | measured | asked | holds |", "|---|--:|---|---|"]


def table(rows: list[dict[str, Any]]) -> str:
    """What something was asked of, in the order of the bench."""
    lines = list(HEAD)
    for row in rows:
        if row["asked"] is not None:
            asked = f"{row['asked']} {row['unit']}".rstrip()
            lines.append(f"| {row['name']} | {row['measured']:.3g} | {asked} | {'yes' if row['holds'] else '**no**'} |")
    return "\n".join(lines) + "\n"


def real_table(rows: list[dict[str, Any]]) -> str:
    """AbsRel on real frames: a line for each data set and number of points, a column for each method."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        where, _, method = row["name"].partition(": AbsRel of ")
        if method and " points" in where and not where.startswith("distorted"):
            found.setdefault(where, {})[method] = row["measured"]
    methods = list(dict.fromkeys(method for line in found.values() for method in line))
    lines = ["| AbsRel on all other pixels | " + " | ".join(methods) + " |", "|---|" + "--:|" * len(methods)]
    for where, line in found.items():
        best = min(line.values())
        cells = (f"**{line[m]:.4f}**" if line[m] == best else f"{line[m]:.4f}" for m in methods)
        lines.append(f"| {where} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figures(rows: list[dict[str, Any]]) -> str:
    return f"{table(rows)}\n{real_table(rows)}"


def parts(text: str) -> tuple[str, str, str]:
    before, begin, rest = text.partition(BEGIN)
    found, end, after = rest.partition(END)
    assert begin and end, "docs/alignment.md has lost the marks around its figures"
    return before, found, after


def test_the_figures_are_those_that_were_measured(repository: Path) -> None:
    rows = json.loads((repository / "benchmarks" / "alignment.json").read_text())["rows"]
    _, found, _ = parts((repository / "docs" / "alignment.md").read_text(encoding="utf-8"))
    assert found == figures(rows), "run: python test/benchmarks/test_alignment_figures.py"
    assert len(found.splitlines()) > 20


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    page = root / "docs" / "alignment.md"
    before, _, after = parts(page.read_text(encoding="utf-8"))
    rows = json.loads((root / "benchmarks" / "alignment.json").read_text())["rows"]
    page.write_text(f"{before}{BEGIN}{figures(rows)}{END}{after}", encoding="utf-8")
