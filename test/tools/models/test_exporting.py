# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models export`: what it hands to the exporter, and one real file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mono_depth_ros.errors import ModelError
from mono_depth_ros.tools.models import command, exporting
from mono_depth_ros.tools.parser import Parser


def call(*words: str) -> int:
    parser = Parser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", "export", *words])
    return args.run(args)


@pytest.fixture
def exported(monkeypatch, tmp_path) -> list[tuple[str, str, str, Path]]:
    """What `export_model` was called with; it writes a small file instead."""
    calls = []

    def instead(model, engine: str, out: Path) -> Path:
        calls.append((model.spec.name, model.engine, engine, out))
        path = tmp_path / "graph"
        path.write_bytes(b"graph")
        return path

    monkeypatch.setattr(exporting, "export_model", instead)
    return calls


def test_the_model_is_loaded_in_torch_fp32_and_exported_here_as_onnx(exported, capsys, tmp_path) -> None:
    assert call("tiny") == 0
    assert exported == [("tiny", "torch fp32", "onnx", Path())]
    found = capsys.readouterr()
    assert (found.out, found.err) == (f"{tmp_path / 'graph'}\n", "licence of the weights: Apache-2.0\n")


def test_as_openvino_to_a_file_and_as_json(exported, capsys, tmp_path, documented) -> None:
    assert call("tiny", "--engine", "openvino", "--out", "there/tiny.xml", "--json") == 0
    assert exported == [("tiny", "torch fp32", "openvino", Path("there/tiny.xml"))]
    path = str(tmp_path / "graph")
    printed = json.loads(capsys.readouterr().out)
    documented("models export", printed)
    assert printed == {"name": "tiny", "engine": "openvino", "path": path, "bytes": 5}


def test_bad_input(tmp_path, capsys) -> None:
    with pytest.raises(ModelError, match="did you mean tiny"):
        call("tinny")
    with pytest.raises(ModelError, match=r"graph.bin ends in '.bin', expected .onnx"):
        call("tiny", "--out", str(tmp_path / "graph.bin"))
    with pytest.raises(SystemExit):
        call("tiny", "--engine", "tensorrt")
    assert "choose from" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_graph(tmp_path, monkeypatch, capsys) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    assert call("tiny", "--out", str(tmp_path)) == 0
    path = tmp_path / "tiny.onnx"
    assert capsys.readouterr().out == f"{path}\n"
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == ["rgb", "rays"]
    assert [item.name for item in session.get_outputs()] == ["log_depth", "sky_logit"]
