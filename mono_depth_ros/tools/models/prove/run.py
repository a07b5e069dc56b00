# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models prove`: one model in this process, several in one each, and what is said of them all."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError, MonoDepthError, UsageError
from mono_depth_ros.models.base import find
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.models.prove.results import FAILED, NOT_DONE, PROVED, UNPROVED, Proof, Proofs, Row

JSON, PAGE = "prove.json", "prove.html"
_LEAST_WORK = 20.0  # GFLOP: loading takes time too


def run(args: argparse.Namespace) -> int:
    """Prove models; rows go to stderr, a table or JSON to stdout. 0 where everything that was asked for is right.

    Raises:
        UsageError: no model is named, or some beside --all. DataError: --compare is no proof.
        ModelError: a model is unknown, not right or not proved, or differs from that of the other machine.
    """
    names = _names(args)
    with importing():
        from mono_depth_ros.tools.models.prove.machine import machine
        from mono_depth_ros.tools.models.prove.stages import weights_are_here

    other = Proofs.read(args.compare) if args.compare is not None else None
    settings = _settings(args)
    known = _earlier(args.out, names, settings, machine())
    proofs = Proofs(machine(), {name: known[name] for name in names if name in known})
    if known:
        print(f"{len(known)} of {len(names)} are in {args.out / JSON} already: {', '.join(known)}", file=sys.stderr)
    left = [name for name in names if name not in known]
    absent = {name for name in left if not args.fetch and not weights_are_here(name)}
    clock = _Clock(left, absent)
    for name in left:
        print(f"{name}:{clock.words(name)}", file=sys.stderr, flush=True)
        alone = len(names) == 1
        if name in absent:
            proofs.models[name] = _absent(name, settings)
        else:
            proofs.models[name] = _here(name, args, settings) if alone else _in_a_process(name, args, settings)
        clock.done(name)
        proofs.models = {one: proofs.models[one] for one in names if one in proofs.models}
        _write(args.out, proofs)
    if other is not None:
        _compare(proofs, other)
        _write(args.out, proofs)
    _print(args, proofs)
    return _judged(proofs, names)


def _names(args: argparse.Namespace) -> list[str]:
    if bool(args.names) == args.all:
        raise UsageError(f"found {'names beside --all' if args.all else 'no model'}, expected NAMEs or --all")
    names = list(CATALOGUE) if args.all else list(dict.fromkeys(args.names))
    for name in names:
        find(name)  # a misspelt last one must not be found out after an hour with the others
    return names


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """What a proof depends on beside the machine: one of other settings is not gone on with."""
    data = str(args.data.resolve()) if args.data is not None else ""
    return {"data": data, "camera": args.camera, "device": args.device, "engines": list(args.engine or ())}


def _earlier(out: Path | None, names: list[str], settings: dict[str, Any], machine: dict[str, str]) -> dict[str, Proof]:
    """What an earlier run with the same settings on this machine proved; what was not is tried again."""
    if out is None or not (out / JSON).is_file():
        return {}
    found = Proofs.read(out / JSON)
    if found.machine != machine:
        return {}
    same = {name: one for name, one in found.models.items() if one.settings == settings and one.state == PROVED}
    return {name: same[name] for name in names if name in same}


def _here(name: str, args: argparse.Namespace, settings: dict[str, Any]) -> Proof:
    with importing():
        from mono_depth_ros.media.camera_argument import CameraArgument
        from mono_depth_ros.tools.models.prove.accuracy import find as samples_in
        from mono_depth_ros.tools.models.prove.stages import Wanted, prove

    camera = CameraArgument.parse(args.camera) if args.camera else None
    samples = samples_in(args.data, camera) if args.data is not None else None
    return prove(name, Wanted(args.fetch, args.device, tuple(args.engine or ()), samples), settings)


def _begun(name: str, settings: dict[str, Any]) -> Proof:
    entry = find(name)
    return Proof(name, entry.family if entry else "", entry.licence if entry else "", settings=settings)


def _absent(name: str, settings: dict[str, Any]) -> Proof:
    from mono_depth_ros.tools.models.prove.stages import line, unfetched

    proof = _begun(name, settings)
    proof.rows.append(unfetched(name))
    print(line(proof.rows[0]), file=sys.stderr)
    return proof


