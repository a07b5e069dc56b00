# SPDX-License-Identifier: Apache-2.0
"""Whether a graph and a contract fit together: told before anything runs, with what there is and what was expected."""

from __future__ import annotations

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.onnx.contract import OnnxContract
from mono_depth_ros.models.onnx.graph import Graph, Port, listed

_AXES: dict[str, tuple[int | str, ...]] = {
    "nchw": ("n", 3, "h", "w"),
    "nhwc": ("n", "h", "w", 3),
    "n1chw": ("n", 1, 3, "h", "w"),
}
_CAMERA: dict[str, tuple[str, tuple[tuple[int | str, ...], ...]]] = {
    "focal_px": ("(N, 1), (N,) or one number", ((), ("n",), ("n", 1))),
    "matrix": ("(N, 3, 3) or (3, 3)", ((3, 3), ("n", 3, 3))),
}


def check_fit(graph: Graph, contract: OnnxContract) -> None:
    """Raise ModelError unless the graph has the inputs and outputs of the contract, of shapes and dtypes that suit."""
    _check_names(graph, "inputs", graph.inputs, contract.input_names, "'constants' gives further inputs a number")
    outputs = (*contract.outputs.wanted.values(), *contract.outputs.ignored)
    _check_names(graph, "outputs", graph.outputs, outputs, "'ignored' names those that are not wanted")
    ports = {port.name: port for port in graph.inputs}
    _check_image(graph, ports[contract.input.name], contract)
    if contract.intrinsics is not None:
        port, (words, shapes) = ports[contract.intrinsics.name], _CAMERA[contract.intrinsics.form]
        if port.shape is not None and not any(_fits(port.shape, shape) for shape in shapes):
            expected = f"{words} for intrinsics as {contract.intrinsics.form}"
            raise ModelError(f"{graph.path} has the input {port}, expected {expected}")
    for name in contract.constants:
        if any(side not in (1,) and isinstance(side, int) for side in ports[name].shape or ()):
            raise ModelError(f"{graph.path} has the input {ports[name]}, expected one number for the constant '{name}'")


def takes_batches(graph: Graph, contract: OnnxContract) -> bool:
    """Whether several images can be given at once."""
    ports = {port.name: port for port in graph.inputs}
    shape = ports[contract.input.name].shape
    if shape is not None and shape[0] == 1:
        return False
    if contract.intrinsics is None or (shape := ports[contract.intrinsics.name].shape) is None:
        return True
    return len(shape) > {"focal_px": 0, "matrix": 2}[contract.intrinsics.form] and shape[0] != 1


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


def _check_image(graph: Graph, port: Port, contract: OnnxContract) -> None:
    wanted, rule = contract.input, contract.input.size
    axes = _AXES[wanted.layout]
    if port.dtype != wanted.dtype:
        raise ModelError(f"{graph.path} has the input {port}, its contract file says dtype {wanted.dtype}")
    if port.shape is None:
        return
    expected = f"expected {wanted.layout} with 3 channels as its contract file says"
    if not _fits(port.shape, axes):
        raise ModelError(f"{graph.path} has the input {port}, {expected}")
    batch = port.shape[0]
    if isinstance(batch, int) and batch != 1:
        raise ModelError(f"{graph.path} has the input {port}, expected a batch of 1 or of any number, not of {batch}")
    box = rule.fixed or rule.fit
    for axis, name, index in (("w", "width", 0), ("h", "height", 1)):
        side = port.shape[axes.index(axis)]
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
