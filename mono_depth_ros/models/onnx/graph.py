# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file says of itself, read without running it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.weights.files import check_is_binary

_DTYPES = {"FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64"}


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        shape: a number for a fixed side, its name or "?" for one that may change; None where the file says nothing.
        dtype: such as "float32" or "int64".
    """

    name: str
    shape: tuple[int | str, ...] | None
    dtype: str

    def __str__(self) -> str:
        sides = "of any shape" if self.shape is None else "x".join(map(str, self.shape)) or "scalar"
        return f"{self.name} ({sides}, {self.dtype})"


@dataclass(frozen=True)
class Graph:
    """Inputs and outputs of an ONNX file, in its order."""

    path: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def listed(ports: tuple[Port, ...]) -> str:
    """Ports in words."""
    return ", ".join(map(str, ports)) or "none"


def read_graph(path: Path) -> Graph:
    """The inputs and outputs of an ONNX file.

    Raises:
        ModelError: the package onnx is not installed; the file is a Git LFS pointer, a web page, damaged or cut off,
            newer than the installed onnx knows, or files with its weights are missing.
    """
    check_is_binary(path, "an ONNX file")
    onnx = _onnx()
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # DecodeError of whichever protobuf is installed
        raise ModelError(f"{path} cannot be read as ONNX, expected a whole file: {_line(error)}") from error
    if not model.graph.output or not model.graph.input:
        raise ModelError(f"{path} holds no graph with inputs and outputs: cut off, or no ONNX file")
    _check_versions(onnx, model, path)
    _check_external(model, path)
    weights = {item.name for item in model.graph.initializer}
    return Graph(
        path,
        tuple(_port(onnx, item) for item in model.graph.input if item.name not in weights),
        tuple(_port(onnx, item) for item in model.graph.output),
    )


def _onnx() -> Any:
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ModelError(
            f"models in ONNX files need the packages onnx and onnxruntime ({error}): pip install 'mono_depth_ros[onnx]'"
        ) from error


def _port(onnx: Any, item: Any) -> Port:
    tensor = item.type.tensor_type
    name = onnx.TensorProto.DataType.Name(tensor.elem_type)
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(
            side.dim_value if side.HasField("dim_value") else side.dim_param or "?" for side in tensor.shape.dim
        )
    return Port(item.name, shape, _DTYPES.get(name, name.lower()))


def _check_versions(onnx: Any, model: Any, path: Path) -> None:
    opsets = [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    versions = [("IR version", model.ir_version, onnx.IR_VERSION)]
    versions += [("opset", version, onnx.defs.onnx_opset_version()) for version in opsets]
    for what, found, newest in versions:
        if found > newest:
            raise ModelError(
                f"{path} has {what} {found}, the installed onnx {onnx.__version__} knows up to {newest}: "
                "pip install -U onnx onnxruntime, or export it for an older one"
            )


def _check_external(model: Any, path: Path) -> None:
    """Weights beside the file: there, long enough, and not outside of its folder."""
    needed: dict[str, int] = {}
    for tensor in _tensors(model.graph):
        if tensor.data_location != 1:  # TensorProto.EXTERNAL
            continue
        values = {item.key: item.value for item in tensor.external_data}
        name, end = values.get("location", ""), int(values.get("offset", 0)) + int(values.get("length", 0))
        needed[name] = max(needed.get(name, 0), end)
    folder = path.parent.resolve()
    for name, length in needed.items():
        file = (folder / name).resolve()
        if not name or not file.is_relative_to(folder):
            raise ModelError(f"{path} has weights in '{name}', expected a file in its own folder")
        if not file.is_file():
            raise ModelError(f"{path} has its weights in {name}, which is not beside it: expected {file}")
        check_is_binary(file, f"the weights of {path.name}")
        if file.stat().st_size < length:
            found = f"{file.stat().st_size} bytes of weights in {name}"
            raise ModelError(f"{path} finds {found}, expected at least {length}: cut off, fetch it again")


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor of a graph, of its nodes and of the graphs inside them."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else []
            yield from attribute.tensors
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _tensors(inner)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
