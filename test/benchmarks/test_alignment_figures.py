# SPDX-License-Identifier: Apache-2.0
"""The figures in docs/alignment.md are those of benchmarks/alignment.json; `python THIS_FILE` writes them there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- alignment figures -->\n", "<!-- end of the alignment figures -->\n"
OTHERS = ("nearest", "linear", "linear 1/d", "IP-Basic")
HEAD = ["| figure | measured | asked | holds |", "|---|--:|---|---|"]


def table(rows: list[dict[str, Any]], real: list[dict[str, Any]]) -> str:
    """What something was asked of, in the order of the bench; real frames have a table of their own."""
    sets = tuple({f"{line['set']}, {line['prior']}" for line in real})
    lines = list(HEAD)
    for row in rows:
        if row["asked"] is not None and not row["name"].startswith(sets):
            asked = f"{row['asked']} {row['unit']}".rstrip()
            lines.append(f"| {row['name']} | {row['measured']:.3g} | {asked} | {'yes' if row['holds'] else '**no**'} |")
    return "\n".join(lines) + "\n"


def real_table(real: list[dict[str, Any]]) -> str:
    """A line for each data set, prior and pattern of samples: ours beside the best that no image helps."""
    titles = ("AbsRel", "best of the others", "RMSE (m)", "best", "printed / true", "1 sigma", "2 sigma")
    lines = [
        "| real frames, judged where nothing was given | " + " | ".join(titles) + " |",
        "|---|" + "--:|" * len(titles),
    ]
    for line in real:
        cells = []
        for key, digits in (("abs_rel", 4), ("rmse_m", 2)):
            errors = line[key]
            cells.append(f"{errors['ours']:.{digits}f}" if "ours" in errors else "refused")
            others = [errors[name] for name in OTHERS if name in errors]
            cells.append(f"{min(others):.{digits}f}" if others else "")
        for key, text in (("printed_by_true", ".2f"), ("within_one_sigma", ".0%"), ("within_two_sigma", ".0%")):
            cells.append("" if line[key] is None else format(line[key], text))
        lines.append(f"| {line['set']}, {line['prior']}, {line['pattern']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figures(found: dict[str, Any]) -> str:
    return f"{table(found['rows'], found['real'])}\n{real_table(found['real'])}"


def parts(text: str) -> tuple[str, str, str]:
    before, begin, rest = text.partition(BEGIN)
    found, end, after = rest.partition(END)
    assert begin and end, "docs/alignment.md has lost the marks around its figures"
    return before, found, after


def test_the_figures_are_those_that_were_measured(repository: Path) -> None:
    measured = json.loads((repository / "benchmarks" / "alignment.json").read_text())
    _, found, _ = parts((repository / "docs" / "alignment.md").read_text(encoding="utf-8"))
    assert found == figures(measured), "run: python test/benchmarks/test_alignment_figures.py"
    assert len(found.splitlines()) > 20


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    page = root / "docs" / "alignment.md"
    before, _, after = parts(page.read_text(encoding="utf-8"))
    measured = json.loads((root / "benchmarks" / "alignment.json").read_text())
    page.write_text(f"{before}{BEGIN}{figures(measured)}{END}{after}", encoding="utf-8")
