# SPDX-License-Identifier: Apache-2.0
"""What a check says, and what all checks share: the device, the models with weights of noise, pictures, times."""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from fake_cuda import Runtime
from models import random_state
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.families.depth_anything_v2 import DepthAnythingV2
from mono_depth_ros.models.families.tiny import TinyModel, load_tiny
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.runtime.cuda_graph import Recording
from mono_depth_ros.models.runtime.engine import EngineOptions

OK, FAIL, SKIP = "ok", "FAIL", "skip"
NARROW = NetworkSize(VitSize(64, 4, 2, (0, 1, 2, 3)), (8, 16, 32, 64), 16)
"""Of Depth Anything V2, where there is no GPU."""


@dataclass(frozen=True)
class Row:
    """One line of the report: whether something is right, or a figure.

    Attributes:
        state: "ok", "FAIL", "skip", or "" for a figure. name: what was looked at. words: what was found.
        value, unit: of a figure.
    """

    state: str
    name: str
    words: str = ""
    value: float = 0.0
    unit: str = ""

    def __str__(self) -> str:
        begin = self.state or f"{self.value:g} {self.unit}".rstrip()
        return f"{begin}  {self.name}{': ' if self.words else ''}{self.words}"


def verdict(right: bool, name: str, words: str) -> Row:
    """The row of a check."""
    return Row(OK if right else FAIL, name, words)


def figure(value: float, unit: str, name: str, words: str = "") -> Row:
    """The row of a figure, four digits of it."""
    return Row("", name, words, float(f"{value:.4g}"), unit)


@dataclass(frozen=True)
class Bench:
    """Where the checks run.

    Attributes:
        device: the GPU, or the CPU for what can be checked without one.
        emulation: of the GPU, None where it is there.
    """

    device: torch.device
    emulation: Runtime | None = None

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def real(self) -> bool:
        """Whether there is a GPU: networks are whole, and times mean something."""
        return self.cuda and self.emulation is None

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those that torch has on the device."""
        from mono_depth_ros.models.runtime.torch_engine import cannot_run

        return tuple(name for name in ("fp32", "fp16", "bf16") if cannot_run(self.device, name) is None)

    @property
    def fast(self) -> str:
        """The precision of the speeds."""
        return "fp16" if self.cuda else "fp32"

    def wait(self) -> None:
        """Until the GPU has done what it was given."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def ms(self, work: Callable[[], Any], runs: int = 15) -> float:
        """Median milliseconds of a call, from an idle device to an idle device, after three that are not counted.

        Without a GPU once: that is to see that it runs.
        """
        times = []
        for turn in range(3 + runs) if self.real else (3,):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            if turn > 2:
                times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times)

    def tiny(self, precision: str = "fp32", device: torch.device | None = None) -> TinyModel:
        """The shipped model in torch."""
        return TinyModel(EngineOptions(device or self.device, "torch", precision))

    def depth_anything(
        self, precision: str = "", size: str = "small", device: torch.device | None = None, engine: str = "torch"
    ) -> EngineModel:
        """Depth Anything V2, metric to 20 m, with weights of noise and an output that varies over the picture; `tiny`
        where there is no GPU, which is quick."""
        options = EngineOptions(device or self.device, engine, precision or self.fast)
        return depth_anything(SIZES[size], options) if self.real else TinyModel(options)

    def module(self, size: str = "small") -> nn.Module:
        """The network of `depth_anything` by itself, float32 on the CPU."""
        return depth_anything_network(SIZES[size]) if self.real else load_tiny()

    def weights_mb(self, size: str, bytes_each: int) -> float:
        """Megabytes of the parameters of `depth_anything` at so many bytes each."""
        return sum(value.numel() for value in self.module(size).state_dict().values()) * bytes_each / 1e6

    def said(self, row: Row) -> Row:
        """A row as it is; of an emulated GPU a figure says nothing but that it could be measured."""
        return row if self.emulation is None or row.state else replace(row, state=OK, value=0.0, unit="", words="runs")


def depth_anything(size: NetworkSize, options: EngineOptions) -> DepthAnythingV2:
    """Depth Anything V2 in a size."""
    spec = ModelSpec.of(CATALOGUE["depth_anything_v2_metric_indoor_small"])
    return DepthAnythingV2(spec, depth_anything_network(size), options)


def depth_anything_network(size: NetworkSize) -> DepthAnythingNetwork:
    """Its network by itself."""
    network = DepthAnythingNetwork(size, 20.0)
    network.load_state_dict(_varied_state(size))
    return network.eval().requires_grad_(False)


@lru_cache
def _varied_state(size: NetworkSize) -> dict[str, Tensor]:
    """A network of noise is nearly constant, and nothing would show: the last layer is scaled up."""
    state = dict(random_state(size))
    name = "depth_head.scratch.output_conv2.2.weight"
    state[name] = state[name] * 200
    return state


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 with edges and gradients, another for each seed."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * 3 + seed * 40) % 256, (y * 2 + x + seed) % 256, (x ^ y) % 256], -1).astype(np.uint8)


def camera_of(width: int, height: int) -> Camera:
    """A pinhole camera of 70 degrees."""
    return Camera.from_fov((width, height), 70.0)


@contextmanager
def warnings_of_the_product() -> Iterator[list[str]]:
    """What the package logs as a warning meanwhile."""
    found: list[str] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger, keep = logging.getLogger("mono_depth_ros"), _Keep(logging.WARNING)
    logger.addHandler(keep)
    try:
        yield found
    finally:
        logger.removeHandler(keep)


def last_error(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:160]}"


@contextmanager
def recordings() -> Iterator[list[torch.device]]:
    """The device of each CUDA graph that the package records meanwhile."""
    made: list[torch.device] = []
    plain = Recording.__init__

    def recorded(self: Recording, function: Any, inputs: Any, stream: Any, pool: Any) -> None:
        made.append(stream.device)
        plain(self, function, inputs, stream, pool)

    with patch.object(Recording, "__init__", recorded):
        yield made


@dataclass
class Counts:
    """Attributes: waits: of the host for the device. pinned: allocations of pinned memory."""

    waits: int = 0
    pinned: int = 0


@contextmanager
def counted(bench: Bench) -> Iterator[Counts]:
    """What is waited for and pinned inside, known at the end; for one thread.

    On a GPU: what torch warns of where it waits by itself, and the events that the package waits for.
    """
    found = Counts()
    if bench.emulation is not None:
        with bench.emulation.counted() as work:
            yield found
        found.waits, found.pinned = work.waits, work.pinned
        return
    plain_wait, plain_empty = torch.cuda.Event.synchronize, torch.empty

    def wait(event: Any) -> None:
        found.waits += 1
        plain_wait(event)

    def empty(*arguments: Any, **options: Any) -> Tensor:
        found.pinned += bool(options.get("pin_memory"))
        return plain_empty(*arguments, **options)

    with (
        patch.object(torch.cuda.Event, "synchronize", wait),
        patch.object(torch, "empty", empty),
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found.waits += sum("synchronizing CUDA operation" in str(warning.message) for warning in said)
