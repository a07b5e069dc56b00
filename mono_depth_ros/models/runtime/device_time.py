# SPDX-License-Identifier: Apache-2.0
"""How long a device works on what it is given, without waiting for it."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.device_errors import is_device_error
from mono_depth_ros.models.runtime.engine import first_line


class DeviceTime:
    """The time of what is computed inside, a context manager.

    A GPU is given its work at once and does it later: the host's clock would show the giving. Events on its stream show
    the work. They are read when it is done, which this does not wait for: whoever copies a result to the host does.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._seconds = device, math.nan
        self._begun_s = time.perf_counter()
        self._events: tuple[Any, Any] | None = None

    def __enter__(self) -> DeviceTime:
        self._begun_s = time.perf_counter()
        if self._device.type == "cuda":
            self._events = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            self._events[0].record(torch.cuda.current_stream(self._device))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._events is None:
            self._seconds = time.perf_counter() - self._begun_s
        elif kind is None:
            self._events[1].record(torch.cuda.current_stream(self._device))

    @property
    def seconds(self) -> float:
        """How long it took; NaN while the device is at it, and after an error."""
        if math.isnan(self._seconds) and self._events is not None:
            begun, ended = self._events
            try:
                if ended.query():
                    self._seconds, self._events = begun.elapsed_time(ended) / 1e3, None
            except (RuntimeError, ValueError):  # the device has failed: whoever computes on it hears of that
                self._events = None
        return self._seconds

    def blamed(self, error: Exception) -> ModelError | None:
        """What a later error means where the device may have failed at what was computed inside; None where not."""
        if not is_device_error(error) or not math.isnan(self.seconds):
            return None
        return ModelError(
            "the GPU failed at the network or at what is made of its depth, and says so where a result is copied: "
            f"{first_line(error)}; CUDA_LAUNCH_BLOCKING=1 in the environment tells where"
        )

    @property
    def end_s(self) -> float:
        """When it was done, of time.perf_counter, if the device had nothing else to do before; NaN while it is not."""
        return self._begun_s + self.seconds
