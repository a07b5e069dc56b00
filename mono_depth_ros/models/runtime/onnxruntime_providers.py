# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's providers: what this installation has, the options it knows, and why one does not come up.

A provider that fails is replaced by the next of the list, with a line on stdout. Here it is an error, which names the
library that is missing and the package that brings it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import io
import platform
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import first_line
from mono_depth_ros.models.runtime.gpu import JETSON_INDEX

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
OLDEST = (1, 18)
"""The first with `use_tf32`, and with `user_compute_stream` from Python for both CUDA and TensorRT."""
BF16_SINCE = (1, 23)
"""The first with `trt_bf16_enable`; an earlier one refuses the option, whatever its value."""

_MISSING = re.compile(r"(lib[\w+-]+)\.so(?:\.(\d+))?[\d.]*: cannot open shared object file")
_OF_CUDA = {"libcufft": {"11": "12", "12": "13"}}  # others have CUDA's own number
_CUDA_LIBRARIES = ("libcublas", "libcublasLt", "libcudart", "libnvrtc", "libcufft", "libcurand", "libnvJitLink")


def load_runtime(what: str, device: torch.device) -> Any:
    """The module onnxruntime, which `what` needs.

    Raises:
        ModelError: it is not installed, a library that it is linked with is missing, or it is too old.
    """
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        found = f"{what} needs the package onnxruntime, which cannot be imported ({first_line(error)})"
        wheel = "onnxruntime-gpu" if device.type == "cuda" else "onnxruntime"
        line = f"pip install onnx onnxscript {wheel}"
        cure = library_hint(str(error)) or (jetson_line() if device.type == "cuda" and _is_arm() else line)
        raise ModelError(f"{found}: {cure}") from error
    if version(runtime) < OLDEST:
        expected = ".".join(map(str, OLDEST))
        raise ModelError(f"{what} needs onnxruntime {expected} or later, found {runtime.__version__}")
    return runtime


def version(runtime: Any) -> tuple[int, ...]:
    """Major and minor version."""
    return tuple(int(part) for part in re.findall(r"\d+", runtime.__version__)[:2])


def provider_missing(engine: str, device: torch.device, _precision: str = "") -> str | None:
    """Why an engine of ONNX Runtime cannot run on this device, None where it may.

    Raises:
        ModelError: see `load_runtime`.
    """
    runtime = load_runtime(f"engine '{engine}'", device)
    wanted = PROVIDERS["tensorrt" if engine == "tensorrt" else device.type]
    found = runtime.get_available_providers()
    if wanted in found:
        return None
    return f"engine '{engine}' on {device} needs {wanted}, this onnxruntime has {', '.join(found)}: {_gpu_wheel()}"


