# SPDX-License-Identifier: Apache-2.0
"""The check of the GPU: what it says, when it fails, and that its quick checks hold on a CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch

import gpu
from fake_cuda import fake_cuda
from gpu_parts.row import SKIP, Bench, Row, figure, verdict

CPU = Bench(torch.device("cpu"))


def right(_: Bench) -> Iterator[Row]:
    yield verdict(True, "depth", "equal")
    yield figure(12.34567, "ms", "network", "of 640x480")


def wrong(_: Bench) -> Iterator[Row]:
    yield verdict(False, "normals", "turned")


def broken(_: Bench) -> Iterator[Row]:
    yield Row(SKIP, "second GPU", "needs two GPUs")
    raise ValueError("no such kernel")


def test_a_line_begins_with_its_state_or_its_figure() -> None:
    lines = [str(row) for row in gpu.run([(right, 1), (wrong, 1), (broken, 1)], CPU, 10)]
    assert lines[:4] == [
        "ok  depth: equal",
        "12.35 ms  network: of 640x480",
        "FAIL  normals: turned",
        "skip  second GPU: needs two GPUs",
    ]
    assert lines[4].startswith("FAIL  broken: ") and "ValueError: no such kernel" in lines[4]


@pytest.mark.parametrize(("checks", "status"), [((right,), 0), ((right, wrong), 1), ((broken, right), 1)])
def test_the_exit_status_says_whether_anything_is_wrong(monkeypatch, capsys, checks, status) -> None:
    monkeypatch.setattr(gpu, "CHECKS", tuple((check, 1.0) for check in checks))
    assert gpu.main(["cpu"]) == status
    table = capsys.readouterr().out.rpartition("\n\n")[2]
    assert table.strip() == f"{int(right in checks)} ok, {status} FAIL, {int(broken in checks)} skip"


def test_a_device_that_is_not_there_is_refused(capsys) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert gpu.main([]) == 2
    assert "benchmarks/gpu.py: device is 'cuda' but" in capsys.readouterr().err


def test_what_is_written_holds_every_row() -> None:
    rows = list(gpu.run([(right, 1), (wrong, 1)], CPU, 10))
    found = json.loads(json.dumps(gpu.result(rows, CPU)))
    assert found["rows"][1] == {"name": "network", "words": "of 640x480", "value": 12.35, "unit": "ms"}
    assert [row.get("state") for row in found["rows"]] == ["ok", None, "FAIL"]
    assert found["gpu"].startswith("cpu (")


def test_the_quick_checks_hold_on_a_cpu(capsys) -> None:
    assert (
        gpu.main(
            ["cpu", "--only", "failed_recording", "replayed_in_another_thread", "operations", "recording_of_a_bag"]
        )
        == 0
    )
    assert ", 0 FAIL, 0 skip" in capsys.readouterr().out


def test_the_lines_for_a_gpu_are_run_on_an_emulated_one(capsys) -> None:
    checks = ["recorded", "failed_recording", "float32", "lost"]
    assert gpu.main(["emulated", "--only", *checks]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("cuda:0 (emulated GPU), torch ") and ", 0 FAIL, 0 skip" in printed
    assert "ok  recordings: 3 of 3 sizes, on ['cuda:0']" in printed
    assert not torch.cuda.is_available() or torch.cuda.get_device_name() != "emulated GPU"


def test_a_float32_copy_beside_a_half_model_is_seen(monkeypatch, capsys) -> None:
    """The check of memory fails where somebody keeps the reference."""
    kept = []
    plain = Bench.depth_anything

    def keeping(self, *arguments, **options):
        kept.append(self.module().to(self.device))
        return plain(self, *arguments, **options)

    monkeypatch.setattr(Bench, "depth_anything", keeping)
    assert gpu.main(["emulated", "--only", "held"]) == 1
    assert "FAIL  memory of fp16: " in capsys.readouterr().out


def test_an_emulated_gpu_gives_no_figures() -> None:
    with fake_cuda() as emulation:
        rows = [str(row) for row in gpu.run([(right, 1)], Bench(torch.device("cuda", 0), emulation), 10)]
    assert rows == ["ok  depth: equal", "ok  network: runs"]
