# SPDX-License-Identifier: Apache-2.0
"""Damaged files of a kind, one after the other, in a process that may be killed: what corruption.py starts.

python -m corruption_parts.worker KIND SEED START END FOLDER     two lines of JSON a file
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corruption_parts.damage import damage
from corruption_parts.kind import Target, unclear
from corruption_parts.kinds import find
from mono_depth_ros.errors import MonoDepthError


def cases(name: str, seed: int, start: int, end: int, folder: Path, limited: bool = False) -> Iterator[dict[str, Any]]:
    """What becomes of the damaged files `start` to `end`: before each a line with its damage, then one with the result.

    Args:
        folder: empty. limited: this process may then not take more memory than the kind allows.
    """
    kind = find(name)
    targets = kind.make(folder)
    whole = [target.path.read_bytes() for target in targets]
    counts = [target.read(target.path) for target in targets]  # whole files are read, or the rest proves nothing
    if limited:
        limit = int((_status_mb("VmSize") + 2 * kind.megabytes) * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # of numbers that do not fit: a user would see them
        for index in range(start, end):
            number = index % len(targets)
            target, data = targets[number], whole[number]
            acted, damaged = damage(f"{seed} {name} {index}", data, whole[number - 1], kind.text)
            yield {"begin": index, "file": target.path.name, "damage": acted}
            target.path.write_bytes(damaged)
            yield {"end": index, **_judged(target, counts[number], data, damaged)}
            target.path.write_bytes(data)


def _judged(target: Target, count: int | None, data: bytes, damaged: bytes) -> dict[str, Any]:
    found: dict[str, Any]
    before, start = _reset_peak(), time.perf_counter()
    try:
        read = target.read(target.path)
        found = {"outcome": "read", **({"kept": read / count} if read is not None and count else {})}
    except MonoDepthError as error:
        read = 0
        flaw = unclear(str(error), (target.path.name, target.path.parent.name))
        found = {"outcome": "refused", **({"unclear": f"{flaw}: {str(error)[:300]}"} if flaw else {})}
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
        read, found = 0, {"outcome": "foreign", "foreign": words}
    wanted = target.at_least(data, damaged) if target.at_least is not None else 0
    if (read or 0) < wanted:
        found["lost"] = f"{read} of at least {wanted} were read"
    return {**found, "seconds": time.perf_counter() - start, "megabytes": max(0.0, _status_mb("VmHWM") - before)}


def _status_mb(name: str) -> float:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(f"{name}:"))


def _reset_peak() -> float:
    """Let the peak of memory begin anew (proc(5), clear_refs); what there is now in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def main(name: str, seed: str, start: str, end: str, folder: str) -> None:
    """Print what `cases` yields."""
    stdout = sys.stdout  # commands have theirs redirected
    for line in cases(name, int(seed), int(start), int(end), Path(folder), limited=True):
        print(json.dumps(line), file=stdout, flush=True)


if __name__ == "__main__":
    faulthandler.enable()
    main(*sys.argv[1:])
