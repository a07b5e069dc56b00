# SPDX-License-Identifier: Apache-2.0
"""TensorRT through ONNX Runtime: one engine a size, kept under its weights; the log says when one is built."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import choice
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Network
from mono_depth_ros.models.runtime.engines import build, candidates_of
from mono_depth_ros.models.runtime.graph import graph_of
from mono_depth_ros.models.runtime.tensorrt_engine import SHAPES_KEPT, TensorRtEngine, ranges

GPU = torch.device("cuda", 0)
Fake = Callable[..., Any]


@pytest.fixture
def graph(add_one: Callable[[], Network], quick_export: None, own_cache: Path) -> GraphFile:
    return graph_of(add_one(), [(torch.zeros(1, 3, 4, 6),)] * 2)


def image(height: int = 4, width: int = 6, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, height, width)


def test_one_engine_a_size_that_the_next_start_finds(
    fake_runtime: Fake, graph: GraphFile, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = fake_runtime()
    caplog.set_level(logging.INFO)
    engine = TensorRtEngine(graph, GPU, "fp32")
    assert runtime.chains == []
    for width in (6, 8, 6):
        (found,) = engine(image(width=width))
        assert found.shape[-1] == width
    assert len(runtime.built) == len(runtime.chains) == 2
    building = [text for text in caplog.messages if "this takes minutes" in text]
    assert building == [
        f"add_one: building the TensorRT engine for {size}, this takes minutes" for size in ("6x4", "8x4")
    ]
    assert any("the TensorRT engine for 6x4 was built in" in text for text in caplog.messages)
    caplog.clear()
    TensorRtEngine(graph, GPU, "fp32")(image(width=8))
    assert len(runtime.built) == 2
    assert [text.partition(" in ")[0] for text in caplog.messages] == [
        "add_one: the TensorRT engine for 8x4 was loaded"
    ]


def test_an_engine_is_of_fixed_shape(fake_runtime: Fake, graph: GraphFile) -> None:
    runtime = fake_runtime()
    TensorRtEngine(graph, GPU, "fp32")(image(14, 28))
    assert runtime.sides == {"batch": 1, "rows": 14, "columns": 28}
    assert not any("profile" in option for option in runtime.chains[-1][0][1])


def test_other_names_in_the_file_leave_the_profile(fake_runtime: Fake, graph: GraphFile) -> None:
    runtime = fake_runtime()
    TensorRtEngine(replace(graph, axes=({0: "n", 2: "s0", 3: "s1"},)), GPU, "fp32")(image(14, 28))
    options = runtime.chains[-1][0][1]
    assert {options[f"trt_profile_{kind}_shapes"] for kind in ("min", "opt", "max")} == {"image:1x3x14x28"}
    assert runtime.sides == {} and len(runtime.built) == 1


def test_a_batch_shares_the_engine_of_the_largest(fake_runtime: Fake, graph: GraphFile) -> None:
    runtime = fake_runtime()
    engine = TensorRtEngine(graph, GPU, "fp32")
    for count in (4, 1, 3, 2, 4):
        (found,) = engine(image(count=count))
        assert len(found) == count
    assert len(runtime.built) == 1
    options = runtime.chains[-1][0][1]
    shapes = {kind: options[f"trt_profile_{kind}_shapes"] for kind in ("min", "opt", "max")}
    assert shapes == {"min": "image:1x3x4x6", "opt": "image:4x3x4x6", "max": "image:4x3x4x6"}
    assert runtime.sides == {"rows": 4, "columns": 6}
    engine(image(count=5))
    assert len(runtime.built) == 2


@pytest.mark.parametrize(("axes", "shapes", "count", "sides", "least", "most"), [
    # Names in the file make all fixed.
    (({0: "n", 2: "h", 3: "w"},), ((1, 3, 4, 6),), 1, {"n": 1, "h": 4, "w": 6}, None, None),
    # Axes without a name, and one name for two sizes, need the profile.
    (({2: "", 3: ""},), ((1, 3, 4, 6),), 1, {}, "a:1x3x4x6", "a:1x3x4x6"),
    (({0: "n", 2: "s", 3: "s"},), ((1, 3, 4, 6),), 1, {"n": 1}, "a:1x3x4x6", "a:1x3x4x6"),
    # A batch of every input that has one; others stay out.
    (({0: "n", 2: "h", 3: "w"}, {0: "n"}, {}), ((2, 3, 4, 6), (2, 1), (3, 3)), 2, {"h": 4, "w": 6},
     "a:1x3x4x6,b:1x1", "a:2x3x4x6,b:2x1"),
    (({},), ((1, 3, 4, 6),), 1, {}, None, None),
])  # fmt: skip
def test_ranges(axes: Any, shapes: Any, count: int, sides: dict, least: str | None, most: str | None) -> None:
    found, profile = ranges("abc"[: len(axes)], axes, shapes, count)
    assert found == sides
    assert profile.get("trt_profile_min_shapes") == least
    assert profile.get("trt_profile_max_shapes") == profile.get("trt_profile_opt_shapes") == most


def test_other_weights_in_a_file_of_the_same_name_get_their_own_engine(
    fake_runtime: Fake, graph: GraphFile, tmp_path: Path
) -> None:
    # ONNX Runtime names an engine by the file's name: hub repositories have onnx/model.onnx, all of them.
    onnx = pytest.importorskip("onnx")
    runtime = fake_runtime()
    files = []
    for number, hub in enumerate(("indoor", "outdoor")):
        path = tmp_path / hub / "onnx" / "model.onnx"
        path.parent.mkdir(parents=True)
        shutil.copy(graph.path, path)
        model = onnx.load(path)
        model.graph.node[0].attribute[0].f = 2.0 + number
        onnx.save(model, path)
        files.append(replace(graph, path=path))
    for file in (*files, *files):
        TensorRtEngine(file, GPU, "fp32")(image())
    assert len(runtime.built) == 2


def test_weights_beside_the_file_count(fake_runtime: Fake, graph: GraphFile) -> None:
    runtime = fake_runtime()
    weights = graph.path.with_name("weights.bin")
    for content in (b"one", b"two", b"two"):
        weights.write_bytes(content)
        TensorRtEngine(replace(graph, beside=(weights,)), GPU, "fp32")(image())
    assert len(runtime.built) == 2


@pytest.mark.parametrize("change", ["version", "tensorrt", "device", "precision"])
def test_what_else_an_engine_is_of(
    fake_runtime: Fake, graph: GraphFile, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    built = []
    for times in range(2):
        settings = {} if not times or change in ("device", "precision") else {change: f"1{times}.20.0"}
        runtime = fake_runtime(**settings)
        if times and change == "device":
            monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA L4")
        TensorRtEngine(graph, GPU, "fp16" if times and change == "precision" else "fp32")(image())
        built += runtime.built
    assert len(set(built)) == 2


def test_engines_of_few_sizes_are_in_memory(fake_runtime: Fake, graph: GraphFile) -> None:
    fake_runtime()
    engine = TensorRtEngine(graph, GPU, "fp32")
    for width in range(6, 6 + SHAPES_KEPT + 2):
        engine(image(width=width))
    assert [shapes[0][-1] for shapes in engine._engines] == list(range(8, 8 + SHAPES_KEPT))


def test_a_damaged_engine_is_built_anew(
    fake_runtime: Fake, graph: GraphFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = fake_runtime()
    TensorRtEngine(graph, GPU, "fp32")(image())
    Path(runtime.built[0]).write_bytes(b"half of it")
    make = runtime._engine

    def engine(folder: Path, path: str) -> None:
        if any(file.read_bytes() != b"engine" for file in folder.glob("*.engine")):
            raise RuntimeError("TensorRT EP could not deserialize engine from cache: " + str(folder))
        make(folder, path)

    monkeypatch.setattr(runtime, "_engine", engine)
    TensorRtEngine(graph, GPU, "fp32")(image())
    assert any("cannot be used and is built anew: engine 'tensorrt' cannot load" in text for text in caplog.messages)


def test_an_engine_that_does_not_fit_is_kept(
    fake_runtime: Fake, graph: GraphFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = fake_runtime()
    TensorRtEngine(graph, GPU, "fp32")(image())
    monkeypatch.setitem(runtime.fails, "TensorrtExecutionProvider", "CUDA failure 2: out of memory ; GPU=0")
    with pytest.raises(ModelError, match="out of memory"):
        TensorRtEngine(graph, GPU, "fp32")(image())
    assert Path(runtime.built[0]).exists()


@pytest.mark.parametrize(("tensorrt", "precision", "kind", "flags"), [
    ("10.3.0", "fp16", "tensor(float16)", {"trt_fp16_enable": True}),
    ("11.3.0", "fp16", "tensor(float16)", {"trt_fp16_enable": True}),
    ("10.3.0", "bf16", "tensor(float)", {"trt_fp16_enable": False, "trt_bf16_enable": True}),
    ("10.3.0", "fp32", "tensor(float)", {"trt_fp16_enable": False}),
])  # fmt: skip
def test_half_precision_is_that_of_the_graph(
    add_one: Callable[[], Network], fake_runtime: Fake, quick_export: None, own_cache: Path,
    tensorrt: str, precision: str, kind: str, flags: dict[str, bool],
) -> None:  # fmt: skip
    # A strongly typed TensorRT, 11 and later, has no flags: of a float32 graph it would make a float32 engine.
    runtime = fake_runtime(tensorrt=tensorrt)
    engine: Any = build(add_one(), [(image(),)] * 2, "tensorrt", GPU, precision)
    (found,) = engine(image())
    assert found.dtype == torch.float32
    options = runtime.chains[-1][0][1]
    assert {name: value for name, value in options.items() if name in ("trt_fp16_enable", "trt_bf16_enable")} == flags
    (session,) = (kept._session for _, kept in engine._engines.values())
    assert session.get_inputs()[0].type == kind


@pytest.mark.parametrize(("tensorrt", "precision", "offered"), [
    ("10.3.0", "fp32", ["fp16", "bf16", "fp32"]),
    ("11.3.0", "fp32", ["fp32"]),
    ("10.3.0", "fp16", ["fp16"]),
    ("11.3.0", "bf16", []),
])  # fmt: skip
def test_a_file_keeps_its_precision(
    fake_runtime: Fake, graph: GraphFile, tensorrt: str, precision: str, offered: list[str]
) -> None:
    fake_runtime(tensorrt=tensorrt)
    file, options = replace(graph, precision=precision), EngineOptions(GPU, "tensorrt")
    if not offered:
        with pytest.raises(ModelError, match=r"TensorRT 11\.3\.0 takes the precision from the graph"):
            candidates_of(file, options)
        return
    assert [found for _, found in candidates_of(file, options)] == offered
    for wanted in {"fp16", "fp32"} - set(offered):
        message = (
            rf"engine 'tensorrt' of the ONNX file add_one on cuda:0: found precision {wanted}, expected {offered[0]}$"
        )
        with pytest.raises(ModelError, match=message):
            build(file, [], "tensorrt", GPU, wanted)


def test_the_first_precision_that_is_right_stays(
    add_one: Callable[[], Network], fake_runtime: Fake, quick_export: None, own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # Each takes minutes for each of two sizes.
    runtime = fake_runtime()
    network, examples = add_one(), [(image(),), (image(width=8),)]
    monkeypatch.setattr(choice, "_wait", lambda _: None)
    monkeypatch.setattr(choice, "give_back", lambda *_: None)
    reference = choice.Reference(examples, [(2 * values[0],) for values in examples], network.depth)
    trying = choice._Trying(network, reference, GPU)
    network.module.gain.mul_(2)
    assert trying.fastest([("tensorrt", "fp16"), ("tensorrt", "bf16"), ("tensorrt", "fp32")]).precision == "fp16"
    assert len(runtime.built) == 2
