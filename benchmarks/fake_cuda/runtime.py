# SPDX-License-Identifier: Apache-2.0
"""Devices, streams, events and graphs that `torch.cuda` is pointed at, and what they were asked to do."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch

Entry = Callable[[], None]


@dataclass
class Work:
    """What was asked of all devices.

    Attributes:
        kernels: calls of torch with tensors of a device. waits: how often the host waited for a device.
        uploads, downloads: copies from and to the host, and their bytes.
        pinned: allocations of pinned memory; each is slow and waits for the device.
        lines: how often each of these, kernels aside, came from which line.
    """

    kernels: int = 0
    uploads: int = 0
    upload_bytes: int = 0
    downloads: int = 0
    download_bytes: int = 0
    waits: int = 0
    pinned: int = 0
    lines: Counter[str] = field(default_factory=Counter)

    def copies(self) -> dict[str, float]:
        """Copies, their megabytes, and waits, as plain values."""
        return {
            "uploads": self.uploads,
            "upload_mb": round(self.upload_bytes / 1e6, 2),
            "downloads": self.downloads,
            "download_mb": round(self.download_bytes / 1e6, 2),
            "waits": self.waits,
        }

    def report(self) -> str:
        """All of it in words, a line for each place in the code."""
        head = (
            f"{self.kernels} kernels, {self.uploads} uploads ({self.upload_bytes / 1e6:.2f} MB), {self.downloads} "
            f"downloads ({self.download_bytes / 1e6:.2f} MB), {self.waits} waits, {self.pinned} pinned allocations"
        )
        return "\n".join([head, *(f"  {count} x {line}" for line, count in self.lines.items())])


@dataclass
class Capture:
    """One use of `torch.cuda.graph`.

    Attributes:
        device, stream: that were current when it began. mode: see `torch.cuda.graph`. thread: that captured.
        kernels: recorded. replays: of them. ended: False where it failed.
    """

    device: torch.device
    stream: Stream
    mode: str
    thread: str
    kernels: int = 0
    replays: int = 0
    ended: bool = False


class Stream:
    """`torch.cuda.Stream`."""

    def __init__(self, device: Any = None, priority: int = 0, **_: Any) -> None:
        self.device = _runtime().device_of(device)
        self.priority, self.stream_id = priority, id(self)
        self.device_index, self.device_type = self.device.index, 1
        self.issued = self.done = 0
        self.pending: list[tuple[int, Entry]] = []
        _runtime().streams.append(self)

    def synchronize(self) -> None:
        _runtime().wait(self.device, f"synchronize {self}")
        self.reach(self.issued)

    def reach(self, mark: int) -> None:
        """All that was issued up to a mark is done: downloads have arrived."""
        self.done = max(self.done, mark)
        arrived = [entry for seq, entry in self.pending if seq <= mark]
        self.pending = [item for item in self.pending if item[0] > mark]
        for entry in arrived:
            entry()

    def query(self) -> bool:
        done = self.done >= self.issued
        self.reach(self.issued)  # so that who asks again and again comes to an end
        return done

    def wait_stream(self, other: Stream) -> None: ...

    def wait_event(self, event: Event) -> None: ...

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    @property
    def cuda_stream(self) -> int:
        return self.stream_id

    def __repr__(self) -> str:
        return f"stream {self.stream_id % 9973} of {self.device}"


class Event:
    """`torch.cuda.Event`."""

    def __init__(self, enable_timing: bool = False, **_: Any) -> None:
        self.enable_timing, self.stream, self.mark, self.time_s = enable_timing, None, 0, 0.0

    stream: Stream | None

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or torch.cuda.current_stream()  # type: ignore[assignment]
        assert self.stream is not None
        self.stream.issued += 1
        self.mark, self.time_s = self.stream.issued, time.perf_counter()

    def wait(self, stream: Stream | None = None) -> None: ...

    def query(self) -> bool:
        if self.stream is None or self.stream.done >= self.mark:
            return True
        self.stream.reach(self.mark)
        return False

    def synchronize(self) -> None:
        if self.stream is not None:
            _runtime().wait(self.stream.device, "synchronize an event")
            self.stream.reach(self.mark)

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds."""
        for event in (self, end):
            if not event.enable_timing or event.stream is None:
                raise ValueError("Both events must be created with argument 'enable_timing=True' and recorded.")
            if event.stream.done < event.mark:
                raise RuntimeError("CUDA error: device not ready")
        return (end.time_s - self.time_s) * 1e3


