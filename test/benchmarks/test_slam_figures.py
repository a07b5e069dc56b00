# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/slam.md are those of benchmarks/slam.json; `python THIS_FILE` writes them there."""

from __future__ import annotations

import json
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def figures() -> str:
    """The tables of docs/slam.md, of benchmarks/slam.json."""
    measured, lines = json.loads((REPOSITORY / "benchmarks" / "slam.json").read_text()), []
    for method in dict.fromkeys(row["method"] for row in measured["rows"]):
        rows = [row for row in measured["rows"] if row["method"] == method]
        depths = list(dict.fromkeys(row["depth"] for row in rows))
        lines += [f"| {method} | {' | '.join(depths)} |", "|---" * (len(depths) + 1) + "|"]
        for name in dict.fromkeys(row["sequence"] for row in rows):
            cells = [shown(row) for row in rows if row["sequence"] == name]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    lines += [
        "| median | ATE | after Sim(3) | RPE, 1 s | scale off by | drift of the scale |",
        "|---|---|---|---|---|---|",
    ]
    for row in measured["median"]:
        percent = [f"{100 * row[key]:.1f} %" for key in ("ate", "ate_scaled", "scale_off", "scale_drift")]
        ate, scaled, off, drift = percent
        lines.append(f"| {row['method']}, {row['depth']} | {ate} | {scaled} | {row['rpe_m']:.3f} m | {off} | {drift} |")
    return "".join(f"{line}\n" for line in lines)


def shown(row):
    if row["ate_m"] is None:
        return "no way"
    lost = f", {row['lost']} lost" if row["lost"] else ""
    return f"{row['ate_m']:.3f} m, {row['ate_scaled_m']:.3f} m, {row['scale']:.2f}{lost}"


def page() -> tuple[Path, str]:
    path = REPOSITORY / "docs" / "slam.md"
    head, _, rest = path.read_text().partition(BEGIN)
    return path, f"{head}{BEGIN}{figures()}{END}{rest.partition(END)[2]}"


def test_the_tables_in_the_docs_are_those_of_the_measurement():
    path, expected = page()
    assert path.read_text() == expected, f"run python {Path(__file__).relative_to(REPOSITORY)}"


if __name__ == "__main__":
    path, text = page()
    path.write_text(text)
