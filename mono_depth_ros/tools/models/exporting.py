# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models export NAME --engine onnx|openvino`: a model's graph as a file of its own.

For other programs, and for `mono_depth image --model exported.onnx`.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mono_depth_ros.atomic import atomic_path, saying_why
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.startup import importing

if TYPE_CHECKING:
    from mono_depth_ros.models.engine_model import EngineModel
    from mono_depth_ros.models.runtime.engine import GraphFile

LOGGER = logging.getLogger(__name__)
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
"""What can be exported, and the suffix of its file."""


def run(args: argparse.Namespace) -> int:
    """Write the graph and print its path; 0.

    Raises:
        ModelError: the model cannot be loaded or exported, or the file cannot be written.
    """
    with importing():
        from mono_depth_ros.models.engine_model import EngineModel
        from mono_depth_ros.models.loading import load_model

    model = load_model(ModelConfig(model=args.name, device="cpu", engine="torch", precision="fp32"))
    path = export_model(cast(EngineModel, model), args.engine, args.out or Path())
    if args.json:
        print(json.dumps({"name": args.name, "engine": args.engine, "path": str(path), "bytes": path.stat().st_size}))
    else:
        print(path)
        print(f"licence of the weights: {model.spec.licence}", file=sys.stderr)
    return 0


def export_model(model: EngineModel, engine: str, out: Path) -> Path:
    """Write the graph of a model, checked against the model itself; all of it or nothing.

    `onnx` writes `out`, weights inside up to 2 GB and in `out`.data above, and for the families whose processing it can
    tell the contract file beside it, with which the graph can be loaded by path. `openvino` writes `out` and its .bin.

    Args:
        model: loaded with engine torch in fp32 on the CPU.
        out: with the suffix of SUFFIXES, or a directory, where it is called as the model.

    Returns:
        The file of the graph.

    Raises:
        ModelError: another kind of export, the model runs in another engine, a package is missing, the network cannot
            be exported or its graph gives other depth, or the file cannot be written.
    """
    from mono_depth_ros.models.engine_model import contract_of
    from mono_depth_ros.models.processing import contract_path
    from mono_depth_ros.models.runtime.engine import Network
    from mono_depth_ros.models.runtime.engines import build
    from mono_depth_ros.models.runtime.graph import graph_of
    from mono_depth_ros.models.runtime.selfcheck import Reference, check
    from mono_depth_ros.models.runtime.torch_engine import TorchEngine

    if engine not in SUFFIXES:
        raise ModelError(f"export as '{engine}', expected {' or '.join(SUFFIXES)}")
    if not isinstance(model.run, TorchEngine) or model.run.precision != "fp32":
        raise ModelError(f"{model.spec.name} is loaded with engine {model.engine}, expected torch fp32 to export it")
    path = out / f"{Path(model.spec.name).name}{SUFFIXES[engine]}" if out.is_dir() else out
    if path.suffix != SUFFIXES[engine]:
        raise ModelError(f"{path} ends in '{path.suffix}', expected {SUFFIXES[engine]} or a directory")
    network, examples = model.network, tuple(model.examples())
    assert isinstance(network, Network), "torch runs no graph of a file"
    graph = graph_of(network, examples)
    exported = build(graph, examples, "onnxruntime" if engine == "onnx" else engine, model.device, "fp32")
    check(exported, Reference.of(model.run, examples, network.depth))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if engine == "openvino":
            _save_openvino(graph, path)
            return path
        _save_onnx(graph, path)
        try:
            contract_of(model).write(contract_path(path))
        except ModelError as error:
            LOGGER.warning("%s cannot be loaded by its path: %s", path, error)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _save_onnx(graph: GraphFile, path: Path) -> None:
    data = graph.path.with_name(f"{graph.path.name}.data")
    if not data.exists():
        with atomic_path(path) as temporary:
            shutil.copyfile(graph.path, temporary)
        return
    from mono_depth_ros.models.runtime.device import load_package

    onnx = load_package("onnx", "onnx onnxscript", "the export of graphs")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        location = f"{path.name}.data"  # the name is inside the graph
        with saying_why(path, Path(folder)):
            onnx.save_model(
                onnx.load(str(graph.path)), f"{folder}/{path.name}", save_as_external_data=True, location=location
            )
        shutil.copymode(f"{folder}/{path.name}", f"{folder}/{location}")  # onnx makes it private
        for name in (location, path.name):  # the graph last: while it is missing nothing can be loaded
            (Path(folder) / name).replace(path.parent / name)


def _save_openvino(graph: GraphFile, path: Path) -> None:
    from mono_depth_ros.models.runtime.device import load_package

    openvino = load_package("openvino", "openvino", "the export of graphs")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        target = Path(folder) / path.name
        # Half precision is a matter of how it is run, and a file that says less than it was given is a surprise.
        with saying_why(path, Path(folder)):
            openvino.save_model(openvino.Core().read_model(str(graph.path)), str(target), compress_to_fp16=False)
            for file in (target.with_suffix(".bin"), target):
                file.replace(path.parent / file.name)