class CUDAGraph:
    """`torch.cuda.CUDAGraph`: what is computed on the captured stream, and how to do it again."""

    def __init__(self, keep_graph: bool = False) -> None:
        self.tape: list[Entry] = []
        self.outputs: list[torch.Tensor] = []
        self.record: Capture | None = None
        self.broken = ""

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global", **_: Any) -> None:
        gpu, stream = _runtime(), torch.cuda.current_stream()
        if gpu.capturing is not None:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing (another capture)")
        self.record = Capture(stream.device, stream, capture_error_mode, threading.current_thread().name)  # type: ignore[arg-type]
        self.owner = threading.get_ident()
        gpu.captures.append(self.record)
        gpu.capturing = self

    def capture_end(self) -> None:
        gpu, self.broken = _runtime(), self.broken or _runtime().fail_capture
        gpu.capturing = None
        if self.broken:
            raise RuntimeError(f"CUDA error: operation failed due to a previous error during capture ({self.broken})")
        assert self.record is not None
        self.record.ended, self.record.kernels = True, len(self.tape)
        for value in self.outputs:  # nothing was computed: that is what replaying is for
            _poison(value)

    def replay(self) -> None:
        assert self.record is not None and self.record.ended
        self.record.replays += 1
        for entry in self.tape:
            entry()

    def pool(self) -> Any:
        return (0, id(self))

    def reset(self) -> None:
        self.tape.clear()


def _poison(value: torch.Tensor) -> None:
    with torch.inference_mode():
        value.fill_(torch.nan if value.is_floating_point() else 255 if value.dtype == torch.uint8 else -1)


class Runtime:
    """The devices.

    Attributes:
        captures: all so far. fail_capture: why the following captures are to fail, "" for none.
        capturing: the graph that is being captured.
    """

    def __init__(self, devices: int, memory: int, name: str) -> None:
        self.devices, self.memory, self.name = devices, memory, name
        self.captures: list[Capture] = []
        self.capturing: CUDAGraph | None = None
        self.fail_capture = ""
        self.empty_caches = 0
        self.held: dict[tuple[int, int], list[int]] = {}  # (device, storage): [holders, bytes]
        self.peak: Counter[int] = Counter()
        self.pinned: dict[int, torch.Tensor] = {}
        self._thread = threading.local()
        self._counting: list[Work] = []
        self.streams: list[Stream] = []
        self._default: dict[int, Stream] = {}
        self._lock = threading.RLock()

    @contextmanager
    def counted(self) -> Iterator[Work]:
        """Count what happens inside, in all threads."""
        work = Work()
        self._counting.append(work)
        try:
            yield work
        finally:
            self._counting.remove(work)

    def note(self, line: str = "", **counts: int) -> None:
        with self._lock:
            for work in self._counting:
                for key, value in counts.items():
                    setattr(work, key, getattr(work, key) + value)
                if line:
                    work.lines[f"{line} @ {_where()}"] += 1

    def wait(self, device: torch.device, why: str) -> None:
        """The host waits for a device."""
        self.unsafe(why)
        self.note(f"wait: {why}", waits=1)

    def unsafe(self, why: str) -> None:
        """Something that a capture does not survive."""
        graph = self.capturing
        if graph is None or graph.record is None:
            return
        own = graph.owner == threading.get_ident()
        if own or graph.record.mode == "global":
            graph.broken = graph.broken or why
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({why})")

    def issue(self, device: torch.device, entry: Entry | None, outputs: list[torch.Tensor]) -> None:
        """A kernel was launched; `entry` computes it again."""
        stream = self.current_stream(device)
        stream.issued += 1
        self.note(kernels=1)
        graph = self.capturing
        if graph is None or graph.record is None:
            return
        if graph.owner != threading.get_ident():
            if graph.record.mode == "global":
                self.unsafe("work of another thread")
        elif stream is graph.record.stream and entry is not None:
            graph.tape.append(entry)
            graph.outputs.extend(outputs)

    def device_of(self, device: Any = None) -> torch.device:
        """A device from what torch takes for one, with its index."""
        if isinstance(device, int):
            device = torch.device("cuda", device)
        device = torch.device("cuda" if device is None else device)
        index = self.current_device() if device.index is None else device.index
        if index >= self.devices:
            raise RuntimeError("CUDA error: invalid device ordinal")
        return torch.device("cuda", index)

    def current_device(self) -> int:
        return getattr(self._thread, "device", 0)

    def exchange_device(self, index: int) -> int:
        previous = self.current_device()
        if index >= 0:
            self._thread.device = index
        return previous

    def default_stream(self, device: Any = None) -> Stream:
        index = self.device_of(device).index
        if index not in self._default:
            self._default[index] = Stream(index)
        return self._default[index]

    def current_stream(self, device: Any = None) -> Stream:
        index = self.device_of(device).index
        return getattr(self._thread, "streams", {}).get(index) or self.default_stream(index)

    def set_stream(self, stream: Stream | None) -> None:
        if stream is not None:
            self._thread.streams = {**getattr(self._thread, "streams", {}), stream.device.index: stream}
            self._thread.device = stream.device.index

    def synchronize(self, device: Any = None) -> None:
        where = self.device_of(device)
        self.wait(where, f"synchronize {where}")
        for stream in self.streams:
            if stream.device == where:
                stream.reach(stream.issued)

    def empty_cache(self) -> None:
        self.unsafe("empty_cache")
        self.empty_caches += 1

    def allocated(self, device: Any = None) -> int:
        """Bytes of the tensors of a device that Python holds."""
        index = self.device_of(device).index
        return sum(size for (where, _), (_, size) in self.held.items() if where == index)

    def hold(self, device: torch.device, value: torch.Tensor) -> tuple[int, int] | None:
        storage = value.untyped_storage()
        key = (device.index, storage.data_ptr())
        if not storage.nbytes():
            return None
        with self._lock:
            if key not in self.held:
                if self.allocated(device) + storage.nbytes() > self.memory:
                    wanted = storage.nbytes() / 2**20
                    raise torch.cuda.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {wanted:.2f} MiB.")
                self.held[key] = [0, storage.nbytes()]
            self.held[key][0] += 1
            self.peak[device.index] = max(self.peak[device.index], self.allocated(device))
        return key

    def let_go(self, key: tuple[int, int] | None) -> None:
        if key is None:
            return
        with self._lock:
            self.held[key][0] -= 1
            if not self.held[key][0]:
                del self.held[key]


