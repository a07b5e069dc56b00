# SPDX-License-Identifier: Apache-2.0
"""What a check says, and what all checks share: the device, the models with weights of noise, pictures, times."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models import depth_anything, random_state
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families.depth_anything_v2 import DepthAnythingV2
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork
from mono_depth_ros.models.runtime.engine import EngineOptions

OK, FAIL, SKIP = "ok", "FAIL", "skip"


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
    """

    device: torch.device

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

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

        On a CPU once: that is to see that it runs.
        """
        times = []
        for turn in range(3 + runs) if self.cuda else (3,):
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
    ) -> DepthAnythingV2:
        """Depth Anything V2, metric to 20 m, with weights of noise and an output that varies over the picture."""
        options = EngineOptions(device or self.device, engine, precision or self.fast)
        return depth_anything(size, _varied_state(size), 20.0, options)


@lru_cache
def _varied_state(size: str) -> dict[str, Tensor]:
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


def weights_mb(size: str, bytes_each: int) -> float:
    """Megabytes of the parameters of Depth Anything V2 at so many bytes each."""
    return sum(value.numel() for value in _varied_state(size).values()) * bytes_each / 1e6


def module_of(size: str, max_depth_m: float = 20.0) -> nn.Module:
    """The network of `Bench.depth_anything` by itself, float32 on the CPU."""
    network = DepthAnythingNetwork(SIZES[size], max_depth_m)
    network.load_state_dict(_varied_state(size))
    return network.eval().requires_grad_(False)
