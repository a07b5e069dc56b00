# SPDX-License-Identifier: Apache-2.0
"""From the parameters `engine` and `precision` to an engine that was proved right, now or at an earlier start.

With auto every candidate is loaded, checked and timed; the fastest that is right is kept and remembered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import int8, prebuilt
from mono_depth_ros.models.runtime.device import give_back, load_package, memory_explained
from mono_depth_ros.models.runtime.device_errors import is_out_of_memory
from mono_depth_ros.models.runtime.engine import Engine, EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.engines import ENGINES, Candidate, build, candidates_of, cannot_run
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.models.runtime.remembered import key_of, recall, remember, restored
from mono_depth_ros.models.runtime.selfcheck import Reference, check
from mono_depth_ros.models.runtime.torch_engine import TorchEngine
from mono_depth_ros.progress import tell

LOGGER = logging.getLogger(__name__)
FAST_ENOUGH_S = 0.03
"""On a CPU a network that torch runs in this time in float32 stays with torch: it comes up at once, and no camera is
faster. Others are worth seconds at the first start."""

_RUNS, _BUDGET_S = 5, 3.0
_MARGIN = 0.9
"""Of the time of the best so far, which stands earlier in the expected order; others on the machine blur the times."""

Examples = Callable[[], Iterable[Inputs]]
"""Makes fixed inputs on the device, of two sizes at least, which engines are compared on."""


@dataclass(frozen=True)
class Trial:
    """What became of one candidate.

    Attributes:
        seconds: on the first example. error: AbsRel to the reference. refused: why it is not taken, "" where it passed.
        possible: False where it cannot run here at all.
    """

    engine: str
    precision: str
    seconds: float = 0.0
    error: float = 0.0
    refused: str = ""
    possible: bool = True

    @property
    def label(self) -> str:
        return f"{self.engine} {self.precision}"


def make_engine(network: Network | GraphFile, examples: Examples | Sequence[Inputs], options: EngineOptions) -> Engine:
    """The engine asked for, or with auto the fastest that passes the self-check. Takes over the network's module.

    An engine that is asked for is never replaced by another; with precision auto it gets the fastest that passes. What
    passed at an earlier start, with all the same, is used at once: neither checked again nor timed.

    Args:
        examples: fixed inputs on the device, of two sizes at least, or what makes them: an engine must agree on them
            with torch in float32, or for a file with ONNX Runtime in float32.

    Raises:
        ModelError: it is unknown, not installed, cannot run on the device or gives other results; found and expected.
    """
    given = examples if callable(examples) else lambda: examples
    if options.engine_path is not None and int8.is_int8(options.engine_path):
        return _quantised(network, given, options, options.engine_path)
    if options.engine_path is not None:
        return _prebuilt(network, given, options, options.engine_path)
    device, candidates = options.device, candidates_of(network, options)
    if isinstance(network, Network) and candidates == [("torch", "fp32")]:
        only = TorchEngine(network, device, "fp32")
        if device.type == "cuda":
            only(*next(iter(given())))  # whether its memory suffices, and its kernels, before the first frame
            network.release()
        return only
    if len(candidates) == 1 and (reason := cannot_run(network, candidates[0][0], device, candidates[0][1])):
        raise ModelError(reason)  # before the reference takes its time
    key = key_of(network, given, options, candidates)
    engine = _remembered(network, key, given, device)
    if engine is None:
        trying = _Trying.of(network, tuple(given()), device, timed=len(candidates) > 1)
        engine = trying.only(*candidates[0]) if len(candidates) == 1 else trying.fastest(candidates)
        remember(key, network.name, engine)
    holds_it = device.type == "cpu" and engine.name.startswith("torch") and engine.precision == "fp32"
    if isinstance(network, Network) and not holds_it:
        network.release()
    return engine


def trials(
    network: Network | GraphFile, examples: Sequence[Inputs], device: torch.device, names: Sequence[str] = ()
) -> Iterator[Trial]:
    """Every engine of the table in every precision, or those called `names`, against the reference; one at a time.

    Raises:
        ModelError: the reference itself cannot be made.
    """
    trying = _Trying.of(network, examples, device)
    for engine in names or ENGINES:
        for precision in ENGINES[engine].precisions.get(device.type, ("fp32",)):
            yield trying.one((engine, precision))[1]


def _remembered(network: Network | GraphFile, key: str, examples: Examples, device: torch.device) -> Engine | None:
    """The engine of an earlier start, None where there was none or it cannot be made now."""
    known = recall(key)
    if known is None:
        return None
    label = f"{known['engine']} {known['precision']}"
    try:
        with memory_explained(network.name, device):
            engine = restored(network, known, device)
            if engine is not None and device.type == "cuda":
                engine(*next(iter(examples())))  # whether its memory suffices, and its kernels, before the first frame
    except ModelError as error:
        LOGGER.warning("%s: %s was right at an earlier start but does not run now: %s", network.name, label, error)
        return None
    if engine is None:
        LOGGER.warning("%s: the graph of %s in the cache is gone or was altered: made anew", network.name, label)
    else:
        LOGGER.info("%s: engine %s, right and the fastest at an earlier start", network.name, label)
    return engine


def _prebuilt(network: Network | GraphFile, given: Examples, options: EngineOptions, path: Path) -> Engine:
    """The engine at `engine_path`, checked now or at an earlier start with the same one."""
    precision, device = prebuilt.precision_of(options), options.device
    key = key_of(network, given, options, [("tensorrt", precision), ("engine_path", prebuilt.digest_of(path))])
    examples = tuple(given())
    with memory_explained(network.name, device):
        engine, shapes = prebuilt.load(path, network, examples, device, precision)
        fitting = prebuilt.fitted(examples, shapes)
        if recall(key) is not None:
            engine(*fitting[0])
            LOGGER.info("%s: engine tensorrt %s from %s, right at an earlier start", network.name, precision, path)
            return engine
        reference = _Trying.of(network, fitting, device).reference
        error = check(engine, replace(reference, cure=f"{reference.cure}, or an engine of this model in {path}"))
    LOGGER.info("%s: engine tensorrt %s from %s, AbsRel %.1g to %s", network.name, precision, path, error, reference.by)
    remember(key, network.name, engine)
    if isinstance(network, Network):
        network.release()
    return engine


def _quantised(network: Network | GraphFile, given: Examples, options: EngineOptions, folder: Path) -> Engine:
    """The network in int8 of a folder, checked now or at an earlier start with the same one."""
    asked = f"engine '{options.engine}', precision '{options.precision}' and device {options.device}"
    if (
        options.engine not in ("auto", "openvino")
        or options.precision not in ("auto", "int8")
        or options.device.type != "cpu"
    ):
        raise ModelError(f"engine_path is '{folder}', a network in int8: found {asked}, expected openvino on the CPU")
    load_package(*ENGINES["openvino"].package, "engine 'openvino'")
    if reason := int8.why_not(network, folder):
        raise ModelError(reason)
    key = key_of(network, given, options, [("openvino", f"int8 {int8.digest_of(folder)}")])
    engine = ENGINES["openvino"].make(int8.graph_in(folder, network), options.device, "int8")
    if recall(key) is None:
        check(engine, _Trying.of(network, tuple(given()), options.device).reference)
        remember(key, network.name, engine)
    if isinstance(network, Network):
        network.release()
    return engine


@dataclass(frozen=True)
class _Trying:
    """Candidates against the reference.

    Attributes:
        torch_fp32: the engine that gave the reference, where that was torch on the CPU. A GPU's memory is for what is
            tried next. baseline: its seconds on the first example, where that was timed.
    """

    network: Network | GraphFile
    reference: Reference
    device: torch.device
    torch_fp32: Engine | None = None
    baseline: float | None = None

    @classmethod
    def of(
        cls, network: Network | GraphFile, examples: Sequence[Inputs], device: torch.device, timed: bool = False
    ) -> _Trying:
        """Compute what right outputs are.

        Raises:
            ModelError: that cannot be done here.
        """
        if isinstance(network, GraphFile):
            runtime = OnnxRuntimeEngine(network, torch.device("cpu"), "fp32")
            reference = _on_the_cpu(runtime, network, examples, device, "ONNX Runtime fp32 on the CPU")
            if not any(bool(network.depth(outputs).isfinite().any()) for outputs in reference.outputs):
                half = " Its weights are in float16, which overflows: an export in float32 may be right." * (
                    network.precision == "fp16"
                )
                raise ModelError(
                    f"{network.name} gives no number at all (NaN) on the test images, on the CPU in float32 too, "
                    f"expected depth: no engine can mend that, another export of the network can.{half}"
                )
            cure = "engine:=onnxruntime device:=cpu"
            if network.precision != "fp32":
                cure += f", or an export of {network.name} with weights in float32"
            return cls(network, replace(reference, precision=network.precision, cure=cure), device)
        try:
            torch_fp32 = TorchEngine(network, device, "fp32", graphs=False)
            reference = Reference.of(torch_fp32, examples, network.depth)
            baseline = seconds_of(torch_fp32, examples[0]) if timed else None
            return cls(network, reference, device, torch_fp32 if device.type == "cpu" else None, baseline)
        except ModelError as error:
            if device.type == "cpu" or not is_out_of_memory(error):
                raise
            LOGGER.info("%s; what is right is computed on the CPU, which takes its time", error)
        torch_fp32 = TorchEngine(network, torch.device("cpu"), "fp32")
        return cls(network, _on_the_cpu(torch_fp32, network, examples, device, "torch fp32 on the CPU"), device)

    def only(self, engine: str, precision: str) -> Engine:
        """The one that was asked for; its error goes up."""
        tell(f"checking engine {engine} {precision}")
        chosen = build(self.network, self.reference.examples, engine, self.device, precision)
        with memory_explained(self.network.name, self.device):
            error = check(chosen, self.reference)
        LOGGER.info(
            "%s: engine %s %s, AbsRel %.1g to %s", self.network.name, engine, precision, error, self.reference.by
        )
        return chosen

    def fastest(self, candidates: Sequence[Candidate]) -> Engine:
        """The fastest that passes. One engine beside the best is in memory at a time.

        Raises:
            ModelError: none passes; gives each one's reason.
        """
        name, baseline = self.network.name, self.baseline
        if self.torch_fp32 is not None and baseline is not None and ("torch", "fp32") in candidates:
            fast_enough = baseline < FAST_ENOUGH_S
            if fast_enough:
                LOGGER.info("%s: engine torch fp32, %.0f ms an image, fast enough", name, baseline * 1e3)
                return self.torch_fp32
        best: Engine | None = None
        tried: list[Trial] = []
        least = float("inf")
        for candidate in candidates:
            if best is not None and ENGINES[candidate[0]].slow:
                break  # what is slow was asked for by its name: all of these are it
            if candidate[1] == "fp32" and candidate[0] != "torch" and _has_faster(candidate[0], tried, baseline):
                continue  # its half precision is right and fast already
            engine, trial = self.one(candidate)
            tried.append(trial)
            if engine is not None and trial.seconds < _MARGIN * least:
                best, least = engine, trial.seconds
            engine = None
            give_back()
        refusals = "; ".join(f"{trial.label}: {trial.refused}" for trial in tried if trial.refused)
        if best is None:
            raise ModelError(f"no engine can run {name} on {self.device}: {refusals}")
        _report(name, f"{best.name} {best.precision}", tried, baseline, refusals)
        return best

    def one(self, candidate: Candidate) -> tuple[Engine | None, Trial]:
        """The engine where it passes, and its trial."""
        tell(f"checking engines: {' '.join(candidate)}")
        trial = Trial(*candidate)
        try:
            reason = cannot_run(self.network, candidate[0], self.device, candidate[1])
        except ModelError as missing:
            reason = str(missing)
        if reason is not None:
            return None, replace(trial, refused=reason, possible=False)
        try:
            if candidate == ("torch", "fp32") and self.torch_fp32 is not None:
                engine, error, known = self.torch_fp32, 0.0, self.baseline  # right by definition
            else:
                known = None
                engine = build(self.network, self.reference.examples, candidate[0], self.device, candidate[1])
                with memory_explained(self.network.name, self.device):
                    error = check(engine, self.reference)
            return engine, replace(trial, seconds=known or seconds_of(engine, self.reference.examples[0]), error=error)
        except ModelError as refusal:
            return None, replace(trial, refused=str(refusal))


def _on_the_cpu(
    engine: Engine, network: Network | GraphFile, examples: Sequence[Inputs], device: torch.device, by: str
) -> Reference:
    """What an engine of the CPU gives for examples on the device, there."""
    outputs = [engine(*(value.cpu() for value in inputs)) for inputs in examples]
    return Reference(examples, [tuple(value.to(device) for value in values) for values in outputs], network.depth, by)


def _has_faster(engine: str, tried: Sequence[Trial], baseline: float | None) -> bool:
    return any(
        trial.engine == engine and not trial.refused and (baseline is None or trial.seconds < baseline)
        for trial in tried
    )


def seconds_of(engine: Engine, inputs: Inputs) -> float:
    """The shortest of a few runs: what others do on the machine meanwhile can only make them longer."""
    times: list[float] = []
    while len(times) < _RUNS and sum(times) < _BUDGET_S:
        _wait(inputs)
        start = time.perf_counter()
        engine(*inputs)
        _wait(inputs)
        times.append(time.perf_counter() - start)
    return min(times)


def _wait(inputs: Inputs) -> None:
    if inputs[0].device.type == "cuda":
        torch.cuda.synchronize(inputs[0].device)


def _report(name: str, best: str, tried: Sequence[Trial], baseline: float | None, refusals: str) -> None:
    passed = sorted((trial for trial in tried if not trial.refused), key=lambda trial: trial.label != best)
    against = f", torch fp32 {baseline * 1e3:.0f} ms" if baseline is not None else ""
    others = ", ".join(f"{trial.label} {trial.seconds * 1e3:.0f} ms" for trial in passed[1:])
    LOGGER.info(
        "%s: engine %s, %.0f ms an image%s%s%s",
        name,
        best,
        passed[0].seconds * 1e3,
        against,
        f"; others: {others}" if others else "",
        f"; refused: {refusals}" if refusals else "",
    )
