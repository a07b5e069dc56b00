# SPDX-License-Identifier: Apache-2.0
"""`engine: auto`: every candidate is loaded, checked and timed; the fastest that is right is kept and remembered."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.build import build
from mono_depth_ros.models.runtime.engine import Engine, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.memory import memory_explained
from mono_depth_ros.models.runtime.selfcheck import Reference, check
from mono_depth_ros.models.runtime.verdicts import recall, remember, verdict_key

LOGGER = logging.getLogger(__name__)
FAST_ENOUGH_S = 0.03
"""On a CPU a network that torch runs in this time in float32 stays with torch: it comes up at once, and no camera is
faster. Others are worth seconds at the first start."""

_RUNS, _BUDGET_S = 5, 3.0
_MARGIN = 0.9
"""Of the time of the best so far, which stands earlier in the expected order; others on the machine blur the times."""

Candidate = tuple[str, str]


@dataclass(frozen=True)
class Trial:
    """What became of one candidate. `seconds` on the first example; `refused` says why not, "" where it passed."""

    engine: str
    precision: str
    seconds: float = 0.0
    refused: str = ""

    @property
    def label(self) -> str:
        return f"{self.engine} {self.precision}"


def fastest(
    network: Network | GraphFile,
    reference: Reference,
    torch_fp32: Engine | None,
    device: torch.device,
    candidates: Sequence[Candidate],
) -> Engine:
    """The fastest candidate that passes the self-check; the one remembered from an earlier start, if it still does.

    Args:
        torch_fp32: the engine that gave the reference, where that was torch.

    Raises:
        ModelError: none passes; gives each one's reason.
    """
    key = verdict_key(network, reference.examples, device, candidates)
    known = recall(key)
    if known in candidates:
        assert known is not None
        engine, trial = _try(network, reference, torch_fp32, device, known)
        if engine is not None:
            LOGGER.info("%s: engine %s, the fastest at an earlier start", network.name, trial.label)
            return engine
        LOGGER.warning("%s: %s was the fastest but does not run now: %s", network.name, trial.label, trial.refused)
    baseline = seconds_of(torch_fp32, reference.examples[0]) if torch_fp32 is not None else None
    may_stay = device.type == "cpu" and ("torch", "fp32") in candidates
    if may_stay and torch_fp32 is not None and baseline is not None and baseline < FAST_ENOUGH_S:
        LOGGER.info("%s: engine torch fp32, %.0f ms an image, fast enough", network.name, baseline * 1e3)
        return torch_fp32
    best, trials = _try_all(network, reference, torch_fp32, device, candidates, baseline)
    refusals = "; ".join(f"{trial.label}: {trial.refused}" for trial in trials if trial.refused)
    if best is None:
        raise ModelError(f"no engine can run {network.name} on {device}: {refusals}")
    chosen = (best.name, best.precision)
    remember(key, chosen)
    passed = sorted((trial for trial in trials if not trial.refused), key=lambda trial: trial.label != " ".join(chosen))
    _report(network.name, passed, baseline, refusals)
    return best


def _try_all(
    network: Network | GraphFile,
    reference: Reference,
    torch_fp32: Engine | None,
    device: torch.device,
    candidates: Sequence[Candidate],
    baseline: float | None,
) -> tuple[Engine | None, list[Trial]]:
    """The fastest engine, and all trials. One engine beside the best is in memory at a time."""
    best: Engine | None = None
    trials: list[Trial] = []
    least = float("inf")
    for candidate in candidates:
        if candidate[1] == "fp32" and candidate[0] != "torch" and _has_faster(candidate[0], trials, baseline):
            continue  # its half precision is right and fast already
        engine, trial = _try(network, reference, torch_fp32, device, candidate)
        if engine is not None:
            known = baseline if engine is torch_fp32 else None
            trial = replace(trial, seconds=known or seconds_of(engine, reference.examples[0]))
        trials.append(trial)
        if engine is not None and trial.seconds < _MARGIN * least:
            best, least = engine, trial.seconds
        engine = None
    return best, trials


def _has_faster(engine: str, trials: Sequence[Trial], baseline: float | None) -> bool:
    return any(
        trial.engine == engine and not trial.refused and (baseline is None or trial.seconds < baseline)
        for trial in trials
    )


def _try(
    network: Network | GraphFile,
    reference: Reference,
    torch_fp32: Engine | None,
    device: torch.device,
    candidate: Candidate,
) -> tuple[Engine | None, Trial]:
    try:
        if candidate == ("torch", "fp32") and torch_fp32 is not None and device.type == "cpu":
            engine = torch_fp32  # right by definition
        else:
            engine = build(network, reference.examples, candidate[0], device, candidate[1])
            with memory_explained(network.name, device):
                check(engine, reference)
        return engine, Trial(*candidate)
    except ModelError as error:
        return None, Trial(*candidate, refused=str(error))


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


def _report(name: str, passed: Sequence[Trial], baseline: float | None, refusals: str) -> None:
    best = passed[0]
    against = f", torch fp32 {baseline * 1e3:.0f} ms" if baseline is not None else ""
    others = ", ".join(f"{trial.label} {trial.seconds * 1e3:.0f} ms" for trial in passed[1:])
    LOGGER.info(
        "%s: engine %s, %.0f ms an image%s%s%s",
        name,
        best.label,
        best.seconds * 1e3,
        against,
        f"; others: {others}" if others else "",
        f"; refused: {refusals}" if refusals else "",
    )
