# SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md: its files are there, its steps are explained, its reasons for a drop are those of the nodes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mono_depth_ros.streams.outputs import OUTPUTS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
DEPTH, ALIGNMENT = re.findall(r"```text\n(.*?)```(.*?)(?=\n## )", TEXT, re.DOTALL)


def test_its_files_are_there():
    names = set(re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", TEXT))
    assert len(names) > 35
    assert sorted(name for name in names if not (ROOT / "mono_depth_ros" / name).exists()) == []


@pytest.mark.parametrize("part", [DEPTH, ALIGNMENT], ids=["depth", "alignment"])
def test_every_step_of_a_diagram_has_its_files(part):
    diagram, rest = part
    steps = {int(number) for number in re.findall(r"[│ ] (\d) [a-z]", diagram)}
    rows = re.findall(r"^\| ([\d, ]+) \|", rest, re.MULTILINE)
    listed = [int(number) for row in rows for number in row.split(", ")]
    assert steps == set(listed) == set(range(1, 10)) and len(listed) == len(steps)


def test_its_reasons_are_counted_by_the_nodes():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    said = " ".join(diagram for diagram, _ in (DEPTH, ALIGNMENT))
    reasons = set(
        re.findall(r"\b(?:\w+_backwards|stamp_\w+|max_rate|\w*superseded|ended|inactive|no_\w+|\w*aligned)\b", said)
    )
    reasons -= {"aligned"}  # the topics
    assert {"superseded", "cloud_superseded", "time_backwards", "unaligned"} <= reasons
    assert sorted(reason for reason in reasons if f"`{reason.removeprefix('cloud_')}`" not in page) == []


def test_its_topics_are_those_of_the_nodes():
    topics = {output.topic for output in OUTPUTS}
    said = set(re.findall(r"\b((?:depth|aligned)/\w+)\b", "".join(diagram for diagram, _ in (DEPTH, ALIGNMENT))))
    assert len(said) >= 4 and said <= topics


def test_its_lines_fit_a_terminal():
    assert max(map(len, "".join(diagram for diagram, _ in (DEPTH, ALIGNMENT)).splitlines())) <= 101
