# SPDX-License-Identifier: Apache-2.0
"""One model, from its files to its accuracy. What cannot be done is a row with its reason."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.models.base import DepthModel, ModelSpec, find, hub_name
from mono_depth_ros.models.engine_model import EngineModel, example_of
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.parity.check import MAX_DIFFERENCE, MEAN_DIFFERENCE, stored
from mono_depth_ros.models.parity.check import check as check_parity
from mono_depth_ros.models.runtime import gpu
from mono_depth_ros.models.runtime.device import give_back
from mono_depth_ros.models.runtime.engines import ENGINES, build, cannot_run
from mono_depth_ros.models.runtime.selfcheck import Reference, check
from mono_depth_ros.models.weights.cache import is_whole, snapshot_folder
from mono_depth_ros.paths import expanded
from mono_depth_ros.tools.models import verifying
from mono_depth_ros.tools.models.checking import median_ms
from mono_depth_ros.tools.models.fetching import fetch_weights
from mono_depth_ros.tools.models.prove import accuracy, depth
from mono_depth_ros.tools.models.prove.results import FAILED, MEASURED, NOT_DONE, RIGHT, Proof, Row

SIZE = (640, 480)
"""Of the image that is timed."""
_MIB = 2**20
_LARGE_GFLOP = 1500.0
"""An image of a model beyond that takes a CPU many seconds, in each engine several times."""


@dataclass(frozen=True)
class Wanted:
    """What is to be looked at.

    Attributes:
        fetch: weights that are not here are fetched. device: as of ModelConfig; "auto" is every device of this machine.
        engines: names of ENGINES; where empty all that come up in seconds. samples: None where no data were given.
    """

    fetch: bool = False
    device: str = "auto"
    engines: tuple[str, ...] = ()
    samples: accuracy.Samples | None = None

    def devices(self) -> list[str]:
        """The CPU first, which any machine has."""
        if self.device != "auto":
            return [self.device]
        return ["cpu", *(["cuda:0"] if torch.cuda.is_available() and not gpu.why_not(0) else [])]


def prove(name: str, wanted: Wanted, settings: dict[str, Any]) -> Proof:
    """Everything that can be said of a model here.

    Raises:
        ModelError: the name is unknown.
    """
    entry = find(name)
    began_s = time.monotonic()
    proof = Proof(name, settings=settings)
    if entry is not None:
        proof.family, proof.licence, proof.kind = entry.family, entry.licence, entry.kind
    for row in _all(name, wanted, proof):
        proof.rows.append(row)
        print(line(row), file=sys.stderr, flush=True)
    proof.seconds = round(time.monotonic() - began_s, 1)
    return proof


def line(row: Row) -> str:
    """A row for eyes."""
    return f"  {row.state:8}  {row.stage:8}  {row.what}: {row.words}"


def weights_are_here(name: str) -> bool:
    """Whether nothing must be fetched; no file is read for it."""
    entry = find(name)
    if (entry is not None and not entry.hub) or (entry is None and expanded(name).exists()):
        return True
    repository, revision = hub_name(name) if entry is None else (entry.hub, entry.revision)
    directory = snapshot_folder(repository, revision)
    return directory is not None and is_whole(directory, entry.hub_file if entry is not None else "")


def unfetched(name: str) -> Row:
    """The row of a model whose weights are not here and were not asked for."""
    entry = find(name)
    size = f" ({entry.megabytes:.0f} MB)" if entry is not None else ""
    words = f"the weights{size} are not on this machine: --fetch fetches them, or `mono_depth models fetch {name}`"
    return Row("files", "weights", NOT_DONE, words, asked=True)


def _all(name: str, wanted: Wanted, proof: Proof) -> Iterator[Row]:
    """The rows in order; nothing is loaded of files that are not right."""
    rows = list(_files(name, wanted, proof))
    yield from rows
    if any(row.state == FAILED or row.asked for row in rows):
        return
    model: DepthModel | None = None
    for device in wanted.devices():
        if device != wanted.devices()[-1] and (work := _gflop(name)) > _LARGE_GFLOP:
            words = f"beside a GPU a model of {work:.0f} GFLOP is not run on the CPU: --device cpu asks for it"
            yield Row("load", device, NOT_DONE, words)
            continue
        try:
            model = _load(name, device)
        except MonoDepthError as error:
            yield Row("load", device, FAILED, str(error))
            continue
        proof.family, proof.licence = model.spec.family, model.spec.licence
        proof.kind = model.spec.kind.value
        if not proof.depth:
            yield _licence(name, proof)
        yield from _parity(proof.family, model.device)
        yield from _depth(name, device, model, proof)
        if isinstance(model, EngineModel):
            yield from _engines(model, device, wanted.engines)
        else:
            yield Row("engine", device, NOT_DONE, f"it has no choice of engines: {model.engine}")
        spec = model.spec
        model = None  # its memory is wanted
        give_back()
    if proof.depth:
        yield from _accuracy(name, spec, wanted)


def _load(name: str, device: str) -> DepthModel:
    """By torch in float32; an ONNX file by ONNX Runtime, and what has no choice of engines by its own."""
    engine = "onnxruntime" if name.endswith(".onnx") else "torch"
    return load_model(ModelConfig(model=name, device=device, engine=engine, precision="fp32"))


def _files(name: str, wanted: Wanted, proof: Proof) -> Iterator[Row]:
    entry = find(name)
    repository = entry.hub if entry is not None else "" if expanded(name).exists() else hub_name(name)[0]
    if repository and not weights_are_here(name):
        if not wanted.fetch:
            yield unfetched(name)
            return
        try:
            path = fetch_weights(name)
        except MonoDepthError as error:
            yield Row("files", "fetched", NOT_DONE, str(error), asked=True)
            return
        yield Row("files", "fetched", MEASURED, f"to {path}")
    try:
        for item in verifying.check(name):
            proof.files[item.path.name] = item.sha256
            known = depth.shipped(name)
            if known is not None and item.sha256 != known["sha256"]:
                words = f"SHA-256 {item.sha256}, expected {known['sha256']} of its release"
                yield Row("files", item.path.name, FAILED, words)
            elif known is not None:
                yield Row("files", item.path.name, RIGHT, f"SHA-256 {item.sha256[:12]}... as at its release")
            elif not item.good:
                yield Row("files", item.path.name, FAILED, str(item))
            elif item.state == "ok":
                yield Row("files", item.path.name, RIGHT, f"SHA-256 {item.sha256[:12]}... by {item.source}")
            else:
                words = f"SHA-256 {item.sha256[:12]}..., which no source states: whole as far as its format tells"
                yield Row("files", item.path.name, MEASURED, words)
    except MonoDepthError as error:
        yield Row("files", "digest", FAILED, str(error))


def _gflop(name: str) -> float:
    """About; of what is not measured twice the parameters for each of 1,000 patches."""
    entry = find(name)
    return 0.0 if entry is None else entry.gflop or 2 * entry.parameters_m


def _licence(name: str, proof: Proof) -> Row:
    entry = find(name)
    commercial = entry.commercial if entry is not None else None
    words = {True: "products may use it", False: "not for products", None: "ask its authors before you sell it"}
    return Row("files", "licence", MEASURED, f"{proof.licence}: {words[commercial]}", {"commercial": commercial})


def _parity(family: str, device: torch.device) -> Iterator[Row]:
    """Deterministic weights of the family against the authors' code."""
    numbers = stored()
    if family not in numbers:
        words = f"no numbers of the authors' code are stored for {family}; its tests compare it with that code"
        words = "its authors' code is this package's" if family == "tiny" else words
        yield Row("parity", f"{family} on {device}", NOT_DONE, words)
        return
    try:
        for item in check_parity(family, device):
            words = f"mean difference {item.mean:.1e}, largest {item.largest:.1e} of {item.pixels} pixels"
            words += f" of {numbers[family]['by']}, deterministic weights"
            expected = f": expected {MEAN_DIFFERENCE:g} and {MAX_DIFFERENCE:g} at most"
            found = {"mean": item.mean, "largest": item.largest, "pixels": item.pixels}
            what = f"{family} {item.output} on {device}"
            yield Row("parity", what, RIGHT if item.right else FAILED, words + expected * (not item.right), found)
    except MonoDepthError as error:
        yield Row("parity", f"{family} on {device}", FAILED, str(error))


