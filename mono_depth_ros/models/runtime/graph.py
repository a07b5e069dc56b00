# SPDX-License-Identifier: Apache-2.0
"""Networks as ONNX graphs: exported once for all sizes, kept under a hash of what they are made of."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mono_depth_ros.cache import cache_folder, sealed_sha256, sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.device import load_package, versions
from mono_depth_ros.models.runtime.engine import GraphFile, Inputs, Network, first_line

LOGGER = logging.getLogger(__name__)
FORMAT = 1
"""Raised when what `export` writes changes for a reason that the hash does not see."""

_FILE, _SEALS = "graph.onnx", "seals.json"
_LARGEST = 2**31 - 2**20  # bytes of weights that fit into one ONNX file
# Half of fewer than 3 rows is one, for which torch would make another graph; of tokens there are rows times columns.
_LEAST = {"batch": 1, "tokens": 9}
_MOST = {"batch": 64, "tokens": 2**20}  # of an axis; others: 1024 units, 14336 pixels of a ViT


def graph_of(network: Network, examples: Sequence[Inputs]) -> GraphFile:
    """The network's graph from the cache, exported into it where it is missing or damaged.

    Two processes may do this at once: both export, the first to finish is kept.

    Raises:
        ModelError: onnxscript is missing, torch cannot export the network, or the cache cannot be written.
    """
    folder = cache_folder("graphs") / f"{network.name.replace('/', '_')[:80]}-{content_hash(network, examples)[:32]}"
    if not intact(folder):
        _discard(folder)
        LOGGER.info("exporting the graph of %s to %s, once", network.name, folder)
        _fill(folder, network, examples)
    return graph_in(folder, network)


def half_graph_of(network: Network, examples: Sequence[Inputs]) -> GraphFile:
    """The graph of a copy in float16, inputs and outputs too: what to keep in float32 needs no further package."""
    half = Network(
        network.name,
        network.copied(torch.float16, torch.device("cpu")),
        network.inputs,
        network.outputs,
        network.shapes,
        network.depth,
    )
    graph = graph_of(half, [tuple(value.half() for value in inputs) for inputs in examples])
    return replace(graph, precision="fp16")


def graph_in(folder: Path, network: Network) -> GraphFile:
    """The graph of a network in a folder that `graph_of` gave before."""
    return GraphFile(network.name, folder / _FILE, network.inputs, network.outputs, network.depth, axes=network.shapes)


def intact(folder: Path) -> bool:
    """Whether every file is as it was written: a disk that filled up or a file that was changed is noticed here."""
    try:
        seals = json.loads((folder / _SEALS).read_text(encoding="utf-8"))
        return _FILE in seals and all(sealed_sha256(folder / name) == seal for name, seal in seals.items())
    except (OSError, ValueError, RecursionError, TypeError):
        return False


def write_graph(network: Network, examples: Sequence[Inputs], path: Path) -> None:
    """Export to `path`; weights above 2 GB go beside it into `path`.data.

    Args:
        examples: two sets of inputs; the first is traced, axes named in `network.shapes` stay open.

    Raises:
        ModelError: onnxscript is missing, or torch cannot export the network.
    """
    load_package("onnxscript", "onnx onnxscript", "the export of graphs")
    example = tuple(_batched(value.cpu(), axes) for value, axes in zip(examples[0], network.shapes, strict=True))
    size = sum(value.nbytes for value in (*network.module.parameters(), *network.module.buffers()))
    try:
        with _quiet():
            program = torch.onnx.export(
                _on_cpu(network.module),
                example,
                dynamo=True,
                input_names=list(network.inputs),
                output_names=list(network.outputs),
                dynamic_shapes=_dimensions(network.shapes),
                verbose=False,
            )
            assert program is not None
            program.save(str(path), external_data=size > _LARGEST)
    except Exception as error:  # whatever the tracing of somebody's module raises
        raise ModelError(f"the graph of {network.name} cannot be exported: {first_line(error)}") from error


def content_of(network: Network | GraphFile, examples: Callable[[], Iterable[Inputs]]) -> str:
    """The digests of the files that a network follows from; its `content_hash` where these are not known.

    Raises:
        OSError: a file cannot be read.
    """
    if isinstance(network, GraphFile):
        return _digests((network.path, *network.beside))
    if network.files:
        return f"{_digests([path for path in network.files if path.exists()])} {network.shapes}"
    return content_hash(network, tuple(examples()))


def content_hash(network: Network, examples: Sequence[Inputs]) -> str:
    """SHA-256 of all that a graph depends on.

    These are weights, structure, settings and source code of the network, the sides of its inputs that are fixed, and
    the packages that export it.
    """
    digest = hashlib.sha256()
    packages = {
        name: version for name, version in versions().items() if name in ("torch", "transformers", "onnx", "onnxscript")
    }
    fixed = [
        [axes.get(axis, side) for axis, side in enumerate(value.shape)]
        for value, axes in zip(examples[0], network.shapes, strict=True)
    ]
    head = (FORMAT, network.inputs, network.outputs, fixed, packages)
    digest.update(repr(head).encode())
    for name, module in network.module.named_modules():
        digest.update(f"{name} {type(module).__module__}.{type(module).__qualname__} {_settings(module)}".encode())
    for source in _sources({type(module) for module in network.module.modules()}):
        digest.update(source.read_bytes())
    for name, value in network.module.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _digests(files: Sequence[Path]) -> str:
    return repr([(path.name, sealed_sha256(path)) for path in files])


def _settings(module: nn.Module) -> str:
    """The plain values among a module's attributes, such as a depth limit: they are part of the function."""
    plain = (bool, int, float, str, tuple, list, type(None))
    values = {key: value for key, value in vars(module).items() if isinstance(value, plain) and not key.startswith("_")}
    return f"{module.extra_repr()} {sorted(values.items(), key=lambda item: item[0])}"


