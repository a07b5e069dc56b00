# SPDX-License-Identifier: Apache-2.0
"""Damaged files of every kind through the public readers and commands: tracebacks, hangs, memory, unclear sentences.

    python benchmarks/corruption.py [--count 500] [--seed 1] [--kind YAML --kind PNG ...]

Each file is damaged from the seed (turned bits, zeros, cut off, blocks of another file, extreme sizes; texts also by
nesting, other types, missing lines, other encodings) and read in a process with limits of time and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from common import run
from corruption_parts.kinds import KINDS, find
from mono_depth_ros.errors import ConfigError

_START_S = 120.0  # of a worker: imports, and whole files


def corrupt(name: str, count: int, seed: int) -> dict[str, Any]:
    """`count` damaged files of a kind; `wrong` counts what must not be."""
    kind, counted = find(name), Counter[str]()
    shown: dict[str, list[str]] = {}
    kept: list[float] = []
    slowest, most = 0.0, 0.0
    for case in _cases(name, count, seed):
        counted[case["outcome"]] += 1
        where = f"{case['index']}, {case['file']} {case['damage']}"
        for flaw in ("foreign", "unclear", "lost", "hang", "crash"):
            if flaw in case:
                counted[f"wrong: {flaw}"] += 1
                shown.setdefault(flaw, []).append(f"{where}: {case[flaw]}")
        if case.get("megabytes", 0) > kind.megabytes:
            counted["wrong: memory"] += 1
            shown.setdefault("memory", []).append(f"{where}: {case['megabytes']:.0f} MB")
        slowest, most = max(slowest, case.get("seconds", 0.0)), max(most, case.get("megabytes", 0.0))
        kept += [case["kept"]] if "kept" in case else []
    return {
        "files": count,
        **{outcome: counted[outcome] for outcome in ("read", "refused")},
        "wrong": sum(number for flaw, number in counted.items() if flaw.startswith("wrong")),
        **{flaw: {"count": counted[f"wrong: {flaw}"], "first": found[:10]} for flaw, found in shown.items()},
        **({"mean_share_read_of_those_read": round(sum(kept) / len(kept), 3)} if kept else {}),
        "slowest_s": round(slowest, 3),
        "most_mb": round(most),
    }


def _cases(name: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """What became of each damaged file; a worker that hangs or dies is replaced, and goes on with the next."""
    begin = 0
    while begin < count:
        last: dict[str, Any] = {}
        with tempfile.TemporaryDirectory(prefix="corruption-") as folder, tempfile.TemporaryFile("w+") as errors:
            where = Path(folder, f"{name.rpartition(':')[2]}_files")
            where.mkdir()
            words = [
                sys.executable,
                "-m",
                "corruption_parts.worker",
                name,
                str(seed),
                str(begin),
                str(count),
                str(where),
            ]
            quiet = {"OPENCV_LOG_LEVEL": "OFF", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
            own = {**os.environ, **quiet}
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True, env=own) as worker:
                for line in _lines(worker, find(name).seconds):
                    if "begin" in line:
                        last = {**line, "index": line["begin"]}
                    else:
                        yield {**last, **line}
                        last, begin = {}, line["end"] + 1
                worker.kill()
            if not last and begin < count:
                errors.seek(0)
                raise ConfigError(f"the reader of whole {name} files failed: {errors.read()[-1500:]}")
            if last:
                errors.seek(0)
                code, said = worker.returncode, " ".join(errors.read()[-800:].split())
                hang = code == -9  # by us
                yield {**last, "outcome": "none", **({"hang": "no end"} if hang else {"crash": f"exit {code}: {said}"})}
                begin = last["index"] + 1


def _lines(worker: subprocess.Popen[str], seconds: float) -> Iterator[dict[str, Any]]:
    """Its lines, until it ends or says nothing for so long."""
    said: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_pass_on, args=(worker.stdout, said), daemon=True).start()
    patience = _START_S
    while True:
        try:
            text = said.get(timeout=patience)
        except queue.Empty:
            return
        if not text:
            worker.wait()
            return
        yield json.loads(text)
        patience = seconds


def _pass_on(stream: IO[str], said: queue.Queue[str]) -> None:
    for line in stream:
        said.put(line)
    said.put("")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All kinds, or those that are named."""
    names = arguments.kind or list(KINDS)
    if unknown := [name for name in names if name not in KINDS]:
        raise ConfigError(f"--kind is {unknown[0]}, expected one of: {', '.join(KINDS)}")
    found = {}
    for name in names:
        found[name] = corrupt(name, arguments.count, arguments.seed)
        print(f"{name}: {found[name]['wrong']} wrong of {arguments.count}", file=sys.stderr, flush=True)
    return {"seed": arguments.seed, "wrong": sum(each["wrong"] for each in found.values()), "kinds": found}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=500, metavar="N", help="Damaged files of each kind.")
    parser.add_argument("--seed", type=int, default=1, help="Of the damage.")
    parser.add_argument("--kind", action="append", metavar="KIND", help=f"One of {', '.join(KINDS)}; default: all.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, measure, argv, _add_options)


if __name__ == "__main__":
    sys.exit(main())
