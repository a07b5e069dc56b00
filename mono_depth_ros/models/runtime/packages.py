# SPDX-License-Identifier: Apache-2.0
"""The optional packages behind the engines: imported when an engine is asked for, with the pip line where missing."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

from mono_depth_ros.errors import ModelError

_MODULES = {
    "onnxruntime": ("onnxruntime", "onnx"),
    "tensorrt": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "openvino"),
    "export": ("onnxscript", "onnx"),
    "export_file": ("onnx", "onnx"),
}
"""Of each engine, the module it needs and our extra that brings it."""

_DISTRIBUTIONS = ("torch", "transformers", "openvino", "onnxruntime", "onnxruntime-gpu", "onnx", "onnxscript")


def load_package(engine: str) -> Any:
    """The module that an engine, or the `export` of graphs, needs.

    Raises:
        ModelError: it is not installed; says the pip line.
    """
    module, extra = _MODULES[engine]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = "the export of graphs" if engine.startswith("export") else f"engine '{engine}'"
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