_installed: list[Runtime] = []


def _runtime() -> Runtime:
    return _installed[-1]


def _where() -> str:
    """The line of the package, or else of the caller, that this comes from."""
    frame, first = sys._getframe(1), ""
    while frame is not None:
        name = frame.f_code.co_filename
        if "mono_depth_ros/" in name and "site-packages" not in name:
            return f"{name.rpartition('mono_depth_ros/')[2]}:{frame.f_lineno}"
        if not first and "fake_cuda/" not in name and "/torch/" not in name and "/contextlib" not in name:
            first = f"{name.rpartition('/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return first


@contextmanager
def installed(gpu: Runtime) -> Iterator[None]:
    """`torch.cuda` speaks to these devices."""
    properties = SimpleNamespace(name=gpu.name, major=9, minor=0, total_memory=gpu.memory, multi_processor_count=132)
    stand_ins: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "_lazy_init": lambda: None,
        "device_count": lambda: gpu.devices,
        "current_device": gpu.current_device,
        "_exchange_device": gpu.exchange_device,
        "_maybe_exchange_device": gpu.exchange_device,
        "set_device": lambda device: gpu.exchange_device(gpu.device_of(device).index) and None,
        "Stream": Stream,
        "Event": Event,
        "CUDAGraph": CUDAGraph,
        "graph_pool_handle": lambda: (0, 1),
        "current_stream": gpu.current_stream,
        "default_stream": gpu.default_stream,
        "set_stream": gpu.set_stream,
        "synchronize": gpu.synchronize,
        "empty_cache": gpu.empty_cache,
        "is_current_stream_capturing": lambda: (
            gpu.capturing is not None
            and gpu.capturing.record is not None
            and gpu.capturing.record.stream is gpu.current_stream()
        ),
        "get_device_name": lambda device=None: gpu.name,
        "get_device_properties": lambda device=None: properties,
        "get_device_capability": lambda device=None: (properties.major, properties.minor),
        "get_arch_list": lambda: ["sm_90"],
        "is_bf16_supported": lambda including_emulation=True: True,
        "mem_get_info": lambda device=None: (gpu.memory - gpu.allocated(device), gpu.memory),
        "memory_allocated": gpu.allocated,
        "max_memory_allocated": lambda device=None: gpu.peak[gpu.device_of(device).index],
        "reset_peak_memory_stats": lambda device=None: gpu.peak.__setitem__(
            gpu.device_of(device).index, gpu.allocated(device)
        ),
    }
    with ExitStack() as stack:
        for name, stand_in in stand_ins.items():
            stack.enter_context(patch.object(torch.cuda, name, stand_in))
        stack.enter_context(patch.object(torch._C, "_host_emptyCache", lambda: None, create=True))
        _installed.append(gpu)
        try:
            yield
        finally:
            _installed.pop()