def _in_a_process(name: str, args: argparse.Namespace, settings: dict[str, Any]) -> Proof:
    """In a process of its own, so that one that dies, or keeps memory, leaves the others alone."""
    proof = _begun(name, settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / JSON
        command = [sys.executable, "-m", "mono_depth_ros.tools.cli", "models", "prove", name, "--json", str(path)]
        command += ["--device", args.device, *(["--fetch"] if args.fetch else [])]
        command += ["--data", str(args.data)] if args.data is not None else []
        command += ["--camera", args.camera] if args.camera else []
        command += [word for engine in args.engine or () for word in ("--engine", engine)]
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        if path.is_file():
            return Proofs.read(path).models[name]
    why = f"was ended by signal {-code}, as too little memory does with 9" if code < 0 else f"ended with {code}"
    proof.rows.append(Row("process", "of this model", FAILED, f"its process {why}"))
    return proof


def _compare(proofs: Proofs, other: Proofs) -> None:
    from mono_depth_ros.tools.models.prove.depth import against

    proofs.against = other.machine
    for name, proof in proofs.models.items():
        proofs.compared += against(proof, other.models.get(name))


def _write(out: Path | None, proofs: Proofs) -> None:
    if out is None:
        return
    from mono_depth_ros.atomic import write_whole
    from mono_depth_ros.tools.models.prove.page import page

    proofs.write(out / JSON)
    write_whole(out / PAGE, page(proofs).encode())


def _print(args: argparse.Namespace, proofs: Proofs) -> None:
    if args.json is not None and str(args.json) != "-":
        proofs.write(args.json)
    if args.json is not None and str(args.json) == "-":
        print(json.dumps(proofs.plain()))
    else:
        print(table(proofs))
    if args.out is not None:
        print(f"wrote {args.out / JSON}, {args.out / PAGE}", file=sys.stderr)


def table(proofs: Proofs) -> str:
    """One line a model, and one for each comparison with the other machine."""
    wide = max(len(name) for name in proofs.models)
    lines = [f"{name:{wide}}  {proof.state:10}  {proof.why or summary(proof)}" for name, proof in proofs.models.items()]
    return "\n".join([*lines, *(f"{row.what:{wide}}  {row.state:10}  {row.words}" for row in proofs.compared)])


def summary(proof: Proof) -> str:
    """Of a model that is proved: its accuracy and its fastest engine."""
    scores = [f"{row.what} AbsRel {row.numbers['abs_rel']:.3f}" for row in proof.rows if "coverage" in row.numbers]
    timed = [row for row in proof.rows if "ms" in row.numbers]
    best = min(timed, key=lambda row: row.numbers["ms"], default=None)
    return ", ".join([*scores, *([f"{best.what} {best.numbers['ms']:.1f} ms"] if best else [])])


def _judged(proofs: Proofs, names: list[str]) -> int:
    bad = [proofs.models[name] for name in names if proofs.models[name].state != PROVED]
    failed = sum(proof.state == FAILED for proof in bad)
    differing = [row for row in proofs.compared if row.state in (FAILED, NOT_DONE)]
    parts = [f"{failed} of {len(names)} models FAILED"] * (failed > 0)
    parts += [f"{len(bad) - failed} of {len(names)} are {UNPROVED}"] * (len(bad) > failed)
    parts += [f"{len(differing)} comparisons with the other machine are not right"] * bool(differing)
    if not parts:
        return 0
    first = f"{bad[0].name}: {bad[0].why}" if bad else f"{differing[0].what}: {differing[0].words}"
    raise ModelError(f"{', '.join(parts)}, such as {first}")


class _Clock:
    """Says how long the rest will take, by the arithmetic of the models that are done."""

    def __init__(self, names: list[str], absent: set[str]) -> None:
        self._names, self._began_s, self._done = names, time.monotonic(), 0.0
        self._work = {name: 0.0 if name in absent else _work(name) for name in names}

    def words(self, name: str) -> str:
        place = f" {self._names.index(name) + 1} of {len(self._names)}"
        if not self._done or len(self._names) == 1:
            return place if len(self._names) > 1 else ""
        rest = sum(self._work[one] for one in self._names[self._names.index(name) :])
        if not rest:
            return place
        minutes = (time.monotonic() - self._began_s) * rest / self._done / 60
        return f"{place}, about {max(round(minutes), 1)} min left"

    def done(self, name: str) -> None:
        self._done += self._work[name]


def _work(name: str) -> float:
    try:
        entry = find(name)
    except MonoDepthError:
        entry = None
    return max((entry.gflop or 3 * entry.parameters_m) if entry is not None else 500.0, _LEAST_WORK)
