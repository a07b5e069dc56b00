# SPDX-License-Identifier: Apache-2.0
"""The optional packages behind the engines: imported when an engine is asked for, with the pip line where missing."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

from mono_depth_ros.errors import ModelError

_DISTRIBUTIONS = ("torch", "transformers", "openvino", "onnxruntime", "onnxruntime-gpu", "onnx", "onnxscript")


def load_package(module: str, extra: str, what: str) -> Any:
    """A module that `what` needs and our `extra` brings.

    Raises:
        ModelError: it is not installed; says the pip line.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(
            f"{what} needs the package {module}, which cannot be imported ({error}): "
            f"pip install 'mono_depth_ros[{extra}]'"
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
