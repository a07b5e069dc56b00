# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file says of itself, read without running it, and whether its contract fits."""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.preprocess import CAMERA_RANKS
from mono_depth_ros.models.processing import Processing, PromptInput
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

    def open_axes(self) -> dict[int, str]:
        """The axes whose size may change, by their name, "" where they have none."""
        return {i: side.strip("?") for i, side in enumerate(self.shape or ()) if isinstance(side, str)}

    def __str__(self) -> str:
        sides = "of any shape" if self.shape is None else "x".join(map(str, self.shape)) or "scalar"
        return f"{self.name} ({sides}, {self.dtype})"


@dataclass(frozen=True)
class Graph:
    """Inputs and outputs of an ONNX file, in its order, the files beside it that hold weights, and the precision of
    most of them."""

    path: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    beside: tuple[Path, ...] = ()
    precision: str = "fp32"


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
    beside = _check_external(model, path)
    weights = {item.name for item in model.graph.initializer}
    return Graph(
        path,
        tuple(_port(onnx, item) for item in model.graph.input if item.name not in weights),
        tuple(_port(onnx, item) for item in model.graph.output),
        beside,
        _precision(onnx, model),
    )


def _onnx() -> Any:
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        line = "pip install onnx onnxscript onnxruntime, with CUDA onnxruntime-gpu instead of onnxruntime"
        raise ModelError(f"models in ONNX files need more packages ({error}): {line}") from error


def _port(onnx: Any, item: Any) -> Port:
    tensor = item.type.tensor_type
    name = onnx.TensorProto.DataType.Name(tensor.elem_type)
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(
            side.dim_value if side.HasField("dim_value") else side.dim_param or "?" for side in tensor.shape.dim
        )
    return Port(item.name, shape, _DTYPES.get(name, name.lower()))


def _precision(onnx: Any, model: Any) -> str:
    """That of most weights; small ones, such as of norms, often stay in float32."""
    kinds, count = onnx.TensorProto, Counter[str]({"fp32": 0})
    names = {kinds.FLOAT: "fp32", kinds.DOUBLE: "fp32", kinds.FLOAT16: "fp16", kinds.BFLOAT16: "bf16"}
    for tensor in _tensors(model.graph):
        if tensor.data_type in names:
            count[names[tensor.data_type]] += math.prod(tensor.dims)
    return count.most_common(1)[0][0]


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


def _check_external(model: Any, path: Path) -> tuple[Path, ...]:
    """The files with weights beside the file: there, long enough, and not outside of its folder."""
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
    return tuple(folder / name for name in needed)


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


_AXES: dict[str, tuple[int | str, ...]] = {
    "nchw": ("n", 3, "h", "w"),
    "nhwc": ("n", "h", "w", 3),
    "n1chw": ("n", 1, 3, "h", "w"),
    "chw": (3, "h", "w"),
    "hwc": ("h", "w", 3),
}
_CAMERA: dict[str, tuple[str, tuple[tuple[int | str, ...], ...]]] = {
    "focal_px": ("(N, 1), (N,) or one number", ((), ("n",), ("n", 1))),
    "matrix": ("(N, 3, 3) or (3, 3)", ((3, 3), ("n", 3, 3))),
    "matrix4": ("(N, 4, 4) or (4, 4)", ((4, 4), ("n", 4, 4))),
    "inverse_matrix": ("(N, 3, 3) or (3, 3)", ((3, 3), ("n", 3, 3))),
    "vector": ("(N, 4) or (4,)", ((4,), ("n", 4))),
    "rays": ("(N, 3, H, W) or (3, H, W)", ((3, "h", "w"), ("n", 3, "h", "w"))),
}


def check_fit(graph: Graph, processing: Processing) -> None:
    """Raise ModelError unless the graph has the inputs and outputs of the contract, of shapes and dtypes that suit."""
    _check_names(graph, "inputs", graph.inputs, processing.input_names, "'constants' gives further inputs a number")
    outputs = (*processing.outputs.wanted.values(), *processing.outputs.ignored)
    _check_names(graph, "outputs", graph.outputs, outputs, "'ignored' names those that are not wanted")
    ports = {port.name: port for port in graph.inputs}
    _check_image(graph, ports[processing.input.name], processing)
    if processing.intrinsics is not None:
        port, (words, shapes) = ports[processing.intrinsics.name], _CAMERA[processing.intrinsics.form]
        if port.shape is not None and not any(_fits(port.shape, shape) for shape in shapes):
            expected = f"{words} for intrinsics as {processing.intrinsics.form}"
            raise ModelError(f"{graph.path} has the input {port}, expected {expected}")
        if processing.intrinsics.form == "rays" and port.shape is not None:
            _check_sides(graph, port, shapes[len(port.shape) - 3], processing)
    if processing.prompt is not None:
        _check_prompt(graph, ports[processing.prompt.name], processing.prompt)
    for name in processing.constants:
        if any(side not in (1,) and isinstance(side, int) for side in ports[name].shape or ()):
            raise ModelError(f"{graph.path} has the input {ports[name]}, expected one number for the constant '{name}'")


