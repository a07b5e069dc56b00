# SPDX-License-Identifier: Apache-2.0
"""The network in another engine, end to end; the engines themselves are tested in ../engines."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families import depth_anything_v2
from mono_depth_ros.models.families.depth_anything_v2 import load
from mono_depth_ros.models.runtime import graph
from mono_depth_ros.models.runtime.engine import EngineOptions


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(autouse=True)
def exported_once(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network is exported once in this file, whatever directory it is read from: that takes seconds."""
    write = graph.write_graph

    def copied(network, examples, path) -> None:
        kept = exported / graph.content_hash(network, examples)
        if not kept.exists():
            write(network, examples, kept)
        shutil.copy(kept, path)

    monkeypatch.setattr(graph, "write_graph", copied)


@pytest.mark.slow
def test_openvino_in_bf16_gives_the_same_depth(directories, pattern, predict, fp32, tmp_path, monkeypatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path))
    try:
        model = load(directories["metric"], EngineOptions(torch.device("cpu"), "openvino", "bf16"))
    except ModelError as error:
        if "bf16" in str(error) and "AbsRel" not in str(error):
            pytest.skip(str(error))
        raise
    assert model.engine == "openvino bf16"
    reference = load(directories["metric"], fp32)
    for size in ((640, 480), (250, 333)):  # the second was not seen when the engine was checked
        found, expected = predict(model, pattern(*size)), predict(reference, pattern(*size))
        assert 1e-6 < np.abs(found / expected - 1).mean() < 1e-2


@pytest.mark.slow
def test_a_warm_start_does_not_read_the_weights(broken, pattern, predict, tmp_path, monkeypatch) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    options = EngineOptions(torch.device("cpu"), "openvino", "fp32")
    directory = broken(depth_estimation_type="metric", max_depth=20)
    expected = predict(load(directory, options), pattern(250, 333))
    real, reads = depth_anything_v2.read, []

    def counted(*args):
        reads.append(args)
        return real(*args)

    monkeypatch.setattr(depth_anything_v2, "read", counted)
    assert np.array_equal(predict(load(directory, options), pattern(250, 333)), expected) and not reads
    config = directory / "config.json"
    config.write_text(config.read_text().replace('"max_depth": 20', '"max_depth": 80'))
    found = predict(load(directory, options), pattern(250, 333))
    assert len(reads) == 1 and np.allclose(found, 4 * expected, rtol=1e-3)
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="cut off or damaged"):
        load(directory, options)
