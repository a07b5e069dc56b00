# SPDX-License-Identifier: Apache-2.0
"""The GPU in six minutes and one command: is it right, and then how fast.

    python benchmarks/gpu.py             on a machine with a CUDA device: writes gpu.json
    python benchmarks/gpu.py cpu         what a CPU can check, of the package and of this script; writes nothing
    python benchmarks/gpu.py emulated    the same with an emulated GPU (benchmarks/fake_cuda): every line that the day
                                         with a GPU needs is run before, and copies, waits and recordings are counted

One line for each check, which begins with ok, FAIL, skip or a figure; then the table. The weights are noise, so that
nothing is downloaded; how long a network takes does not depend on them. Without a GPU networks are small ones: figures
of a CPU say nothing but that they can be measured, and of an emulated GPU there are none. The exit status is 1 where
something is wrong.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("MONO_DEPTH_CACHE", tempfile.mkdtemp(prefix="mono_depth_gpu-"))  # nothing is remembered

import torch

from common import FOLDER, machine
from fake_cuda import fake_cuda
from gpu_parts import correct, live, memory, runtime, speed
from gpu_parts.row import FAIL, SKIP, Bench, Row
from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.models.runtime.device import describe, pick_device

Check = Callable[[Bench], Iterator[Row]]
LIMIT_S = 360.0
CHECKS: tuple[tuple[Check, float], ...] = (
    (correct.families, 45),
    (live.recorded, 10),
    (runtime.exported, 20),
    (runtime.failed_recording, 5),
    (runtime.replayed_in_another_thread, 5),
    (live.prepared, 10),
    (live.one_wait, 10),
    (live.six_cameras, 15),
    (live.times, 5),
    (correct.second_thread, 15),
    (correct.batches, 10),
    (correct.operations, 10),
    (correct.recording_of_a_bag, 10),
    (memory.held, 15),
    (memory.reconfigured, 10),
    (correct.other_gpu, 10),
    (speed.machine, 5),
    (speed.networks, 40),
    (speed.pictures, 40),
    (speed.stages, 15),
    (speed.cameras, 10),
    (speed.bags, 15),
    (correct.sizes, 10),
    (correct.float32, 5),
    (correct.ported_families, 40),
    (memory.too_large, 15),
    (live.lost, 20),
    (correct.engines, 60),
    (runtime.compiled_in_another_thread, 60),
)
"""In the order of worth, each with the seconds that it may take on a GPU."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    names = [check.__name__ for check, _ in CHECKS]
    parser = argparse.ArgumentParser(
        prog="benchmarks/gpu.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("device", nargs="?", default="cuda", help="cuda, cuda:N, cpu or emulated; default cuda")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="CHECK", help=f"Run these alone: {', '.join(names)}."
    )
    parser.add_argument("--limit", type=float, default=LIMIT_S, metavar="S", help="Seconds for all; default 360.")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="The folder of gpu.json.")
    arguments = parser.parse_args(argv)
    chosen = [item for item in CHECKS if not arguments.only or item[0].__name__ in arguments.only]
    emulated = arguments.device == "emulated"
    with fake_cuda(devices=2) if emulated else nullcontext() as gpu:
        try:
            bench = Bench(pick_device("cuda" if emulated else arguments.device), gpu)
        except MonoDepthError as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 2
        print(f"{describe(bench.device)}, torch {torch.__version__}", flush=True)
        rows = []
        for row in run(chosen, bench, arguments.limit):
            print(row, flush=True)
            rows.append(row)
    print(table(rows))
    if bench.real:
        text = json.dumps(result(rows, bench), indent=2) + "\n"
        with atomic_path(arguments.out / "gpu.json") as path:
            path.write_text(text)
    return int(any(row.state == FAIL for row in rows))


def run(checks: Sequence[tuple[Check, float]], bench: Bench, limit_s: float) -> Iterator[Row]:
    """The rows of all checks; an error of one is its row, and costs the others nothing."""
    begin = time.monotonic()
    for check, expected_s in checks:
        if bench.real and time.monotonic() - begin + expected_s / 2 > limit_s:
            yield Row(SKIP, check.__name__, "no time left")
            continue
        try:
            yield from map(bench.said, check(bench))
        except Exception:
            yield Row(FAIL, check.__name__, " | ".join(traceback.format_exc().strip().splitlines()[-3:]))
        gc.collect()
        if bench.cuda:
            torch.cuda.empty_cache()


def table(rows: Sequence[Row]) -> str:
    """The figures below each other, and how many checks went how."""
    figures = [row for row in rows if not row.state]
    width = max((len(row.name) for row in figures), default=0)
    lines = [f"{row.name:{width}}  {row.value:>10g} {row.unit:10}  {row.words}".rstrip() for row in figures]
    counts = {state: sum(row.state == state for row in rows) for state in ("ok", FAIL, SKIP)}
    return "\n".join(["", *lines, "", ", ".join(f"{count} {state}" for state, count in counts.items())])


def result(rows: Sequence[Row], bench: Bench) -> dict[str, Any]:
    """All rows, as plain values, with the machine."""
    return {
        "what": "checks and speeds on one GPU, weights of noise",
        "gpu": describe(bench.device),
        "rows": [{key: value for key, value in asdict(row).items() if value not in ("", 0.0)} for row in rows],
        "machine": machine(),
    }


if __name__ == "__main__":
    sys.exit(main())
