# SPDX-License-Identifier: Apache-2.0
"""Networks in int8 run where they were quantised, and nowhere else; nothing here needs NNCF."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import int8
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.runtime.engines import candidates_of

CPU = torch.device("cpu")
INT8 = EngineOptions(CPU, "auto", "int8")


class Gain(torch.nn.Module):
    def __init__(self, gain: torch.Tensor) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(gain, requires_grad=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.gain


@pytest.fixture
def network(tmp_path: Path, own_cache: Path) -> Network:
    """A network that doubles, read from a file."""
    pytest.importorskip("openvino")
    path = tmp_path / "gain.safetensors"
    save_file({"gain": torch.tensor([2.0])}, path)
    axes = ({0: "batch", 2: "rows", 3: "columns"},)
    return Network("gain", lambda: Gain(load_file(path)["gain"]), ("image",), ("depth",), axes, files=(path,))


@pytest.fixture
def positive() -> tuple[Inputs, ...]:
    return ((torch.rand(1, 3, 4, 6) + 1,), (torch.rand(1, 3, 5, 5) + 1,))


def filled(network: Network, gain: float = 2.02, error: float = 0.01) -> Callable[[Path], dict[str, object]]:
    """What quantising leaves, of a graph that is off by 1 %."""

    def fill(directory: Path) -> dict[str, object]:
        import openvino
        from openvino import opset8

        image = opset8.parameter([-1, 3, -1, -1], np.float32, name="image")
        image.output(0).set_names({"image"})
        depth = opset8.multiply(image, opset8.constant([gain], np.float32))
        depth.output(0).set_names({"depth"})
        openvino.save_model(openvino.Model([depth], [image]), str(directory / int8.GRAPH))
        return {"model": network.name, "facts": int8.facts(network), "abs_rel_of_test_images": error}

    return fill


def gain_of(engine: Callable[..., Inputs]) -> float:
    return float(engine(torch.ones(1, 3, 2, 2))[0].mean())


def test_a_network_that_was_not_quantised(network: Network, positive: Sequence[Inputs]) -> None:
    for engine in ("auto", "openvino"):
        with pytest.raises(ModelError, match=r"^gain was not quantised .*: mono_depth models quantize gain --images"):
            make_engine(network, positive, EngineOptions(CPU, engine, "int8"))
    assert all(precision != "int8" for _, precision in candidates_of(network, EngineOptions(CPU)))
    assert all(precision != "int8" for _, precision in candidates_of(network, EngineOptions(CPU, "openvino")))
    with pytest.raises(ModelError, match=r"found precision int8, expected bf16 or fp32"):
        make_engine(network, positive, EngineOptions(CPU, "torch", "int8"))


def test_one_that_was(network: Network, positive: Sequence[Inputs]) -> None:
    int8.write(int8.folder_of(network), filled(network))
    assert candidates_of(network, EngineOptions(CPU))[0] == ("openvino", "int8")
    assert candidates_of(network, EngineOptions(CPU, "openvino"))[0] == ("openvino", "int8")
    for examples in (positive, lambda: pytest.fail("a second start proves nothing")):
        engine = make_engine(network, examples, INT8)
        assert (engine.name, engine.precision) == ("openvino", "int8") and gain_of(engine) == pytest.approx(2.02, 0.01)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("weights", "the weights of gain have changed since it was quantised"),
        ("openvino", r"gain was quantised with OpenVINO \d.*, found 1\.2\.3"),
        ("processor", r"gain was quantised on another processor \(.*\), found Abacus"),
        ("graph", r"the int8 network in .* is damaged \(int8\.bin\)"),
        ("record", r"the int8 network in .* cannot be read \(JSONDecodeError\)"),
        ("keys", r"the int8 network in .* cannot be read \(KeyError\)"),
    ],
)
def test_what_it_was_proved_with_is_other(
    network: Network, positive: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch, change: str, reason: str
) -> None:
    monkeypatch.setattr("mono_depth_ros.cache._SETTLED_NS", 10**18)  # files of this test are new
    folder = int8.folder_of(network)
    int8.write(folder, filled(network))
    make_engine(network, positive, INT8)
    if change == "weights":
        save_file({"gain": torch.tensor([3.0])}, network.files[0])
        os.utime(network.files[0], ns=(0, 0))
    elif change == "openvino":
        monkeypatch.setattr(int8, "versions", lambda: {"openvino": "1.2.3"})
    elif change == "processor":
        monkeypatch.setattr(int8, "processor", lambda _: "Abacus fpu vme")
    elif change == "graph":
        (folder / "int8.bin").write_bytes(b"0000")
    else:
        (folder / int8.RECORD).write_text("{" if change == "record" else "{}")
    with pytest.raises(ModelError, match=f"^{reason}.* mono_depth models quantize gain --images DIR$"):
        make_engine(network, positive, INT8)


def test_it_must_run_as_it_did_when_it_was_judged(network: Network, positive: Sequence[Inputs]) -> None:
    int8.write(int8.folder_of(network), filled(network, gain=2.2, error=0.1))  # more than of int8, as then
    assert gain_of(make_engine(network, positive, INT8)) == pytest.approx(2.2, 0.01)
    int8.write(int8.folder_of(network), filled(network, gain=2.3, error=0.1))
    with pytest.raises(ModelError, match=r"differs from torch fp32 by AbsRel 0\.15, expected 0\.11 at most"):
        make_engine(network, positive, INT8)


def test_a_folder_by_engine_path(network: Network, positive: Sequence[Inputs], tmp_path: Path) -> None:
    folder = tmp_path / "gain_int8"
    int8.write(folder, filled(network))
    options = EngineOptions(CPU, engine_path=folder)
    for examples in (positive, lambda: pytest.fail("a second start proves nothing")):
        assert gain_of(make_engine(network, examples, options)) == pytest.approx(2.02, 0.01)
    with pytest.raises(ModelError, match=r"found engine 'torch', precision 'auto' and device cpu, expected openvino"):
        make_engine(network, positive, EngineOptions(CPU, "torch", engine_path=folder))
    other = Network("other", network.module, ("image",), ("depth",), network.shapes, files=network.files)
    with pytest.raises(ModelError, match=r"gain_int8 is that of gain, expected other$"):
        make_engine(other, positive, options)


def test_a_folder_is_written_whole_or_not_at_all(network: Network, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "gain_int8"
    int8.write(folder, filled(network))
    before = (folder / int8.RECORD).read_bytes()

    def fails(directory: Path) -> dict[str, object]:
        (directory / int8.GRAPH).write_text("half")
        raise ModelError("no")

    with pytest.raises(ModelError, match=r"^no$"):
        int8.write(folder, fails)
    assert (folder / int8.RECORD).read_bytes() == before and int8.why_not(network, folder) is None
    assert sorted(path.name for path in folder.parent.iterdir()) == ["gain_int8"]
    int8.write(folder, filled(network, gain=2.05))
    assert json.loads(before) != json.loads((folder / int8.RECORD).read_text())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match=r"mine exists already, expected a new folder"):
        int8.write(tmp_path / "mine", filled(network))


def test_a_network_without_files(add_one: Callable[[], Network], positive: Sequence[Inputs], own_cache: Path) -> None:
    pytest.importorskip("openvino")
    assert not int8.is_made(add_one())
    with pytest.raises(ModelError, match=r"^add_one is not read from files, expected a model whose weights"):
        make_engine(add_one(), positive, INT8)