def _sources(kinds: set[type[nn.Module]]) -> list[Path]:
    """The files that classes of modules are in, and those of ours that these files take names from.

    torch's and transformers' are told by their versions.
    """
    package = __name__.partition(".")[0]
    modules = {kind.__module__ for kind in kinds if not kind.__module__.startswith(("torch.", "transformers."))}
    for name in list(modules):
        taken = (getattr(value, "__module__", None) for value in vars(sys.modules.get(name, sys)).values())
        modules |= {str(other) for other in taken if str(other).startswith(f"{package}.")}
    files = (getattr(sys.modules.get(name), "__file__", None) for name in modules)
    return sorted(Path(file) for file in files if file)


def _batched(value: torch.Tensor, axes: dict[int, str]) -> torch.Tensor:
    """An example with two in the batch, as a size of 1 would be taken for fixed; contiguous, as engines give it."""
    doubled = [axis for axis, name in axes.items() if name == "batch" and value.shape[axis] == 1]
    for axis in doubled:
        value = torch.cat((value, value), dim=axis)
    return value.contiguous()


def _dimensions(shapes: Sequence[dict[int, str]]) -> tuple[dict[int, Any], ...]:
    """`Network.shapes` in torch's terms."""
    dims: dict[str, Any] = {}

    def dimension(name: str) -> Any:
        factor, _, unit = name.rpartition("*")
        if unit not in dims:
            dims[unit] = torch.export.Dim(unit, min=_LEAST.get(unit, 3), max=_MOST.get(unit, 1024))
        return int(factor) * dims[unit] if factor else dims[unit]

    return tuple({axis: dimension(name) for axis, name in axes.items()} for axes in shapes)


def _fill(folder: Path, network: Network, examples: Sequence[Inputs]) -> None:
    """Export into a temporary sibling, seal, rename."""
    temporary = Path(tempfile.mkdtemp(prefix=".export-", dir=folder.parent))
    try:
        write_graph(network, examples, temporary / _FILE)
        seals = {path.name: sha256(path) for path in temporary.iterdir()}
        (temporary / _SEALS).write_text(json.dumps(seals), encoding="utf-8")
        temporary.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was first: what it wrote is checked below
            os.rename(temporary, folder)
        if not intact(folder):
            raise ModelError(f"the graph of {network.name} cannot be kept in {folder}, expected a folder to write to")
    except OSError as error:
        raise ModelError(f"the graph of {network.name} cannot be written to {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _discard(folder: Path) -> None:
    if folder.exists():
        LOGGER.warning("the graph in %s is damaged and is made again", folder)
        shutil.rmtree(folder, ignore_errors=True)


def _on_cpu(module: nn.Module) -> nn.Module:
    """What a graph holds is nobody's device's. A copy: an engine that holds the module has recorded where it lies."""
    return module if all(value.device.type == "cpu" for value in module.parameters()) else copy.deepcopy(module).cpu()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints progress and warns of packages that do not matter here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
