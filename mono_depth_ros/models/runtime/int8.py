# SPDX-License-Identifier: Apache-2.0
"""Networks in int8 that were quantised on this machine (`mono_depth models quantize`), and whether they still hold.

Each is a folder: the graph for OpenVINO, weights in int8, and a record of what it was made from and judged with. The
judgement counts for that alone: where weights, processor or OpenVINO are others now, it is not run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mono_depth_ros.atomic import saying_why
from mono_depth_ros.cache import cache_folder, sealed_sha256, sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.device import processor, versions
from mono_depth_ros.models.runtime.engine import GraphFile, Network
from mono_depth_ros.models.runtime.graph import content_of

GRAPH, RECORD = "int8.xml", "int8.json"


def folder_of(network: Network | GraphFile) -> Path:
    """Where the int8 form of a network is kept on this machine; it need not exist.

    Raises:
        ModelError: the cache has no place, or the network is made of no files by which it would be known again.
    """
    files = (network.path,) if isinstance(network, GraphFile) else network.files
    if not files:
        raise ModelError(f"{network.name} is not read from files, expected a model whose weights can be told apart")
    known = hashlib.sha256(repr([network.name, *(os.path.abspath(file) for file in files)]).encode()).hexdigest()
    return cache_folder("int8") / f"{network.name.replace('/', '_')[:80]}-{known[:16]}"


def is_int8(folder: Path) -> bool:
    """Whether a folder is one of those."""
    return (folder / RECORD).is_file()


def is_made(network: Network | GraphFile) -> bool:
    """Whether a network was quantised on this machine; `why_not` says whether that still holds."""
    try:
        return is_int8(folder_of(network))
    except ModelError:
        return False


def facts(network: Network | GraphFile) -> dict[str, str]:
    """What the judgement of an int8 network hangs on.

    Raises:
        OSError: a file of the network cannot be read.
    """
    return {
        "network": content_of(network, tuple),
        "openvino": versions().get("openvino", "none"),
        "processor": processor(torch.device("cpu")),
    }


def why_not(network: Network | GraphFile, folder: Path | None = None) -> str | None:
    """Why the int8 form of a network, kept on this machine or in a folder, cannot be run; None where it can.

    Raises:
        ModelError: see `folder_of`.
    """
    folder = folder_of(network) if folder is None else folder
    again = f"mono_depth models quantize {network.name} --images DIR"
    if not is_int8(folder):
        return f"{network.name} was not quantised on this machine, expected that for precision int8: {again}"
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        damaged = [name for name, seal in record["seals"].items() if sealed_sha256(folder / name) != seal]
        made, now = record["facts"], facts(network)
        found = [(name, str(made[name]), value) for name, value in now.items() if made[name] != value]
        name = str(record["model"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        return f"the int8 network in {folder} cannot be read ({type(error).__name__}), expected that of {again}"
    if name != network.name:
        return f"the int8 network in {folder} is that of {name}, expected {network.name}"
    if damaged:
        return f"the int8 network in {folder} is damaged ({damaged[0]}): {again}"
    if not found:
        return None
    what, before, after = found[0]
    words = {
        "network": f"the weights of {name} have changed since it was quantised",
        "openvino": f"{name} was quantised with OpenVINO {before}, found {after}",
        "processor": f"{name} was quantised on another processor ({_model(before)}), found {_model(after)}",
    }
    return f"{words[what]}: {again}"


def graph_in(folder: Path, network: Network | GraphFile) -> GraphFile:
    """The graph of a folder that `why_not` has nothing against.

    Raises:
        ModelError: its record was changed meanwhile.
    """
    try:
        error = float(json.loads((folder / RECORD).read_text(encoding="utf-8"))["abs_rel_of_test_images"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"the int8 network in {folder} cannot be read") from problem
    axes = network.axes if isinstance(network, GraphFile) else network.shapes
    return GraphFile(
        network.name,
        folder / GRAPH,
        network.inputs,
        network.outputs,
        network.depth,
        axes=axes,
        # The test images are none that it was quantised for: they show that it runs here as it did then.
        tolerance=1.1 * error,
    )


def digest_of(folder: Path) -> str:
    """SHA-256 of the record, which has those of the other files; "" where there is none."""
    try:
        return sha256(folder / RECORD)
    except (OSError, ModelError):
        return ""


def write(folder: Path, fill: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Make such a folder, whole or not at all; an earlier one in its place is replaced.

    Args:
        fill: writes GRAPH and its weights into the directory that it is given, and gives the record.

    Returns:
        The record with the digests of the files.

    Raises:
        ModelError: the folder has other files in it, or cannot be written. What `fill` raises.
    """
    if folder.exists() and not is_int8(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(f"{folder} exists already, expected a new folder or one of an earlier `models quantize`")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".quantize-", dir=folder.parent))
    except OSError as error:
        raise ModelError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        with saying_why(folder, temporary):
            record = fill(temporary)
            record = {**record, "seals": {path.name: sha256(path) for path in sorted(temporary.iterdir())}}
            (temporary / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o777 & ~umask)  # mkdtemp makes it private
            old = temporary.with_name(f"{temporary.name}-old")
            if folder.exists():
                folder.rename(old)
            temporary.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ModelError(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return record


def has_instructions() -> bool:
    """Whether this processor multiplies in int8 at a higher rate: VNNI or AMX of x86, the dot products of Arm."""
    with contextlib.suppress(OSError):
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
        return bool(flags & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
    return False


def _model(text: str) -> str:
    """The name of a processor without its flags."""
    return text.partition(" fpu ")[0]