def open_session(
    engine: str,
    path: Path,
    device: torch.device,
    stream: int = 0,
    tensorrt: Mapping[str, Any] | None = None,
    sides: Mapping[str, int] | None = None,
) -> Any:
    """A session that runs on the provider that was meant.

    Args:
        stream: on CUDA the stream to work on, as a number; it must outlive the session.
        tensorrt: further options of TensorRT, for the engine `tensorrt`.
        sides: sizes of axes of the inputs by their names in the file; with them the graph has no open shapes there.

    Raises:
        ModelError: the provider is missing or does not come up, or the file cannot be run; says why.
    """
    reason = provider_missing(engine, device)
    if reason is not None:
        raise ModelError(reason)
    runtime = importlib.import_module("onnxruntime")
    if device.type == "cuda":
        _preload(runtime, engine)
    wanted = PROVIDERS["tensorrt" if engine == "tensorrt" else device.type]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, size in (sides or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    said = io.StringIO()  # versions that do not know enable_fallback print the error
    try:
        with contextlib.redirect_stdout(said):
            providers = _chain(wanted, device, stream, tensorrt or {})
            session = runtime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception as error:  # its errors share no base class of their own
        raise ModelError(f"engine '{engine}' cannot load {path.name}: {explained(_reason(error))}") from error
    found = session.get_providers()
    if wanted not in found:
        why = _printed(said.getvalue()) or _load_error(runtime, wanted)
        because = f": {explained(why)}" if why else ""
        raise ModelError(f"engine '{engine}' came up with {', '.join(found)}, expected {wanted}{because}")
    return session


def _reason(error: Exception) -> str:
    """What ONNX Runtime says, without its own class, code, file and line."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", first_line(error))
    text = re.sub(r"Load model from .*? failed: ?", "", text)
    text = re.sub(r"\S*/onnxruntime\S*:\d+ .*?\) ", "", text).removeprefix("This is an invalid model. ")
    return text.strip() or "it is no whole ONNX file"


def explained(text: str) -> str:
    """The text of an error, and where it is about a missing library what brings that."""
    hint = library_hint(text)
    return f"{text}: {hint}" if hint else text


def library_hint(text: str) -> str:
    """What brings the library that an error of the loader names, "" where it names none that is known here."""
    found = _MISSING.search(text)
    if found is None:
        return ""
    name, number = found[1], found[2] or ""
    ours = (torch.version.cuda or "").partition(".")[0]
    suffix = f"-cu{ours}" if ours else ""
    if name.startswith(("libnvinfer", "libnvonnxparser")):
        wheel = f"tensorrt{suffix}=={number}.*" if number else f"tensorrt{suffix}"
        return f"TensorRT {number} is missing: pip install '{wheel}', on a Jetson sudo apt install nvidia-jetpack"
    if name.startswith("libcudnn"):
        return f"cuDNN {number} is missing: pip install 'nvidia-cudnn{suffix or '-cu12'}=={number}.*'"
    if not name.startswith(_CUDA_LIBRARIES):
        return ""
    if name == "libcurand":  # which has a number of its own
        return "a library of CUDA is missing: install torch with CUDA, or CUDA itself"
    cuda = _OF_CUDA.get(name, {}).get(number, number)
    if cuda and ours and cuda != ours:
        spec = "'onnxruntime-gpu<1.26'" if int(ours) < 13 else "-U onnxruntime-gpu"
        return f"this onnxruntime is for CUDA {cuda}, torch here for CUDA {torch.version.cuda}: pip install {spec}"
    return f"CUDA {cuda} is not where the loader looks: install torch with CUDA {cuda}, or CUDA {cuda} itself"


def gpu_line() -> str:
    """The pip line for ONNX Runtime with CUDA on this kind of machine."""
    return jetson_line() if _is_arm() else "pip install onnxruntime-gpu"


def jetson_line() -> str:
    """The pip line for ONNX Runtime with CUDA on a Jetson."""
    return f"pip install --index-url {JETSON_INDEX} onnxruntime-gpu"


@lru_cache(maxsize=1)
def tensorrt_version() -> str:
    """The version of TensorRT in this process, "" where there is none; imports it, which also loads its libraries."""
    with contextlib.suppress(Exception):  # ImportError, and what a wheel without its libraries raises
        return str(importlib.import_module("tensorrt").__version__)
    for major in (11, 10, 9, 8):
        with contextlib.suppress(OSError, AttributeError):
            return f"{major}.{ctypes.CDLL(f'libnvinfer.so.{major}').getInferLibVersion()}"
    return ""


def _gpu_wheel() -> str:
    """What to do about a wheel without the provider."""
    if _installed("onnxruntime"):
        # The two wheels write into one folder: that of the CPU over the other's, and nothing is left after it goes.
        return f"pip uninstall -y onnxruntime onnxruntime-gpu, then {gpu_line()}{_else_jetson()}"
    return f"{gpu_line()}{_else_jetson()}"


def _else_jetson() -> str:
    return "" if _is_arm() else f", on a Jetson {jetson_line()}"


def _is_arm() -> bool:
    return platform.machine() in ("aarch64", "arm64")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _preload(runtime: Any, engine: str) -> None:
    """Load the libraries of CUDA, cuDNN and TensorRT that pip installed: they are not where the loader looks."""
    if hasattr(runtime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # of what it lacks; the session says the same
            runtime.preload_dlls()
    if engine == "tensorrt":
        tensorrt_version()


def _chain(provider: str, device: torch.device, stream: int, tensorrt: Mapping[str, Any]) -> list[Any]:
    """The provider with its options; for TensorRT, CUDA too, for what TensorRT lacks."""
    if device.type == "cpu":
        return [provider]
    common: dict[str, Any] = {"device_id": device.index or 0}
    if stream:
        common["user_compute_stream"] = str(stream)
    # The exhaustive search, the default, costs up to a second for each new shape; powers of two double the memory.
    own = {"use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
    cuda = (PROVIDERS["cuda"], {**common, **own})
    return [cuda] if provider == PROVIDERS["cuda"] else [(provider, {**common, **tensorrt}), cuda]


def _printed(text: str) -> str:
    found = re.search(r"^EP Error (.+?)(?: when using .*)?$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _load_error(runtime: Any, provider: str) -> str:
    """What the loader says of a provider's library: sessions come up without a provider and say nothing."""
    names = {PROVIDERS["cuda"]: "cuda", PROVIDERS["tensorrt"]: "tensorrt"}
    path = Path(str(runtime.__file__)).parent / "capi" / f"libonnxruntime_providers_{names.get(provider, '')}.so"
    if provider not in names or not path.exists():
        return ""
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return first_line(error)
    return ""
