# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/nav2.md are those of benchmarks/driving.json; `python THIS_FILE` writes them there."""

from __future__ import annotations

import json
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
SETS = {"views": "from anywhere", "drives": "on drives"}
DEPTHS = {"true": "true depth", "tiny": "`tiny` as it is", "lidar": "`tiny` with a lidar", "motion": "`tiny` by motion"}


def figures() -> str:
    """The tables of docs/nav2.md, of benchmarks/driving.json."""
    measured = json.loads((REPOSITORY / "benchmarks" / "driving.json").read_text())
    lines = ["| | depth | found: cloud | obstacles | false: cloud | obstacles |", "|---|---|---|---|---|---|"]
    for name, text in SETS.items():
        for depth, row in measured[name].items():
            cells = [shown(row[what][key]) for key in ("found", "false") for what in ("cloud", "obstacles")]
            lines.append(f"| {text} | {DEPTHS[depth]} | {' | '.join(cells)} |")
    distances = list(next(iter(measured["things"].values()))["true"]["cloud"])
    lines += ["", f"| percent of cells at | depth | {' | '.join(distances)} |", "|---" * (len(distances) + 2) + "|"]
    for name, depths in measured["things"].items():
        for depth, row in depths.items():
            cells = [f"{shown(row['cloud'].get(at))} / {shown(row['obstacles'].get(at))}" for at in distances]
            lines.append(f"| {name} | {DEPTHS[depth]} | {' | '.join(cells)} |")
    lines += ["", "| depth | voxel layer: cleared | kept | obstacle layer: cleared | kept |", "|---|---|---|---|---|"]
    for depth, row in measured["clearing"].items():
        cells = [shown(layer[key]) for layer in row.values() for key in ("cleared", "kept")]
        lines.append(f"| {DEPTHS[depth]} | {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def shown(percent):
    return "" if percent is None else f"{percent:.1f}"


def page() -> tuple[Path, str]:
    path = REPOSITORY / "docs" / "nav2.md"
    head, _, rest = path.read_text().partition(BEGIN)
    return path, f"{head}{BEGIN}{figures()}{END}{rest.partition(END)[2]}"


def test_the_tables_in_the_docs_are_those_of_the_measurement():
    path, expected = page()
    assert path.read_text() == expected, f"run python {Path(__file__).relative_to(REPOSITORY)}"


if __name__ == "__main__":
    path, text = page()
    path.write_text(text)
