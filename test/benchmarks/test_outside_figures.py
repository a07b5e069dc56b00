# SPDX-License-Identifier: Apache-2.0
"""docs/ros2.md shows what benchmarks/outside.json has; `python test/benchmarks/test_outside_figures.py` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures from outside -->\n", "<!-- end of the figures from outside -->\n"
_DEPTH = ("depth/image", "depth/image/compressedDepth")


def cases(found: dict[str, Any]) -> str:
    """One line a case; those without a result are in the JSON alone."""
    lines = [
        "| case | depth | stamp to published, p50, p99 | to received | besides, age p50 | cores | memory |",
        "|---|--:|--:|--:|---|--:|--:|",
    ]
    for row in found["cases"]:
        if row["case"].endswith("/network"):
            continue
        topics = {name.removeprefix("depth/"): topic for name, topic in row["topics"].items() if name not in _DEPTH}
        depth = next(topic for name, topic in row["topics"].items() if name in _DEPTH)
        rest = [
            f"{name} {topic['hz']:.1f} Hz, {topic['age_ms']['p50']:.0f} ms" if topic["hz"] else f"{name} none"
            for name, topic in topics.items()
        ]
        keys = ("latency_ms", "age_ms")
        times = [f"{depth[key]['p50']:.0f}, {depth[key]['p99']:.0f} ms" if key in depth else "" for key in keys]
        memory = f"{row['memory_mb']['max']:.0f} MB"
        cells = (f"{depth['hz']:.1f} Hz", *times, "; ".join(rest), row["node_cores"], memory)
        lines.append(f"| {row['case']} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def asked(found: dict[str, Any]) -> str:
    lines = ["| figure | measured | asked | |", "|---|--:|--:|---|"]
    for row in found["figures"]:
        holds = "holds" if row["holds"] else "**does not hold**"
        lines.append(f"| {row['figure']} | {row['measured']:.3g} | {row['asked']} | {holds} |")
    return "\n".join(lines) + "\n"


def figures(found: dict[str, Any]) -> str:
    return f"\n{cases(found)}\n{asked(found)}\n"


def parts(text: str) -> tuple[str, str, str]:
    before, begin, rest = text.partition(BEGIN)
    found, end, after = rest.partition(END)
    assert begin and end, "docs/ros2.md has lost the marks around its figures"
    return before, found, after


def test_the_figures_are_those_that_were_measured(repository: Path) -> None:
    path = repository / "benchmarks" / "outside.json"
    _, found, _ = parts((repository / "docs" / "ros2.md").read_text(encoding="utf-8"))
    expected = figures(json.loads(path.read_text())) if path.exists() else ""
    assert found == expected, "run: python test/benchmarks/test_outside_figures.py"


def test_a_case_without_results_is_a_line_too() -> None:
    row = {"case": "x/cloud", "node_cores": 0.5, "memory_mb": {"max": 400.4}}
    row["topics"] = {"depth/image": {"hz": 0.0}, "depth/points": {"hz": 0.0}}
    figure = {"figure": "rate", "asked": "at least 3", "measured": 2.0, "holds": False}
    text = figures({"cases": [{"case": "x/network"}, row], "figures": [figure]})
    assert "| x/cloud | 0.0 Hz |  |  | points none | 0.5 | 400 MB |\n" in text and "x/network" not in text
    assert "| rate | 2 | at least 3 | **does not hold** |\n" in text


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    page = root / "docs" / "ros2.md"
    before, _, after = parts(page.read_text(encoding="utf-8"))
    measured = json.loads((root / "benchmarks" / "outside.json").read_text())
    page.write_text(f"{before}{BEGIN}{figures(measured)}{END}{after}", encoding="utf-8")
