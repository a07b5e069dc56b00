# SPDX-License-Identifier: Apache-2.0
"""A warm start proves nothing twice, and believes nothing that was proved of something else."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from mono_depth_ros.models.runtime import choice, gpu, graph, remembered
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import Engine, EngineOptions, Inputs, Network

CPU = torch.device("cpu")
OPENVINO = EngineOptions(CPU, "openvino", "fp32")


class Gain(torch.nn.Module):
    def __init__(self, gain: torch.Tensor) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(gain, requires_grad=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.gain


@pytest.fixture
def positive() -> tuple[Inputs, ...]:
    return ((torch.rand(1, 3, 4, 6),), (torch.rand(1, 3, 5, 5),))


class Checkpoint:
    """A file with one number, by which a network multiplies; it counts how often it was read."""

    def __init__(self, folder: Path) -> None:
        self.path, self.reads = folder / "model.safetensors", 0
        self.write(2.0)

    def write(self, gain: float) -> None:
        """Written a while ago, as files on a robot are."""
        save_file({"gain": torch.tensor([gain])}, self.path)
        os.utime(self.path, ns=(0, self.path.stat().st_mtime_ns - 10**9))

    def network(self, name: str = "gain") -> Network:
        def load() -> torch.nn.Module:
            self.reads += 1
            return Gain(load_file(self.path)["gain"])

        return Network(name, load, ("image",), ("depth",), ({0: "batch", 2: "rows", 3: "columns"},), files=(self.path,))


@pytest.fixture
def checkpoint(tmp_path: Path, own_cache: Path, quick_export: None, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    pytest.importorskip("openvino")
    monkeypatch.setattr("mono_depth_ros.cache._SETTLED_NS", -(10**18))  # files of this test are new
    return Checkpoint(tmp_path)


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """The engines that were checked."""
    seen: list[Engine] = []
    check = choice.check

    def noted(engine: Engine, reference: object) -> float:
        seen.append(engine)
        return check(engine, reference)  # type: ignore[arg-type]

    monkeypatch.setattr(choice, "check", noted)
    return seen


def gain_of(engine: Engine) -> float:
    return float(engine(torch.ones(1, 1, 2, 2))[0].mean())


def test_the_second_start_neither_reads_nor_checks(
    checkpoint: Checkpoint, positive: Sequence[Inputs], proofs: list[Engine], caplog: pytest.LogCaptureFixture
) -> None:
    assert gain_of(make_engine(checkpoint.network(), positive, OPENVINO)) == 2.0
    assert (checkpoint.reads, len(proofs)) == (1, 1)
    with caplog.at_level(logging.INFO):
        engine = make_engine(checkpoint.network(), lambda: pytest.fail("no examples are needed"), OPENVINO)
    assert gain_of(engine) == 2.0 and (checkpoint.reads, len(proofs)) == (1, 1)
    assert "gain: engine openvino fp32, right and the fastest at an earlier start" in caplog.text


def test_auto_too(checkpoint: Checkpoint, positive: Sequence[Inputs], proofs: list[Engine]) -> None:
    options = EngineOptions(CPU)
    assert make_engine(checkpoint.network(), positive, options).name == "torch"  # fast enough
    engine = make_engine(checkpoint.network(), lambda: pytest.fail("no examples are needed"), options)
    assert (engine.name, engine.precision, checkpoint.reads, proofs) == ("torch", "fp32", 2, [])


def test_other_weights_in_the_same_place(
    checkpoint: Checkpoint, positive: Sequence[Inputs], proofs: list[Engine]
) -> None:
    make_engine(checkpoint.network(), positive, OPENVINO)
    before = checkpoint.path.stat()
    checkpoint.write(3.0)
    os.utime(checkpoint.path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` leaves it
    assert checkpoint.path.stat().st_size == before.st_size
    assert gain_of(make_engine(checkpoint.network(), positive, OPENVINO)) == 3.0
    assert (checkpoint.reads, len(proofs)) == (2, 2)
    checkpoint.write(2.0)  # and back again: that content was proved
    assert gain_of(make_engine(checkpoint.network(), positive, OPENVINO)) == 2.0
    assert (checkpoint.reads, len(proofs)) == (2, 2)


def test_the_same_weights_copied_or_touched(
    checkpoint: Checkpoint, positive: Sequence[Inputs], proofs: list[Engine]
) -> None:
    make_engine(checkpoint.network(), positive, OPENVINO)
    checkpoint.path.touch()
    make_engine(checkpoint.network(), positive, OPENVINO)
    assert len(proofs) == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no seals"])
def test_an_altered_graph_is_made_again(
    checkpoint: Checkpoint,
    positive: Sequence[Inputs],
    proofs: list[Engine],
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    make_engine(checkpoint.network(), positive, OPENVINO)
    (path,) = own_cache.glob("graphs/*/graph.onnx")
    right = path.read_bytes()
    if damage == "flip":
        path.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(right[: len(right) // 2])
    else:
        (path if damage == "remove" else path.with_name("seals.json")).unlink()
    assert not graph.intact(path.parent)
    with caplog.at_level(logging.WARNING):
        assert gain_of(make_engine(checkpoint.network(), positive, OPENVINO)) == 2.0
    assert "the graph of openvino fp32 in the cache is gone or was altered: made anew" in caplog.text
    assert (len(proofs), graph.intact(path.parent)) == (2, True)


@pytest.mark.parametrize("text", ['{"engine": ', "[]", '{"engine": "abacus", "precision": "fp32", "folder": ""}'])
def test_a_damaged_memory(
    checkpoint: Checkpoint, positive: Sequence[Inputs], proofs: list[Engine], own_cache: Path, text: str
) -> None:
    make_engine(checkpoint.network(), positive, OPENVINO)
    (file,) = (own_cache / "verdicts").iterdir()
    file.write_text(text)
    for seal in (own_cache / "digests").iterdir():
        seal.write_text(text)
    assert gain_of(make_engine(checkpoint.network(), positive, OPENVINO)) == 2.0
    assert len(proofs) == 2 and json.loads(file.read_text())["engine"] == "openvino"


def test_a_cache_that_cannot_be_written_costs_time_alone(
    checkpoint: Checkpoint, positive: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert make_engine(checkpoint.network(), positive, EngineOptions(CPU)).name == "torch"


CHANGES = {
    "versions": lambda: {"torch": "0"},
    "processor": lambda _: "another",
    "driver": lambda _: "another",
    "code_version": lambda: "another",
    "sealed_sha256": lambda _: "another",
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_choice_hangs_on(
    checkpoint: Checkpoint, positive: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def key() -> str:
        return remembered.key_of(checkpoint.network(), lambda: positive, OPENVINO, [("openvino", "fp32")])

    before = key()
    assert key() == before
    monkeypatch.setattr(graph if what == "sealed_sha256" else remembered, what, CHANGES[what])
    assert key() != before


def test_and_on_what_is_asked(
    checkpoint: Checkpoint, positive: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(name: str = "gain", options: EngineOptions = OPENVINO, pair: tuple[str, str] = ("openvino", "fp32")) -> str:
        return remembered.key_of(checkpoint.network(name), lambda: positive, options, [pair])

    keys = {
        key(),
        key(name="another, which may expect other weights"),
        key(pair=("openvino", "bf16")),
        key(options=EngineOptions(CPU, "openvino", "fp32", (532, 308))),
        key(options=EngineOptions(torch.device("meta"), "openvino", "fp32")),
    }
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    assert len({*keys, key()}) == 6


def test_a_module_without_files_is_told_by_its_content(
    add_one: Callable[[], Network], positive: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [("openvino", "fp32")]
    before = remembered.key_of(add_one(), lambda: positive, OPENVINO, pairs)
    monkeypatch.setattr(graph, "content_hash", lambda *_: "another")
    assert remembered.key_of(add_one(), lambda: positive, OPENVINO, pairs) != before


def test_a_module_that_can_be_read_again_is_let_go(checkpoint: Checkpoint, positive: Sequence[Inputs]) -> None:
    network = checkpoint.network()
    make_engine(network, positive, OPENVINO)
    assert checkpoint.reads == 1 and float(network.module.gain) == 2.0 and checkpoint.reads == 2
    network = checkpoint.network("torch")
    make_engine(network, positive, EngineOptions(CPU, "torch", "fp32"))
    assert network.module is network.module and checkpoint.reads == 3


def test_forgotten_by_name(
    checkpoint: Checkpoint, positive: Sequence[Inputs], proofs: list[Engine], own_cache: Path
) -> None:
    for name in ("gain", "other"):
        make_engine(checkpoint.network(name), positive, OPENVINO)
    remembered.forget("gain")
    (kept,) = (own_cache / "verdicts").iterdir()
    assert json.loads(kept.read_text())["network"] == "other"
    make_engine(checkpoint.network(), positive, OPENVINO)
    assert len(proofs) == 3


def test_a_gpu_and_its_power_mode_are_part_of_what_a_choice_hangs_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device, mode, memory = torch.device("cuda", 0), tmp_path / "status", 2**36
    monkeypatch.setattr(gpu, "_POWER_MODE", mode)
    properties = SimpleNamespace(name="Orin", major=8, minor=7, multi_processor_count=16, total_memory=memory)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    remembered.processor.cache_clear()
    assert remembered.processor(device) == f"Orin 8.7 16 {memory}"
    remembered.processor.cache_clear()
    drivers = [remembered.driver(device)]
    for text in ("pmode:0000", "pmode:0002"):
        mode.write_text(text)
        drivers.append(remembered.driver(device))
    assert len(set(drivers)) == 3 and "pmode:0002" in drivers[2]
