# SPDX-License-Identifier: Apache-2.0
"""`engine_path`: an engine of TensorRT that was built before, instead of minutes at the first start.

Three things can be one:
- a folder with the engines that ONNX Runtime keeps, such as a robot's cache of the same GPU model and versions;
- an .onnx file with an engine in it (an EPContext node), which ONNX Runtime writes with trt_dump_ep_context_model;
- TensorRT's own file, .engine, .plan or .trt, as trtexec writes it.

The model says what goes in and comes out, and the self-check compares them: an engine is never believed.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.cache import sealed_sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.device import load_package
from mono_depth_ros.models.runtime.engine import Engine, EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.graph import graph_of, half_graph_of
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.models.runtime.tensorrt_engine import TensorRtEngine, cannot_run
from mono_depth_ros.models.runtime.tensorrt_plan import PlanEngine, Range

PLANS = (".engine", ".plan", ".trt")


def precision_of(options: EngineOptions) -> str:
    """The precision that a prebuilt engine is judged by; auto is fp16, which they mostly are.

    Raises:
        ModelError: `engine` or `device` do not go with one.
    """
    path = options.engine_path
    if options.engine not in ("auto", "tensorrt"):
        raise ModelError(f"engine_path is '{path}' and engine '{options.engine}', expected engine tensorrt or auto")
    if options.device.type != "cuda":
        raise ModelError(f"engine_path is '{path}', which runs on CUDA only, found device {options.device}")
    return "fp16" if options.precision == "auto" else options.precision


def digest_of(path: Path) -> str:
    """SHA-256 of all files of a prebuilt engine.

    Raises:
        ModelError: there is none at the path; or another kind of file, found and expected.
    """
    if path.is_dir():
        files = sorted(path.glob("*.engine"))
        if not files:
            raise ModelError(f"engine_path {path} has no .engine files, expected those that ONNX Runtime keeps")
    elif path.suffix in (".onnx", *PLANS):
        files = [path, *_beside(path)] if path.suffix == ".onnx" and path.is_file() else [path]
    else:
        expected = f"a folder with .engine files, an .onnx file with an engine in it, or {', '.join(PLANS)}"
        raise ModelError(f"engine_path is {path}, expected {expected}")
    try:
        return hashlib.sha256(repr([(file.name, sealed_sha256(file)) for file in files]).encode()).hexdigest()
    except OSError as error:
        raise ModelError(f"engine_path {path} cannot be read: {error.strerror}") from error


def load(
    path: Path, network: Network | GraphFile, examples: Sequence[Inputs], device: torch.device, precision: str
) -> tuple[Engine, Sequence[Range | None]]:
    """The engine, not checked yet, and for each input the shapes that it takes, None where it does not say.

    Raises:
        ModelError: it cannot be loaded here, or it reads or gives something else than the network.
    """
    if path.suffix in PLANS and not path.is_dir():
        plan = PlanEngine(path, network.inputs, network.outputs, device, precision)
        _check_names(path, network, tuple(plan.inputs), tuple(plan.outputs), plan.describe())
        shapes: list[Range | None] = [plan.inputs[name] for name in network.inputs]
        _check_shapes(path, network, shapes, examples[0])
        return plan, shapes
    reason = cannot_run(device, precision)
    if reason is not None:
        raise ModelError(reason)
    if path.is_dir():
        graph = network
        if isinstance(network, Network):
            graph = (half_graph_of if precision == "fp16" else graph_of)(network, examples)
        assert isinstance(graph, GraphFile)
        return TensorRtEngine(graph, device, precision, path), [None] * len(network.inputs)
    _check_architecture(path, device)
    file = GraphFile(network.name, path, network.inputs, network.outputs, network.depth)
    engine = OnnxRuntimeEngine(file, device, precision, tensorrt={})
    shapes = []
    for name in network.inputs:
        (found,) = (item.shape for item in engine.ports() if item.name == name)
        fixed = tuple(side if isinstance(side, int) else 0 for side in found)
        shapes.append((fixed, fixed, fixed))
    _check_shapes(path, network, shapes, examples[0])
    return engine, shapes


def fitted(examples: Sequence[Inputs], shapes: Sequence[Range | None]) -> list[Inputs]:
    """The examples at sizes that the engine takes: an engine for one size is checked at that one."""
    found = [tuple(map(_fitted, inputs, shapes)) for inputs in examples]
    return [
        inputs
        for index, inputs in enumerate(found)
        if not any(all(map(torch.equal, inputs, other)) for other in found[:index])
    ]


def _fitted(value: Tensor, shape: Range | None) -> Tensor:
    if shape is None:
        return value
    sides = [
        best if least and not least <= side <= most else side
        for side, least, best, most in zip(value.shape, *shape, strict=True)
    ]
    if value.ndim != 4 or sides == list(value.shape):
        return value
    if value.shape[-1] == 3 and sides[-1] == 3:  # channels last
        image = torch.nn.functional.interpolate(value.movedim(-1, 1), sides[1:3], mode="bilinear")
        return image.movedim(1, -1).contiguous()
    return torch.nn.functional.interpolate(value, sides[2:], mode="bilinear")


def _check_names(
    path: Path, network: Network | GraphFile, inputs: tuple[str, ...], outputs: tuple[str, ...], found: str
) -> None:
    if set(inputs) != set(network.inputs) or set(network.outputs) - set(outputs):
        expected = f"inputs {', '.join(network.inputs)} and outputs {', '.join(network.outputs)}"
        raise ModelError(f"{path} has {found}: expected {expected} of {network.name}")


def _check_shapes(path: Path, network: Network | GraphFile, shapes: Sequence[Range | None], example: Inputs) -> None:
    """Raise ModelError where an axis that never changes is of another size, or one image is too few."""
    axes = network.shapes if isinstance(network, Network) else network.axes
    for index, (name, shape, value) in enumerate(zip(network.inputs, shapes, example, strict=True)):
        assert shape is not None
        least, _, most = shape
        open_axes = axes[index] if axes else {}
        right = len(least) == value.ndim
        for axis, (low, side, high) in enumerate(zip(least, value.shape, most, strict=False)):
            unit = open_axes.get(axis, "").rpartition("*")[0]  # of a size that must be a multiple, such as "14*rows"
            if low and axis in open_axes and axis > 0:
                right &= low < high or not unit or low % int(unit) == 0
            elif low:
                right &= low <= side <= high
        if not right:
            takes = f"{least}" if least == most else f"{least} to {most}"
            units = ", ".join(dict.fromkeys(text for text in open_axes.values() if "*" in text))
            more = f" with sides of {units}" if units else ""
            raise ModelError(f"{path} takes {name} of {takes}, expected one like {tuple(value.shape)}{more}")


def _check_architecture(path: Path, device: torch.device) -> None:
    """Raise ModelError where the file says that its engine is of another kind of GPU."""
    found = _context(path).get("hardware_architecture")
    major, minor = torch.cuda.get_device_capability(device)
    if found and found.isdigit() and found != f"{major}{minor}":
        name = torch.cuda.get_device_name(device)
        raise ModelError(f"{path} has an engine for GPUs of {found}, expected {major}{minor} for {name}")


def _beside(path: Path) -> list[Path]:
    """The file with the engine, where it is not in the .onnx file itself."""
    values = _context(path)
    if values.get("embed_mode", "1") != "0":
        return []
    name = values.get("ep_cache_context", "")
    file = (path.parent / name).resolve()
    if not name or not file.is_relative_to(path.parent.resolve()) or not file.is_file():
        raise ModelError(f"{path} has its engine in '{name}', expected a file beside it")
    return [file]


def _context(path: Path) -> dict[str, str]:
    """The attributes of the node that is an engine, in an .onnx file; the engine itself left out.

    Raises:
        ModelError: it cannot be read, or no node of it is.
    """
    load_package("onnx", "onnx", "an engine in an .onnx file")
    onnx = importlib.import_module("onnx")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # DecodeError of whichever protobuf is installed
        raise ModelError(f"engine_path {path} cannot be read as ONNX") from error
    for node in model.graph.node:
        if node.op_type == "EPContext" and node.domain == "com.microsoft":
            inside = any(item.name == "embed_mode" and item.i for item in node.attribute)
            return {
                item.name: str(item.i) if item.type == onnx.AttributeProto.INT else item.s.decode(errors="replace")
                for item in node.attribute
                if not (inside and item.name == "ep_cache_context")
            }
    raise ModelError(f"engine_path {path} is an ONNX file without an engine in it: give a network as model:={path}")
