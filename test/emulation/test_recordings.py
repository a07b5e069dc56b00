# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs of networks: where they are recorded, that they are right, how many there are, what a failure leaves."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fake_cuda import Runtime, fake_cuda
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime import cuda_graph, graph
from mono_depth_ros.models.runtime.cuda_graph import MAX_KEPT, MIN_KEPT, GraphCache, Recording, batch_size
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.runtime.selfcheck import Reference, check
from mono_depth_ros.models.runtime.torch_engine import CompiledEngine, TorchEngine

CUDA, SECOND = torch.device("cuda", 0), torch.device("cuda", 1)
SHAPES = ({0: "batch", 2: "rows", 3: "columns"},)


class Convolution(torch.nn.Module):
    """A small network with weights, and with what a subclass does beside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = torch.nn.Conv2d(3, 2, 3, padding=1)
        self.requires_grad_(False).eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.convolution(image).abs() + 1


class Waiting(Convolution):
    """Waits for the host at every call, as what branches on a value does."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return super().forward(image) if float(image.sum()) < 1e9 else image


def network(module: torch.nn.Module | None = None) -> Network:
    return Network("net", module or Convolution(), ("image",), ("depth",), SHAPES)


def image(count: int = 1, rows: int = 6, device: torch.device = CUDA, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, rows, 8, generator=torch.Generator().manual_seed(seed)).to(device)


REFERENCE = Convolution()


