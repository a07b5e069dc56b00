# SPDX-License-Identifier: Apache-2.0
"""README and docs: links lead somewhere, the README is short and begins with a picture, nothing in it is invented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mono_depth_ros.models.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The links of a page into the repository that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b`, c\n[1](#a-b-c) [2](#a-b) [3](other.md) [4](page.md#a-b-c)", encoding="utf-8")
    assert broken(page) == ["#a-b", "other.md"]


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\((docs/\w+\.md)", README))
    assert linked == {f"docs/{page.name}" for page in PAGES if page.parent.name == "docs"}


def test_every_picture_is_shown() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = {path.name for path in (ROOT / "docs/images").glob("*.[jp]*g")}
    assert pictures == set(re.findall(r"images/([\w.]+)\)", text))


def test_the_readme_is_short_and_begins_with_a_picture() -> None:
    assert len(README.encode()) <= 9000
    assert [line for line in README.splitlines() if line][1].startswith("![")


def test_the_readme_counts_the_models_right() -> None:
    assert f"**{len(CATALOGUE)} models by name**" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_written_works_when_typed(page: Path) -> None:
    """No package of an index that does not have it, no place that is to be filled in, no camera of somebody else."""
    text = page.read_text(encoding="utf-8")
    assert "mono_depth_ros[" not in text
    assert "REPOSITORY" not in text
    assert page.name == "evaluation.md" or not re.search(r"--camera \d", text)


def test_contributing_explains_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {path.name + "/" * path.is_dir() for path in (ROOT / "mono_depth_ros").iterdir()}
    rooms -= {"__init__.py", "__pycache__/", "py.typed"}
    assert {room for room in rooms if f"`{room}`" not in text} == set()
    named = set(re.findall(r"^\| .*$", text, re.MULTILINE))
    assert {room for row in named for room in re.findall(r"`(\w+(?:/|\.py))`", row.split("|")[2])} == rooms


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Adding a model")[1]
    paths = re.findall(r"`((?:models|streams)/[\w/]+(?:\.py|/))`", text)
    assert paths and [path for path in paths if not (ROOT / "mono_depth_ros" / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_package_exist(page: Path) -> None:
    named = re.findall(
        r"(?<![\w/])((?:mono_depth_ros|benchmarks|launch)/[\w/]+\.\w+)", page.read_text(encoding="utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
