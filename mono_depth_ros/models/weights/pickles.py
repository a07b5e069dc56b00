# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save as people have them: their authors', those of a training, new and old. Nothing in them is run."""

from __future__ import annotations

import argparse
import contextlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.weights.files import INDEX, PICKLE, WHOLE, check_is_binary, check_zip, read_safetensors

SUFFIXES = (".pth", ".pt", ".ckpt", ".bin")

_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch.save began before 1.6: its magic number, pickled."""

_NESTS = ("model", "state_dict", "model_state_dict", "model_state", "network", "net", "params", "ema")
"""Under which a checkpoint of training has the weights; of several the first."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
"""What DataParallel, torch.compile and the frameworks of training put before the name of every weight."""


def read_pth(path: Path, expected: str) -> Any:
    """What a file of torch.save holds, tensors mapped into memory where its format allows that; nothing in it is run.

    Args:
        expected: what the file should be, for the errors, such as "a .pth of the authors".

    Raises:
        ModelError: the file is cut off, damaged, of another format, or would run code.
    """
    head = check_is_binary(path, expected)
    if not head.startswith((_ZIP, _LEGACY)):
        raise ModelError(f"{path} is no file of torch.save, expected {expected}")
    zipped = head.startswith(_ZIP)
    if zipped:
        check_zip(path)
    try:
        with _harmless():
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        named = re.search(r"(?:GLOBAL|global:?|class) ([\w.]+\.\w+)", str(error))
        what = f" ({named[1]})" if named else ""
        raise ModelError(f"{path} holds objects that can run code when loaded{what}, expected tensors alone") from error
    except Exception as error:  # torch raises many kinds for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} cannot be read, expected {expected}: {reason}") from error


def read_directory(directory: Path) -> dict[str, Tensor]:
    """The weights of a directory in the format of transformers: its safetensors, or where it has none the pickle.

    Raises:
        ModelError: as `read_safetensors`, or `read_pth`.
    """
    path = directory / PICKLE
    if not path.is_file() or any((directory / name).is_file() for name in (INDEX, WHOLE)):
        return read_safetensors(directory)
    return tensors_in(read_pth(path, "weights alone"), path)


def tensors_in(found: Any, path: Path) -> dict[str, Tensor]:
    """The weights in what `read_pth` gave, however a training has nested and prefixed them.

    Raises:
        ModelError: there are none, or other things among them.
    """
    while isinstance(found, Mapping) and not any(isinstance(value, Tensor) for value in found.values()):
        nest = next((name for name in _NESTS if isinstance(found.get(name), Mapping)), None)
        if nest is None:
            break
        found = found[nest]
    if not isinstance(found, Mapping) or not found:
        raise ModelError(f"{path} holds {type(found).__name__}, expected tensors by their names")
    odd = [name for name, value in found.items() if not (isinstance(value, Tensor) and isinstance(name, str))]
    if odd:
        raise ModelError(
            f"{path} holds {type(found[odd[0]]).__name__} under {odd[0]!r}, expected tensors by their names"
        )
    weights = dict(found)
    while prefix := next((prefix for prefix in _PREFIXES if all(name.startswith(prefix) for name in weights)), ""):
        weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def setting(found: Any, name: str) -> Any:
    """A number or text of this name beside the weights, or in the arguments of the training; None where none is."""
    if not isinstance(found, Mapping):
        return None
    places = [found, *(found.get(key) for key in ("args", "config", "hyper_parameters"))]
    values = [place if isinstance(place, Mapping) else getattr(place, "__dict__", {}) for place in places]
    return next((value[name] for value in values if isinstance(value.get(name), (int, float, str))), None)


def _harmless() -> Any:
    """Objects that trainings save beside tensors and that hold data alone are let in."""
    safe = getattr(torch.serialization, "safe_globals", None)
    if safe is None:
        return contextlib.nullcontext()
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return safe([argparse.Namespace, np.dtype, *kinds, *names])