def expected(value: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return REFERENCE(value.cpu())


def assert_right(engine: Callable[..., Inputs], value: torch.Tensor, tolerance: float = 1e-5) -> None:
    (found,) = engine(value)
    assert found.device == value.device
    torch.testing.assert_close(found.cpu(), expected(value), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("device", [CUDA, SECOND])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_on_the_device_asked_for_on_one_stream_of_its_own(gpu: Runtime, device: torch.device, precision: str) -> None:
    engine = TorchEngine(network(), device, precision)
    before = torch.cuda.current_stream(0), torch.cuda.current_stream(1)
    for rows in (6, 8, 6):
        for seed in range(2):
            assert_right(engine, image(1, rows, device, seed), 1e-5 if precision == "fp32" else 1e-2)
    assert [record.device for record in gpu.captures] == [device] * 2 and all(item.kernels for item in gpu.captures)
    (stream,) = {record.stream for record in gpu.captures}
    assert stream not in before and {record.mode for record in gpu.captures} == {"thread_local"}
    assert (torch.cuda.current_stream(0), torch.cuda.current_stream(1)) == before and torch.cuda.current_device() == 0


def test_results_are_the_callers_own(gpu: Runtime) -> None:
    engine = TorchEngine(network(), CUDA, "fp32")
    (first,) = engine(image(seed=0))
    engine(image(seed=1))
    torch.testing.assert_close(first.cpu(), expected(image(seed=0)))


def test_channels_last_stays_so(gpu: Runtime) -> None:
    seen: list[bool] = []

    def function(value: torch.Tensor) -> Inputs:
        seen.append(value.is_contiguous(memory_format=torch.channels_last))
        return (value + 1,)

    graphs = GraphCache(function, "net", CUDA, SHAPES)
    for value in (image(2), image(2).contiguous(memory_format=torch.channels_last), image(3)[:, :, ::2]):
        assert torch.equal(graphs(value)[0].cpu(), value.cpu() + 1)
    assert len(gpu.captures) == 3 and [seen[0], seen[4], seen[8]] == [False, True, False]


def test_batches_are_padded_and_results_cut_back(gpu: Runtime) -> None:
    engine = TorchEngine(network(), CUDA, "fp32")
    for count in (8, 3, 5, 1, 2, 7, 4, 6, 3):
        assert_right(engine, image(count, seed=count))
    assert [batch_size(count) for count in (1, 2, 3, 4, 5, 8, 9, 17)] == [1, 2, 4, 4, 8, 8, 16, 24]
    assert len(gpu.captures) == 4


def test_what_has_no_batch_is_not_padded(gpu: Runtime) -> None:
    graphs = GraphCache(lambda value: (value.sum(dim=0),), "net", CUDA, ({},))
    for count in (3, 4):
        torch.testing.assert_close(graphs(image(count))[0].cpu(), image(count).cpu().sum(dim=0))
    assert len(gpu.captures) == 2


def test_six_cameras_record_nothing_after_the_first_turns(gpu: Runtime) -> None:
    engine = TorchEngine(network(), CUDA, "fp32")
    choose = random.Random(0)
    turns = [(choose.randint(1, 6), choose.choice((6, 8, 10))) for _ in range(1000)]
    for number, (count, rows) in enumerate(turns):
        engine(image(count, rows))
        if number == 100:
            recorded = len(gpu.captures)
    assert recorded == len(gpu.captures) == 12


def recordings_after(sizes: list[int], nbytes: int) -> list[int]:
    """Which sizes are recorded, each of which takes so much memory."""
    made: list[int] = []

    class Recorded:
        def __init__(self, function: Any, inputs: Inputs, *_: Any) -> None:
            made.append(inputs[0].shape[2])
            self.function, self.nbytes = function, nbytes

        def __call__(self, *inputs: torch.Tensor) -> Inputs:
            return self.function(*inputs)

    with fake_cuda(memory=2**30):
        graphs = GraphCache(lambda value: (value + 1,), "net", CUDA, SHAPES, Recorded)
        for size in sizes:
            graphs(image(1, size))
    return made


def test_what_was_not_used_for_longest_goes() -> None:
    assert MAX_KEPT >= 16
    sizes = [*range(1, MAX_KEPT + 1), 1, MAX_KEPT + 1, 1, 2]
    assert recordings_after(sizes, 1) == [*range(1, MAX_KEPT + 1), MAX_KEPT + 1, 2]
    sizes = [*range(1, MIN_KEPT + 1), 1, MIN_KEPT + 1, 1, 2]
    assert recordings_after(sizes, 2**30) == [*range(1, MIN_KEPT + 1), MIN_KEPT + 1, 2], "where memory is short"


def test_a_recording_that_fails_leaves_everything_as_it_was(gpu: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    engine, before = TorchEngine(network(Waiting()), SECOND, "fp32"), torch.cuda.current_stream(SECOND)
    with caplog.at_level(logging.WARNING):
        for seed in range(3):
            assert_right(engine, image(3, 6, SECOND, seed))
            assert torch.cuda.current_stream(SECOND) is before and torch.cuda.current_device() == 0
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "net cannot be recorded as a CUDA graph and runs without"
    ]
    assert len(gpu.captures) == 1 and gpu.capturing is None


def test_one_that_fails_later_takes_the_others_along(gpu: Runtime) -> None:
    engine = TorchEngine(network(), CUDA, "fp32")
    assert_right(engine, image(1))
    gpu.fail_capture = "somebody else"
    for count in (2, 1, 2):
        assert_right(engine, image(count, seed=count))
    assert len(gpu.captures) == 2


def test_an_empty_recording_is_noticed(
    gpu: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the capture runs on another stream than the kernels."""
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **how: REAL_GRAPH(graph, stream=torch.cuda.Stream(SECOND)))
    engine = TorchEngine(network(), CUDA, "fp32")
    for seed in range(2):
        assert_right(engine, image(seed=seed))
    assert [record.kernels for record in gpu.captures] == [0]
    assert "its replay gives something else than what was recorded" in caplog.text


REAL_GRAPH = torch.cuda.graph


def test_what_gives_its_input_back_can_be_recorded(gpu: Runtime) -> None:
    graphs = GraphCache(lambda value: (value,), "net", CUDA, SHAPES)
    for seed in range(2):
        assert torch.equal(graphs(image(3, seed=seed))[0].cpu(), image(3, seed=seed).cpu())


def test_unknown_and_infinite_values_are_no_failure(gpu: Runtime) -> None:
    graphs = GraphCache(lambda value: (value.log() * torch.inf,), "net", CUDA, SHAPES)
    graphs(torch.tensor([[1.0, 2.0, -1.0]]).to(CUDA))
    assert gpu.captures[0].replays == 2


def test_a_shape_too_large_to_record_runs_as_it_is_and_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    with fake_cuda() as gpu:
        engine = TorchEngine(network(), CUDA, "fp32")
        assert_right(engine, image(1))
        gpu.memory = torch.cuda.memory_allocated() + 12 * image(4).nbytes
        for seed in range(2):
            assert_right(engine, image(6, rows=12, seed=seed))
            assert_right(engine, image(1, seed=seed))
        assert [record.ended for record in gpu.captures] == [True]
        assert "does not suffice to record" in caplog.text and len(caplog.records) == 1


def test_memory_that_recordings_hold_is_given_to_what_needs_it() -> None:
    calls: list[int] = []

    def function(value: torch.Tensor) -> Inputs:
        calls.append(len(value))
        if len(value) > 4 and len(graphs._recordings) > 0:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return (value + 1,)

    with fake_cuda():
        graphs = GraphCache(function, "net", CUDA, SHAPES)
        for count in (2, 6, 2):
            assert torch.equal(graphs(image(count))[0].cpu(), image(count).cpu() + 1)
        assert not graphs._recordings
    assert calls[-3:] == [6, 6, 2], "padded no longer"


@pytest.mark.parametrize("text", ["CUDA error: unspecified launch failure", "CUDA error: unknown error"])
def test_a_device_that_is_lost_is_no_network_that_cannot_be_recorded(gpu: Runtime, text: str) -> None:
    def lost(*_: Any) -> Any:
        raise RuntimeError(text)

    graphs = GraphCache(lambda value: (value,), "net", CUDA, SHAPES, lost)
    with pytest.raises(RuntimeError, match=f"^{text}$"):
        graphs(image())


def test_no_memory_at_all_goes_up(gpu: Runtime) -> None:
    def none(_: torch.Tensor) -> Inputs:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        GraphCache(none, "net", CUDA, SHAPES)(image())


def test_while_it_records_another_thread_uses_the_device(gpu: Runtime) -> None:
    """What a recording's writer does: it computes and copies, all the time."""
    stop, errors = threading.Event(), []

    def use() -> None:
        value = torch.ones(10, device=CUDA)
        while not stop.is_set():
            try:
                (value * 2).cpu()
            except RuntimeError as error:
                errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    try:
        engine = TorchEngine(network(), CUDA, "fp32")
        for rows in range(4, 16):
            assert_right(engine, image(1, rows))
    finally:
        stop.set()
        thread.join()
    assert not errors and [record.ended for record in gpu.captures] == [True] * 12


def test_two_threads_never_record_at_once_nor_take_each_others_results(gpu: Runtime) -> None:
    engines = [TorchEngine(network(), device, "fp32") for device in (CUDA, SECOND, CUDA)]
    errors: list[BaseException] = []

    def use(index: int) -> None:
        try:
            for number in range(30):
                device = (CUDA, SECOND, CUDA)[index % 3]
                with torch.cuda.stream(torch.cuda.Stream(device)):
                    assert_right(engines[index % 3], image(1, 4 + number % 6, device, 100 * index + number))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=use, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and all(record.ended for record in gpu.captures) and len(gpu.captures) == 18


def test_another_stream_waits_for_the_one_before(gpu: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[tuple[Any, Any]] = []
    graphs = GraphCache(lambda value: (value + 1,), "net", CUDA, SHAPES)
    graphs(image())
    first, second = torch.cuda.current_stream(), torch.cuda.Stream()
    monkeypatch.setattr(type(second), "wait_stream", lambda self, other: waits.append((self, other)))
    graphs(image())
    with torch.cuda.stream(second):
        graphs(image())
    assert waits == [(second, first)]


def test_compiled_is_recorded_by_us_and_works_in_any_thread(gpu: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def compiler(module: torch.nn.Module, **options: Any) -> Any:
        seen.append(options)

        def compiled(value: torch.Tensor) -> torch.Tensor:
            seen.append(torch._dynamo.config.cache_size_limit)
            return module(value)

        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    engine = CompiledEngine(network(), CUDA, "fp32")
    assert_right(engine, image())
    thread = threading.Thread(target=lambda: [assert_right(engine, image(2, seed=seed)) for seed in range(2)])
    thread.start()
    thread.join()
    assert seen == [{"dynamic": False}, *[64] * 8] and [item.replays for item in gpu.captures] == [2, 3]


def test_exporting_moves_nothing_that_a_recording_reads(
    gpu: Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Program:
        def save(self, path: str, external_data: bool) -> None:
            Path(path).write_bytes(b"")

    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: Program())
    monkeypatch.setattr(graph, "load_package", lambda *_: None)
    module = Convolution().to(CUDA)
    recorded = GraphCache(lambda value: (module(value),), "net", CUDA, SHAPES)
    for seed in range(2):
        assert_right(recorded, image(seed=seed))
        graph.write_graph(network(module), [(image(),)], tmp_path / "net.onnx")
    assert len(gpu.captures) == 1 and gpu.captures[0].replays == 3


def test_a_stale_engine_does_not_pass_the_check(gpu: Runtime) -> None:
    class Stale:
        name, precision = "torch", "fp32"

        def __init__(self) -> None:
            self.first: dict[torch.Size, Inputs] = {}

        def __call__(self, value: torch.Tensor) -> Inputs:
            return self.first.setdefault(value.shape, (value.mean(dim=1) + 9,))

    rule = SizeRule(source=True, multiple=2, rounding="down")
    image_input = ImageInput(name="image", range=1, size=rule, resample="linear")
    processing = Processing(kind="metric", input=image_input, outputs=Outputs("linear", "depth"))
    spec = ModelSpec.of(CATALOGUE["depth_anything_v2_metric_indoor_small"])
    model = DeclaredModel(spec, network(), processing, EngineOptions(CUDA, "torch", "fp32"))
    examples = tuple(model.examples())
    assert len(examples) == 4 and examples[0][0].shape == examples[1][0].shape != examples[2][0].shape
    reference = Reference(examples, [(inputs[0].mean(dim=1) + 9,) for inputs in examples], lambda outputs: outputs[0])
    with pytest.raises(ModelError, match="is wrong at"):
        check(Stale(), reference)


def test_recordings_hold_what_they_say(gpu: Runtime) -> None:
    recording = Recording(lambda value: (value.half(),), (image(2),), torch.cuda.Stream(), None)
    assert recording.nbytes == image(2).nbytes * 3 // 2
    assert cuda_graph.CAPTURING.acquire(blocking=False)
    cuda_graph.CAPTURING.release()
