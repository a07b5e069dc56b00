# SPDX-License-Identifier: Apache-2.0
"""The GPUs of this machine: whether torch can compute on one, why not, and what speed and results on it hang on."""

from __future__ import annotations

import re
from pathlib import Path

import torch

_JETSON = Path("/etc/nv_tegra_release")
_TRACES = (_JETSON, Path("/dev/nvidia0"), Path("/proc/driver/nvidia/version"))
_POWER_MODE = Path("/var/lib/nvpmodel/status")
_CHECK = "check that `nvidia-smi` lists one and that CUDA_VISIBLE_DEVICES is not empty"
JETSON_INDEX = "https://pypi.jetson-ai-lab.io/jp6/cu126"
"""The wheels for JetPack 6 (CUDA 12.6, Python 3.10): PyPI has none with CUDA for a Jetson."""


def is_here() -> bool:
    """Whether the machine has an NVIDIA GPU, as far as its driver's files tell; torch may not be able to use it."""
    return any(path.exists() for path in _TRACES)


def why_not(index: int = 0) -> str:
    """Why torch cannot compute on cuda:`index`, and what helps; "" where it can."""
    jetson = _JETSON.exists()
    wheel = (
        f"one for this Jetson (pip install --index-url {JETSON_INDEX} torch)"
        if jetson
        else "a CUDA build of torch (https://pytorch.org)"
    )
    if torch.version.cuda is None and not torch.cuda.is_available():
        return f"torch {torch.__version__} is built without CUDA: install {wheel}"
    if not torch.cuda.is_available():
        if jetson:
            return f"torch {torch.__version__} finds no CUDA device: expected a torch that fits JetPack, {wheel}"
        return f"torch finds no CUDA device: {_CHECK}"
    capability, known = torch.cuda.get_device_capability(index), torch.cuda.get_arch_list()
    if known and not any(_runs(architecture, capability, jetson) for architecture in known):
        name, number = torch.cuda.get_device_name(index), "{}.{}".format(*capability)
        found = f"torch {torch.__version__} has no kernels for cuda:{index} ({name}, compute capability {number})"
        return f"{found}, only for {', '.join(known)}: install {wheel if jetson else 'another build of torch (https://pytorch.org)'}"
    return ""


def _runs(architecture: str, capability: tuple[int, int], jetson: bool) -> bool:
    """Whether kernels of an architecture, such as sm_86, run on a GPU.

    Machine code runs on the same generation from its own version on, but not across desktop and Tegra; PTX
    (compute_86) on everything later. CUDA C++ Programming Guide, binary and PTX compatibility.
    """
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", architecture)
    if found is None:  # not NVIDIA's
        return True
    version = int(found[2]), int(found[3])
    if found[4] or (jetson and found[1] == "sm"):
        return version == capability
    return version <= capability and (found[1] == "compute" or version[0] == capability[0])


def identity(device: torch.device) -> str:
    """The GPU, or the part of it that a MIG instance is: name, compute capability, multiprocessors, memory."""
    found = torch.cuda.get_device_properties(device)
    return f"{found.name} {found.major}.{found.minor} {found.multi_processor_count} {found.total_memory}"


def power_mode() -> str:
    """The mode that `nvpmodel` has put a Jetson into, such as "pmode:0002"; "" elsewhere."""
    try:
        return _POWER_MODE.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