def takes_batches(graph: Graph, processing: Processing) -> bool:
    """Whether several images can be given at once."""
    ports = {port.name: port for port in graph.inputs}
    shape = ports[processing.input.name].shape
    if processing.prompt is not None:
        prompt = ports[processing.prompt.name].shape
        if prompt is not None and (len(prompt) == 2 or prompt[0] == 1):
            return False
    if processing.input.layout in ("chw", "hwc") or (shape is not None and shape[0] == 1):
        return False
    if processing.intrinsics is None or (shape := ports[processing.intrinsics.name].shape) is None:
        return True
    return len(shape) > CAMERA_RANKS[processing.intrinsics.form] and shape[0] != 1


def _check_names(graph: Graph, what: str, found: tuple[Port, ...], expected: tuple[str, ...], hint: str) -> None:
    there = {port.name for port in found}
    missing = [name for name in expected if name not in there]
    more = [port.name for port in found if port.name not in expected]
    if missing or more:
        wrong = [f"{word} {', '.join(names)}" for word, names in (("lacks", missing), ("has also", more)) if names]
        raise ModelError(
            f"{graph.path} {' and '.join(wrong)}: its {what} are {listed(found)}, "
            f"its contract file names {', '.join(expected)} ({hint})"
        )


def _check_image(graph: Graph, port: Port, processing: Processing) -> None:
    wanted = processing.input
    axes = _AXES[wanted.layout]
    if port.dtype != wanted.dtype:
        raise ModelError(f"{graph.path} has the input {port}, its contract file says dtype {wanted.dtype}")
    if port.shape is None:
        return
    expected = f"expected {wanted.layout} with 3 channels as its contract file says"
    if not _fits(port.shape, axes):
        raise ModelError(f"{graph.path} has the input {port}, {expected}")
    batch = port.shape[0]
    if axes[0] == "n" and isinstance(batch, int) and batch != 1:
        raise ModelError(f"{graph.path} has the input {port}, expected a batch of 1 or of any number, not of {batch}")
    _check_sides(graph, port, axes, processing)


def _check_prompt(graph: Graph, port: Port, prompt: PromptInput) -> None:
    """Raise ModelError unless the input takes a depth map, of the size of the contract where its own is fixed."""
    if port.shape is None:
        return
    if not any(_fits(port.shape, axes) for axes in (("n", 1, "h", "w"), ("n", "h", "w"), ("h", "w"))):
        raise ModelError(
            f"{graph.path} has the input {port}, expected (N, 1, h, w), (N, h, w) or (h, w) for the prompt"
        )
    fixed = prompt.size.fixed
    for side, name, index in ((port.shape[-1], "width", 0), (port.shape[-2], "height", 1)):
        if isinstance(side, int) and (fixed is None or side != fixed[index]):
            given = f"fixed: {list(fixed)}" if fixed else prompt.size.rule
            raise ModelError(
                f"{graph.path} has the input {port} of fixed {name} {side}, but its contract file has the size rule "
                f"{given} for the prompt: expected fixed with the size of the graph"
            )


def _check_sides(graph: Graph, port: Port, axes: tuple[int | str, ...], processing: Processing) -> None:
    """Raise ModelError where height and width are fixed in the graph and others by the contract."""
    rule = processing.input.size
    box = rule.fixed or rule.fit
    for axis, name, index in (("w", "width", 0), ("h", "height", 1)):
        side = (port.shape or axes)[axes.index(axis)]
        if isinstance(side, int) and (box is None or side != box[index]):
            given = f"{rule.rule}: {list(box)}" if box else rule.rule
            raise ModelError(
                f"{graph.path} has the input {port} of fixed {name} {side}, but its contract file has the size rule "
                f"{given}: expected fixed or fit with the size of the graph"
            )


def _fits(shape: tuple[int | str, ...], axes: tuple[int | str, ...]) -> bool:
    """Whether a shape of the graph has these axes, of which those that are numbers are fixed."""
    if len(shape) != len(axes):
        return False
    return all(
        isinstance(side, str) or isinstance(axis, str) or side == axis for side, axis in zip(shape, axes, strict=True)
    )