def _depth(name: str, device: str, model: DepthModel, proof: Proof) -> Iterator[Row]:
    try:
        found = depth.depth_of(model)
    except MonoDepthError as error:
        yield Row("depth", f"built-in pictures on {device}", FAILED, str(error))
        return
    yield depth.row_of(device, found, model)
    known = depth.shipped(name)
    if known is not None:
        yield depth.compare(f"on {device} as at its release", found, known["depth"], "its release")
    for other, expected in proof.depth.items():
        yield depth.compare(f"on {device} as on {other}", found, expected, other)
    proof.depth[device] = found


def _engines(model: EngineModel, device: str, asked: tuple[str, ...]) -> Iterator[Row]:
    """Every engine and precision: its difference to the reference, time and memory."""
    reference, examples = model.run, tuple(model.examples())
    expected = Reference.of(reference, examples, model.network.depth, f"{reference.name} fp32")
    for engine in asked or ENGINES:
        for precision in ENGINES[engine].precisions.get(model.device.type, ("fp32",)):
            what = f"{engine} {precision} on {device}"
            try:
                if (reason := cannot_run(model.network, engine, model.device, precision)) is not None:
                    yield Row("engine", what, NOT_DONE, reason)
                    continue
            except MonoDepthError as error:  # its package is missing
                yield Row("engine", what, NOT_DONE, str(error), asked=bool(asked))
                continue
            if not asked and (ENGINES[engine].slow or engine == "torch_compile"):
                yield Row("engine", what, NOT_DONE, f"it takes minutes to make: --engine {engine} asks for it")
                continue
            yield _engine(model, (engine, precision), what, expected, reference)
            model.run = reference
            give_back()


