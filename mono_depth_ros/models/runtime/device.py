# SPDX-License-Identifier: Apache-2.0
"""What this machine has: devices, their memory, the optional packages behind the engines.

CUDA that was asked for and is not there is an error, never a silent CPU. Out of GPU memory is one sentence: how much
was there, and which smaller model fits.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import logging
import platform
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.runtime import gpu
from mono_depth_ros.models.runtime.device_errors import causes, is_out_of_memory, let_go

LOGGER = logging.getLogger(__name__)
_RUNTIMES = ("openvino", "onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-cu12", "tensorrt-cu13")
_DISTRIBUTIONS = ("torch", "transformers", *_RUNTIMES, "onnx", "onnxscript")

_WORKING = 2.5
"""Memory at run time over that of the float32 weights, roughly: weights, activations, the libraries' workspaces."""


def pick_device(name: str = "auto") -> torch.device:
    """The torch device for `auto`, `cpu`, `cuda` or `cuda:N`.

    `auto` is the first CUDA device that torch can use, else the CPU, and logs which.

    Raises:
        ModelError: another name, no usable CUDA device, or fewer than N + 1 of them.
    """
    found = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", name)
    if found is None:
        raise ModelError(f"device is '{name}', expected auto, cpu, cuda or cuda:N")
    if name == "auto":
        reasons = [gpu.why_not(index) for index in range(max(torch.cuda.device_count(), 1))]
        device = torch.device("cuda", reasons.index("")) if "" in reasons else torch.device("cpu")
        if "" in reasons or not gpu.is_here():
            LOGGER.info("device auto: %s", describe(device))
        else:
            LOGGER.warning("device auto: %s, and the NVIDIA GPU is not used: %s", describe(device), reasons[0])
        return device
    if name == "cpu":
        return torch.device("cpu")
    index, count = int(found[1] or 0), torch.cuda.device_count()
    if torch.cuda.is_available() and index >= count:
        there = "only cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise ModelError(f"device is '{name}' but this machine has {there}")
    if reason := gpu.why_not(index):
        raise ModelError(f"device is '{name}' but {reason}; or choose device:=cpu or device:=auto")
    return torch.device("cuda", index)


def describe(device: torch.device) -> str:
    """The device in words for a log line, such as `cuda:0 (NVIDIA Orin)`."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"


def set_threads(threads: int) -> None:
    """Let torch use `threads` CPU threads in this process; 0 leaves its own choice (one a core, or OMP_NUM_THREADS).

    Raises:
        ModelError: a negative number.
    """
    if threads < 0:
        raise ModelError(f"threads is {threads}, expected 0 (one a core) or more")
    if threads:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def memory_explained(name: str, device: torch.device) -> Iterator[None]:
    """Turn an out-of-memory error of any engine into one sentence.

    Raises:
        ModelError: memory ran out; says how much was asked for and free, and names a smaller model of the family.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        text = "\n".join(map(str, causes(error)))
        let_go(error)
        raise ModelError(out_of_memory(name, device, text)) from error


def out_of_memory(name: str, device: torch.device, text: str) -> str:
    """The sentence, from a model's name and the text of the error."""
    free, total = free_memory(device)
    wanted = re.search(r"[Tt]ried to allocate ([\d.]+ ?[KMG]i?B)", text) or re.search(r"of size (\d+)", text)
    if wanted is None:
        asked = ""
    elif wanted[1].isdigit():
        asked = f" {int(wanted[1]) / 2**20:.0f} MiB more were asked for,"
    else:
        asked = f" {wanted[1]} more were asked for,"
    memory = f"{free / 2**20:.0f} of {total / 2**20:.0f} MiB are free"
    found = f"{name} does not fit into the memory of {device}:{asked} {memory}"
    smaller = smaller_model(name, free)
    more = "expected more memory, or device:=cpu" if device.type == "cuda" else "expected more memory"
    return f"{found}; {f'model:={smaller} is smaller' if smaller else more}"


def smaller_model(name: str, free: int) -> str | None:
    """The largest model of the same family and kind that needs less: one that fits into `free` bytes, else the least.

    None where `name` is the smallest already or is not in the catalogue.
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        return None
    smaller = sorted(
        (other for other in CATALOGUE.values() if _alike(other, entry) and other.parameters_m < entry.parameters_m),
        key=lambda other: other.parameters_m,
    )
    fitting = [other for other in smaller if other.megabytes * 1e6 * _WORKING < free]
    chosen = fitting[-1:] or smaller[:1]
    return chosen[0].name if chosen else None


def free_memory(device: torch.device) -> tuple[int, int]:
    """Free and total bytes of a CUDA device, of this machine for the CPU; zeros where nobody tells."""
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # a device that has failed altogether
            give_back()
            free, total = torch.cuda.mem_get_info(device)
            return free, total
        return 0, 0
    with contextlib.suppress(OSError):
        found = re.findall(r"(MemAvailable|MemTotal): +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
        sizes = {name: int(size) * 1024 for name, size in found}
        return sizes.get("MemAvailable", 0), sizes.get("MemTotal", 0)
    return 0, 0


def give_back() -> None:
    """What torch keeps of a GPU's memory after it was freed goes back, for other libraries and other processes."""
    if torch.cuda.is_initialized():
        with contextlib.suppress(RuntimeError):  # a device that has failed: whoever computes on it hears of that
            torch.cuda.empty_cache()


def _alike(one: CatalogueEntry, other: CatalogueEntry) -> bool:
    return (one.family, one.kind, one.max_depth_m) == (other.family, other.kind, other.max_depth_m)


def load_package(module: str, packages: str, what: str) -> Any:
    """A module that `what` needs; `packages` are all that pip must install for it.

    Raises:
        ModelError: it is not installed; says the pip line.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(
            f"{what} needs the package {module}, which cannot be imported ({error}): pip install {packages}"
        ) from error


def versions() -> dict[str, str]:
    """Versions of the packages whose change can change an engine's speed or results, of those installed."""
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=8)
def processor(device: torch.device) -> str:
    """The name of the processor or GPU."""
    if device.type == "cuda":
        return gpu.identity(device)
    lines = _cpuinfo().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part", "flags"))]
    return " ".join(dict.fromkeys(names)) or platform.processor()


def _cpuinfo() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return ""
