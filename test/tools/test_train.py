# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.models.families.tiny import load_tiny
from mono_depth_ros.tools.parser import Parser
from mono_depth_ros.tools.train import add_parser
from mono_depth_ros.training import run as training


def arguments(*words: str) -> argparse.Namespace:
    parser = Parser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["train", *words])


@pytest.mark.slow
def test_renders_trains_exports_and_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, documented: Any
) -> None:
    monkeypatch.setattr(training, "OTHER_FRAMES", 1)
    out, small = tmp_path / "out" / "tiny.safetensors", ["--frames", "4", "--validation-frames", "2"]
    small += ["--width", "64", "--height", "48", "--steps", "2", "--batch", "2", "--workers", "1"]
    args = arguments("--out", str(out), "--work", str(tmp_path), "--json", *small)
    assert args.run(args) == 0
    found = json.loads(capsys.readouterr().out)
    documented("train", found)
    assert found == json.loads((tmp_path / "metrics.json").read_text())
    assert found["held_out"]["frames"] == 2
    assert found["config"]["steps"] == 2
    assert found["weights_bytes"] == out.stat().st_size
    load_tiny(out)
    before = out.read_bytes()
    again = arguments("--out", str(out), "--work", str(tmp_path), "--export", *small)
    assert again.run(again) == 0
    assert out.read_bytes() == before


def test_wrong_options_are_refused_with_the_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments("--out", str(tmp_path / "w.safetensors"), "--batch", "1")
    assert "--batch: found '1', expected 2 or more" in capsys.readouterr().err
    args = arguments("--out", str(tmp_path / "w.safetensors"), "--work", str(tmp_path), "--export")
    with pytest.raises(DataError, match="no checkpoint"):
        args.run(args)
    assert not (tmp_path / "w.safetensors").exists()
