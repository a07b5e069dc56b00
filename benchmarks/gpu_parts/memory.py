# SPDX-License-Identifier: Apache-2.0
"""What models hold of a GPU's memory, what they leave, and what becomes of a batch that is too large for it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gpu_parts.row import SKIP, Bench, Row, camera_of, figure, picture, verdict, warnings_of_the_product
from mono_depth_ros.models.runtime.device import give_back
from mono_depth_ros.pipeline import Pipeline, Shot

_SMALL_MB = 16
"""Beside the weights: what the libraries keep, and what is cached for a size of images."""


@contextmanager
def _no_collector() -> Iterator[None]:
    """What lies in a cycle of references stays, and shows."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _allocated_mb(bench: Bench) -> float:
    return torch.cuda.memory_allocated(bench.device) / 1e6


def held(bench: Bench) -> Iterator[Row]:
    """A half-precision model holds its half weights, and nothing is left when it is dropped."""
    if not bench.cuda:
        yield Row(SKIP, "memory", "needs a GPU")
        return
    bench.depth_anything("fp16")  # what libraries take once
    with _no_collector():
        torch.cuda.empty_cache()
        before = _allocated_mb(bench)
        model = bench.depth_anything("fp16", "large")
        weights, used = bench.weights_mb("large", 2), _allocated_mb(bench) - before
        recorded = sum(item.nbytes for item in model.run._function._recordings.values()) / 1e6  # type: ignore[attr-defined]
        words = f"{used:.1f} MB held for {weights:.1f} MB of weights and {recorded:.1f} MB of recordings' places"
        yield verdict(used - recorded < 1.3 * weights + _SMALL_MB * bench.real, "memory of fp16", words)
        del model
        left = _allocated_mb(bench) - before
        yield verdict(left < _SMALL_MB, "memory after it is dropped", f"{left:.1f} MB left")


def reconfigured(bench: Bench) -> Iterator[Row]:
    """A model that is loaded when the one before is dropped needs no more than the first did."""
    if not bench.cuda:
        yield Row(SKIP, "memory of a reconfigure", "needs a GPU")
        return
    with _no_collector():
        peaks, before = [], _allocated_mb(bench)
        for _ in range(2):
            give_back()
            torch.cuda.reset_peak_memory_stats(bench.device)
            model = bench.depth_anything("fp16", "large")
            peaks.append(torch.cuda.max_memory_allocated(bench.device) / 1e6 - before)
            del model
    words = f"peaks {peaks[0]:.0f} and {peaks[1]:.0f} MB"
    yield verdict(peaks[1] < 1.05 * peaks[0] + _SMALL_MB * bench.real, "memory of a reconfigure", words)
    yield figure(peaks[0], "MB", "peak of loading Depth Anything V2 large in fp16")


@contextmanager
def _limited(bench: Bench, more: int) -> Iterator[None]:
    """Only so many bytes more can be taken."""
    if bench.emulation is not None:
        whole, bench.emulation.memory = bench.emulation.memory, bench.emulation.allocated(bench.device) + more
        try:
            yield
        finally:
            bench.emulation.memory = whole
        return
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info(bench.device)[1]
    fraction = (torch.cuda.memory_reserved(bench.device) + more) / total
    torch.cuda.set_per_process_memory_fraction(fraction, bench.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)


def too_large(bench: Bench) -> Iterator[Row]:
    """A batch that the memory is too small for is done in smaller ones, said once; the next picture is right."""
    if not bench.cuda:
        yield Row(SKIP, "batch that is too large", "needs a GPU")
        return
    pipeline = Pipeline(bench.depth_anything())
    count, size, more = (32, (1920, 1080), 600 << 20) if bench.real else (8, (640, 480), 45 << 20)
    shots = [Shot(picture(*size, k), camera_of(*size)) for k in range(count)]

    def failures() -> list[str]:  # the frames go: they would fill the memory of the next turn
        return [str(item) for item in pipeline.estimate_batch(shots) if isinstance(item, Exception)]

    with _limited(bench, more), warnings_of_the_product() as said:
        lost = failures()
        once = len(said)
        lost += failures()
    words = f"{2 * count - len(lost)} of {2 * count} pictures; {lost[:1]}; said: {said[:2]}"
    yield verdict(not lost and once > 0 and len(said) == once, "batch that is too large", words)
    after = pipeline.estimate(picture(*size), camera_of(*size))
    yield verdict(bool(torch.isfinite(after.depth).any()), "one picture after it", "finite")