def _engine(model: EngineModel, wanted: tuple[str, str], what: str, expected: Reference, reference: Any) -> Row:
    memory = _Memory(model.device)
    try:
        same = wanted == (reference.name, reference.precision)
        run = reference if same else build(model.network, expected.examples, wanted[0], model.device, wanted[1])
        error = 0.0 if same else check(run, expected)
        model.run = run
        ms = median_ms(model, example_of(model, *SIZE))
    except MonoDepthError as refusal:
        return Row("engine", what, FAILED, str(refusal), asked=True)
    used = memory.used_mib()
    words = f"AbsRel {error:.1e} to {expected.by}, {ms:.1f} ms, {1e3 / ms:.1f} images/s of {SIZE[0]}x{SIZE[1]}"
    words += f", {used:.0f} MiB {memory.words}"
    numbers = {"abs_rel": error, "ms": ms, "images_per_s": round(1e3 / ms, 2), "mib": used}
    return Row("engine", what, RIGHT, words, numbers)


class _Memory:
    """What an engine takes: of a GPU what is gone from it, by anybody's allocator; of a CPU the peak of the process."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.words = "of the GPU more than before" if device.type == "cuda" else "peak of the process"
        if device.type == "cuda":
            give_back()
            self._free = torch.cuda.mem_get_info(device)[0]
        else:
            _reset_peak()

    def used_mib(self) -> float:
        if self._device.type == "cuda":
            return round((self._free - torch.cuda.mem_get_info(self._device)[0]) / _MIB, 1)
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return round(next((int(one.split()[1]) / 1024 for one in lines if one.startswith("VmHWM")), float("nan")), 1)


def _reset_peak() -> None:
    """So that VmHWM is that of what follows; where Linux does not let us it is the peak so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _accuracy(name: str, spec: ModelSpec, wanted: Wanted) -> Iterator[Row]:
    yield from accuracy.rows(name, spec, wanted.devices()[-1], wanted.samples)
