# SPDX-License-Identifier: Apache-2.0
"""Exported graphs: right at every size, made once, never used when damaged."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import graph
from mono_depth_ros.models.runtime.engine import Inputs, Network
from mono_depth_ros.models.runtime.graph import content_hash, graph_of

pytest.importorskip("onnxscript")


@pytest.mark.parametrize("size", [(518, 518), (518, 532), (14, 28), (98, 266)])
@pytest.mark.parametrize("batch", [1, 3])
def test_one_graph_is_right_at_every_size(
    network: Network, examples: Sequence[Inputs], size: tuple[int, int], batch: int
) -> None:
    # 518x518 is the size that positions were trained at: there the table is taken as it is, without resampling.
    runtime = pytest.importorskip("onnxruntime")
    path = graph_of(network, examples).path
    image = torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))
    if batch == 3 and size[0] == 518:
        image = image[:2]
    (found,) = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
        None, {"image": image.numpy()}
    )
    with torch.inference_mode():
        expected = network.module(image)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)


def test_the_trained_size_matters(network: Network) -> None:
    # Otherwise the test above could not fail: positions resampled by the rule of other sizes are others.
    from mono_depth_ros.models.networks import vit

    table = network.module.pretrained.pos_embed
    kept = vit.resample_positions(table, 37, 37)
    torch.testing.assert_close(kept, table)
    assert (
        vit.resample_positions(table, 37, 38)[:, 1:].reshape(37, 38, -1)[:, :37] - kept[:, 1:].reshape(37, 37, -1)
    ).abs().max() > 0.1


def test_the_second_time_the_file_is_there(
    add_one: Callable[[], Network], examples: Sequence[Inputs], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = graph_of(add_one(), examples)
    before = first.path.stat().st_mtime_ns
    monkeypatch.setattr(graph, "write_graph", None)  # would raise
    again = graph_of(add_one(), examples)
    assert (again.path, again.path.stat().st_mtime_ns) == (first.path, before)
    assert first.path.is_relative_to(own_cache)
    assert [path.name for path in (own_cache / "graphs").iterdir()] == [first.path.parent.name]  # no leftovers


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no seals"])
def test_a_damaged_graph_is_made_again(
    add_one: Callable[[], Network],
    examples: Sequence[Inputs],
    own_cache: Path,
    quick_export: None,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    path = graph_of(add_one(), examples).path
    right = path.read_bytes()
    if damage == "flip":
        path.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(right[: len(right) // 2])
    else:
        (path if damage == "remove" else path.with_name("seals.json")).unlink()
    with caplog.at_level(logging.WARNING):
        assert graph_of(add_one(), examples).path == path
    assert "damaged" in caplog.text
    assert graph.intact(path.parent)
    pytest.importorskip("onnx").checker.check_model(str(path))


def test_the_hash_tells_networks_apart(make_network: Callable[..., Network], examples: Sequence[Inputs]) -> None:
    one = content_hash(make_network(), examples)
    assert content_hash(make_network(), examples) == one
    assert content_hash(make_network(seed=1), examples) != one  # weights
    assert content_hash(make_network(max_depth_m=80.0), examples) != one  # a number that is no weight
    half = make_network()
    half.module.half()
    assert content_hash(half, examples) != one
    assert content_hash(make_network(), examples[::-1]) == one  # open sides
    wider = [(torch.zeros(1, 4, 112, 154),)] * 2
    assert content_hash(make_network(), wider) != one  # a fixed side


def test_another_version_of_the_code_is_another_graph(
    add_one: Callable[[], Network], examples: Sequence[Inputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = add_one()
    one = content_hash(network, examples)
    edited = tmp_path / "edited.py"
    edited.write_text("# another")
    monkeypatch.setattr(sys.modules[type(network.module).__module__], "__file__", str(edited))
    assert content_hash(network, examples) != one


def test_two_at_once(
    add_one: Callable[[], Network], examples: Sequence[Inputs], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, barrier, paths = add_one(), threading.Barrier(2), []

    def write(_network: Network, _examples: Sequence[Inputs], path: Path) -> None:
        barrier.wait(10)  # both are exporting
        path.write_bytes(b"graph")

    monkeypatch.setattr(graph, "write_graph", write)
    threads = [threading.Thread(target=lambda: paths.append(graph_of(network, examples).path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(paths) == 2 and paths[0] == paths[1]
    assert paths[0].read_bytes() == b"graph"
    assert len(list((own_cache / "graphs").iterdir())) == 1


class Branches(torch.nn.Module):
    """A branch that depends on the data: cannot be exported."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image if float(image.sum()) > 0 else -image


def test_what_cannot_be_exported_is_one_sentence_and_leaves_nothing(
    examples: Sequence[Inputs], own_cache: Path
) -> None:
    branches = Network("branches", Branches(), ("image",), ("depth",), ({0: "batch"},))
    with pytest.raises(ModelError, match="the graph of branches cannot be exported: ") as error:
        graph_of(branches, examples)
    assert "\n" not in str(error.value)
    assert not list((own_cache / "graphs").iterdir())


def test_without_the_package(
    add_one: Callable[[], Network], examples: Sequence[Inputs], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModelError, match=r"needs the package onnxscript.*pip install onnx onnxscript$"):
        graph_of(add_one(), examples)


def test_a_cache_that_cannot_be_made(
    add_one: Callable[[], Network], examples: Sequence[Inputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"the cache folder .* cannot be made .*MONO_DEPTH_CACHE"):
        graph_of(add_one(), examples)


def test_the_axes_of_a_graph_are_as_large_as_pictures_are():
    """UniDepthV2 reads 640x480 as 1610 tokens: a graph that stops at 1024 is refused, and with it every fast engine."""
    from mono_depth_ros.models.runtime.graph import _dimensions

    image, directions = _dimensions(({0: "batch", 2: "14*rows"}, {1: "tokens"}))
    assert image[2].root.max >= 300 and directions[1].max >= 300 * 300 and directions[1].min <= 9
