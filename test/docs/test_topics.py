# SPDX-License-Identifier: Apache-2.0
"""docs/topics.md names every topic that comes out of the nodes, with its type, and none that does not."""

from __future__ import annotations

import re
from pathlib import Path

from mono_depth_ros.streams.outputs import OUTPUTS


def test_outputs_are_those_of_the_code(repository: Path) -> None:
    text = (repository / "docs" / "topics.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `") and "(in)" not in line]
    rows = [(topics, kinds) for topics, kinds in rows if re.search("`(depth|rgb|aligned)/", topics)]
    topics = [topic for names, _ in rows for topic in re.findall(r"`([\w/]+)`", names)]
    kinds = [kind.strip() for _, kinds in rows for kind in kinds.split(",")]
    assert sorted(zip(topics, kinds, strict=True)) == sorted(
        (output.topic, output.kind.rpartition("/")[2]) for output in OUTPUTS
    )
