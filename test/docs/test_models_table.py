# SPDX-License-Identifier: Apache-2.0
"""The table in docs/models.md is the catalogue's; `python test/docs/test_models_table.py` writes it there."""

from __future__ import annotations

from pathlib import Path

from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.tools.models.listing import table_markdown

BEGIN = "<!-- models: `python test/docs/test_models_table.py` writes this table -->\n"
END = "<!-- end of the models -->\n"


def parts(text: str) -> tuple[str, str, str]:
    """What is before the table, the table, and what is after it."""
    before, begin, rest = text.partition(BEGIN)
    table, end, after = rest.partition(END)
    assert begin and end, "docs/models.md has lost the marks around its table of models"
    return before, table, after


def test_the_table_of_models_is_that_of_the_catalogue(repository: Path) -> None:
    _, table, _ = parts((repository / "docs" / "models.md").read_text(encoding="utf-8"))
    assert table == table_markdown() + "\n", "run: python test/docs/test_models_table.py"
    assert len(table.splitlines()) == 2 + len(CATALOGUE)


def test_the_table_has_a_row_of_known_content() -> None:
    row = (
        "| `depth_anything_v2_metric_outdoor_large` | metric up to 80 m | 1341 MB | 1304 | CC-BY-NC-4.0 | not used | "
        "[depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf]"
        "(https://huggingface.co/depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf) |"
    )
    assert row in table_markdown().splitlines()


if __name__ == "__main__":
    page = Path(__file__).resolve().parents[2] / "docs" / "models.md"
    before, _, after = parts(page.read_text(encoding="utf-8"))
    page.write_text(f"{before}{BEGIN}{table_markdown()}\n{END}{after}", encoding="utf-8")
