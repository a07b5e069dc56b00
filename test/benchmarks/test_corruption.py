# SPDX-License-Identifier: Apache-2.0
"""A short form of corruption.py: damaged files are read or refused in one sentence, and what is wrong is found."""

from __future__ import annotations

import json

import pytest

import corruption
from corruption_parts.kinds import KINDS
from corruption_parts.worker import cases

SEED = 7


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files(name, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "OFF")
    folder = tmp_path / f"{name}_files"
    folder.mkdir()
    results = [line for line in cases(name, SEED, 0, 40, folder) if "end" in line]
    assert len(results) == 40
    wrong = [line for line in results if {"foreign", "unclear", "lost"} & line.keys()]
    assert not wrong, wrong
    assert max(line["megabytes"] for line in results) < KINDS[name].megabytes
    if name != "metadata.yaml":  # without which a bag is read too
        hurt = sum(line["outcome"] == "refused" or line.get("kept", 1) < 1 for line in results)
        assert hurt > 10, "that is damage"


def test_every_mistake_of_a_reader_is_found(monkeypatch, repository):
    monkeypatch.syspath_prepend(str(repository / "test" / "benchmarks"))
    found = corruption.corrupt("faulty_files:FAULTY", 8, SEED)
    assert (found["read"], found["refused"], found["wrong"]) == (1, 4, 7)
    for flaw in ("foreign", "lost", "memory", "hang", "crash"):
        assert found[flaw]["count"] == 1 and flaw in found[flaw]["first"][0], found
    assert "names no file" in found["unclear"]["first"][0] and "holds KeyError" in found["unclear"]["first"][1]


def test_the_same_seed_damages_alike_and_an_unknown_kind_is_refused(tmp_path, capsys):
    for name in ("a", "b"):
        assert corruption.main(["--kind", "PLY", "--count", "5", "--out", str(tmp_path / name)]) == 0
    a, b = (json.loads((tmp_path / name / "corruption.json").read_text())["kinds"]["PLY"] for name in ("a", "b"))
    assert (a["read"], a["refused"], a["wrong"]) == (b["read"], b["refused"], 0)
    capsys.readouterr()
    assert corruption.main(["--kind", "PLYS", "--out", str(tmp_path)]) == 1
    assert "--kind is PLYS, expected one of: YAML" in capsys.readouterr().err
