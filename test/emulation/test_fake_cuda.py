# SPDX-License-Identifier: Apache-2.0
"""The emulation itself behaves as CUDA does, where our code depends on it."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch

from fake_cuda import Runtime, fake_cuda

CUDA = torch.device("cuda", 0)


def test_values_are_computed_and_say_where_they_are(gpu: Runtime) -> None:
    value = torch.arange(6.0).reshape(2, 3).to("cuda:1")
    total = (value[1:] * 2).sum()
    assert (value.device, total.device, value.is_cuda) == (torch.device("cuda:1"), torch.device("cuda:1"), True)
    assert float(total) == 24 and value.shape == (2, 3)
    assert torch.equal(value.cpu(), torch.arange(6.0).reshape(2, 3))


def test_tensors_of_two_devices_do_not_go_together(gpu: Runtime) -> None:
    value = torch.ones(3, device=CUDA)
    for other in (torch.ones(3), torch.ones(3, device="cuda:1")):
        with pytest.raises(RuntimeError, match="to be on the same device"):
            value + other
    assert torch.equal((value + torch.tensor(1.0)).cpu(), torch.full((3,), 2.0)), "one number of the host may"
    with pytest.raises(TypeError, match=r"can't convert cuda:0 device type tensor to numpy"):
        np.asarray(value)


def test_copies_and_waits_are_counted_with_their_lines(gpu: Runtime) -> None:
    with gpu.counted() as work:
        value = torch.ones(1000).to(CUDA)
        value = value * 2 + 1
        value.cpu()
        float(value[0])
        value[value > 1]
    assert (work.uploads, work.upload_bytes, work.downloads, work.download_bytes) == (1, 4000, 1, 4000)
    assert work.waits == 4 and work.kernels >= 4
    assert "1 x wait: index.Tensor @ test_fake_cuda.py:" in work.report()


@pytest.mark.parametrize("inference", [False, True])
def test_what_waits_inside_is_seen(gpu: Runtime, inference: bool) -> None:
    with torch.inference_mode(inference):
        value = torch.eye(3, device=CUDA)
        asks = (
            *(float, bool, int, torch.Tensor.tolist, torch.Tensor.item),
            *(lambda one: torch.where(value > 0), lambda one: value.unique(), lambda one: value[value > 0]),
            *(lambda one: torch.equal(value, value), lambda one: value.nonzero()),
            lambda one: value.masked_select(value > 0),
        )
        for ask in asks:
            with gpu.counted() as work:
                ask(value[0, 0])
            assert work.waits >= 1, ask
        for ask in (lambda: value.quantile(0.5), lambda: value.masked_fill(value > 0, 2), lambda: value.sort()):
            with gpu.counted() as work:
                ask()
            assert work.waits == 0


def test_a_download_without_a_wait_brings_nothing_before_one(gpu: Runtime) -> None:
    value = torch.arange(4.0, device=CUDA)
    buffer = torch.empty(4, pin_memory=True)
    done = torch.cuda.Event()
    with gpu.counted() as work:
        buffer.copy_(value, non_blocking=True)
        done.record()
        value.add_(1)
        assert buffer.isnan().all() and work.waits == 0
        done.synchronize()
    assert torch.equal(buffer, torch.arange(4.0)), "what was there when it was asked for"
    assert (work.downloads, work.waits, work.pinned) == (1, 1, 0)
    with gpu.counted() as work:
        torch.empty(4).copy_(value, non_blocking=True)
        torch.ones(4).pin_memory().to(CUDA, non_blocking=True)
    assert (work.waits, work.pinned) == (1, 1), "pageable memory is waited for, pinned memory is not"


def test_streams_and_devices_are_those_of_a_thread(gpu: Runtime) -> None:
    seen = []
    with torch.cuda.device(1), torch.cuda.stream(torch.cuda.Stream(0)):
        assert torch.cuda.current_device() == 0
        thread = threading.Thread(
            target=lambda: seen.append((torch.cuda.current_device(), torch.cuda.current_stream()))
        )
        thread.start()
        thread.join()
    assert seen == [(0, torch.cuda.default_stream(0))] and torch.cuda.current_device() == 0


def captured(value: torch.Tensor, **options: object) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, **options):
        result = (value * 2).relu_() + 1
    return graph, result


def test_a_graph_computes_anew_at_replay_and_nothing_before(gpu: Runtime) -> None:
    value = torch.ones(3, device=CUDA)
    graph, result = captured(value)
    assert result.isnan().all()
    for given in (1.0, -4.0):
        value.fill_(given)
        graph.replay()
        assert torch.equal(result.cpu(), torch.full((3,), max(2 * given, 0) + 1))
    assert [(record.kernels, record.replays, record.ended) for record in gpu.captures] == [(3, 2, True)]


def test_on_another_device_a_graph_stays_empty(gpu: Runtime) -> None:
    captured(torch.ones(3, device="cuda:1"))
    assert (gpu.captures[0].device, gpu.captures[0].kernels) == (CUDA, 0)


@pytest.mark.parametrize(
    "what", [float, lambda value: value + torch.ones(3).to(CUDA), lambda _: torch.cuda.synchronize()]
)
def test_a_wait_breaks_a_capture_and_torch_leaves_its_stream(gpu: Runtime, what: object) -> None:
    value, before = torch.ones(3, device=CUDA), torch.cuda.current_stream()
    with (
        pytest.raises(RuntimeError, match="previous error during capture"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        what(value.sum())
    assert torch.cuda.current_stream() is not before, "this is torch's own: see pytorch's graphs.py, graph.__exit__"


@pytest.mark.parametrize(("mode", "survives"), [("global", False), ("thread_local", True)])
def test_work_of_other_threads_breaks_a_global_capture(gpu: Runtime, mode: str, survives: bool) -> None:
    value = torch.ones(3, device=CUDA)
    errors = []

    def work() -> None:
        try:
            (value + 1).cpu()
        except RuntimeError as error:
            errors.append(str(error))

    try:
        with torch.cuda.graph(torch.cuda.CUDAGraph(), capture_error_mode=mode):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    except RuntimeError as error:
        errors.append(str(error))
    assert gpu.captures[0].ended is survives and len(errors) == (0 if survives else 2)


def test_a_graph_that_reads_freed_memory_is_an_error(gpu: Runtime) -> None:
    module = torch.nn.Linear(3, 3).requires_grad_(False).to(CUDA)
    value, graph = torch.ones(1, 3, device=CUDA), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        module(value)
    graph.replay()
    module.cpu()
    with pytest.raises(RuntimeError, match="reads memory that was freed"):
        graph.replay()


def test_memory_is_what_tensors_hold(gpu: Runtime) -> None:
    assert torch.cuda.memory_allocated(0) == 0
    module = torch.nn.Linear(100, 100, bias=False).requires_grad_(False).to(CUDA)
    view = module.weight[1:]
    half = copy.deepcopy(module).half()
    assert torch.cuda.memory_allocated(0) == 40000 + 20000
    assert half.weight.device == CUDA and half.weight.dtype == torch.float16
    del module
    assert torch.cuda.memory_allocated(0) == 60000, "the view holds it"
    del view
    assert torch.cuda.memory_allocated(0) == 20000 and torch.cuda.max_memory_allocated(0) >= 60000


def test_no_more_memory_than_there_is() -> None:
    with fake_cuda(memory=1000), pytest.raises(torch.cuda.OutOfMemoryError, match="Tried to allocate"):
        torch.empty(2000, dtype=torch.uint8, device=CUDA)


def test_nothing_of_it_stays() -> None:
    with fake_cuda():
        assert torch.cuda.is_available()
    assert not torch.cuda.is_available() or torch.cuda.get_device_name() != "emulated GPU"
    assert torch.Tensor.to is not None and "fake" not in repr(torch.Tensor.to) and "fake" not in repr(torch.empty)
