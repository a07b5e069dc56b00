# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag` killed at random moments, and two of it on one output: are the bytes those of a run left alone?

Every trial is the command itself with `tiny`, in processes of its own, ended by SIGKILL at a moment drawn at random
over the time that a whole run takes:

killed: one bag, killed up to three times, then --resume; into an MCAP file and into a folder of segments in turn.
killed_folder: a folder of bags, killed, then the same command again.
refused: a second run with --resume or --force in turn, begun while the first one works.
shared: two processes on a folder of bags, one of them killed; the other has to finish all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bag import write_bag
from common import run
from mono_depth_ros.tools.bag import convert, fleet, lock  # noqa: F401  before the first fork
from mono_depth_ros.tools.cli import main as command_line

_SIZE = (320, 240)
_IMAGES = 60
_BAGS = {"a": 20, "b": 30, "deep/c": 25, "d": 15}
_WORDS = ("--model", "tiny", "--engine", "torch", "--threads", "1", "--segment-frames", "8")


@dataclass
class Place:
    """Where the trials are: inputs, what one run left alone makes of them, and how long it takes."""

    where: Path
    moments: random.Random
    images: int = _IMAGES
    bags: dict[str, int] = field(default_factory=lambda: dict(_BAGS))
    trial: int = 0
    kills: int = 0

    def __post_init__(self) -> None:
        self.single, self.folder = self.where / "single", self.where / "folder"
        forked(lambda: self._write())
        self.whole: dict[str, dict[str, str]] = {}
        self.seconds: dict[str, float] = {}
        for name, source in (("out.mcap", self.single), ("out", self.single), ("many", self.folder)):
            begun, out = time.monotonic(), self.where / "alone" / name
            if code := convert_into(source, out).wait():
                raise SystemExit(f"a run that is left alone ends with {code}, expected 0")
            self.whole[name], self.seconds[name] = digests(out), time.monotonic() - begun

    def _write(self) -> None:
        write_bag(self.single, self.images, _SIZE)
        for name, count in self.bags.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_bag(self.folder / name, count, _SIZE)

    def out(self, name: str) -> Path:
        """A new output."""
        self.trial += 1
        return self.where / f"trial{self.trial}" / name

    def wait(self, name: str, part: float = 1.0) -> None:
        """Up to as long as a whole run takes, or that part of it."""
        time.sleep(self.moments.uniform(0.0, part * self.seconds[name]))

    def kill(self, process: Process) -> None:
        """End it by SIGKILL; counted where it had not come to its end."""
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        self.kills += process.wait() == -signal.SIGKILL


@dataclass
class Process:
    """A conversion in a process of its own; `said` is a file."""

    pid: int
    said: Path
    code: int | None = None

    def wait(self) -> int:
        """Its exit code; that of a killed one is -9."""
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code


def convert_into(source: Path, out: Path, *words: str) -> Process:
    """Begin `mono_depth bag SOURCE --out OUT`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    said = Path(tempfile.mkstemp(prefix="said-", dir=out.parent)[1])

    def work() -> int:
        sys.stdout = sys.stderr = said.open("w", buffering=1)
        os.dup2(sys.stdout.fileno(), 1)
        os.dup2(sys.stdout.fileno(), 2)
        return command_line(["bag", str(source), "--out", str(out), *_WORDS, *words])

    return Process(fork(work), said)


def fork(work: Callable[[], int | None]) -> int:
    """Run `work` in a child, whose exit code is its result; everything is imported before, and torch has not run."""
    pid = os.fork()
    if not pid:
        code = 99
        try:
            code = work() or 0
        finally:
            os._exit(code)
    return pid


def forked(work: Callable[[], None]) -> None:
    """As `work()`, in a child."""
    if os.waitpid(fork(work), 0)[1]:
        raise SystemExit("writing the bags failed")


def digests(out: Path) -> dict[str, str]:
    """SHA-256 of every file of a result, by name, without the manifest: it has times and hosts in it."""
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(out.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if path.name != "manifest.json"
    }


def killed(place: Place, trial: int) -> str:
    """One bag, killed and gone on with. Returns what is wrong, or ""."""
    name = ("out.mcap", "out")[trial % 2]
    out = place.out(name)
    for _ in range(place.moments.randint(1, 3)):
        process = convert_into(place.single, out, "--resume")
        place.wait(name)
        place.kill(process)
    if (code := convert_into(place.single, out, "--resume").wait()) != 0:
        return f"--resume ends with {code}"
    return _same(out, place.whole[name]) or _left(out)


def killed_folder(place: Place, trial: int) -> str:
    """A folder of bags, killed and begun again."""
    out = place.out("many")
    process = convert_into(place.folder, out)
    place.wait("many")
    place.kill(process)
    if (code := convert_into(place.folder, out).wait()) != 0:
        return f"the second run ends with {code}"
    return _same(out, place.whole["many"]) or _undone(place, out) or _left(out)


def refused(place: Place, trial: int) -> str:
    """A second run on the same output."""
    name, how = ("out.mcap", "out")[trial % 2], ("--resume", "--force")[trial // 2 % 2]
    out = place.out(name)
    first = convert_into(place.single, out)
    while lock.holder(out) is None:
        time.sleep(0.002)
    place.wait(name, 0.3)
    second = convert_into(place.single, out, how)
    codes = second.wait(), first.wait()
    words = second.said.read_text().rpartition("mono_depth bag:")[2].strip()
    if codes != (1, 0) or not re.search(rf"process {first.pid} on \S+ is working on .* since ", words):
        return f"{how} ends with {codes[0]} ({words}), the first run with {codes[1]}"
    return _same(out, place.whole[name]) or _left(out)


def shared(place: Place, trial: int) -> str:
    """Two processes on a folder of bags, one of them killed."""
    out = place.out("many")
    pair = [convert_into(place.folder, out, "--json")]
    place.wait("many", 0.3)
    pair.append(convert_into(place.folder, out, "--json"))
    place.wait("many", 0.7)
    place.moments.shuffle(pair)
    victim, other = pair
    place.kill(victim)
    if (code := other.wait()) != 0:
        return f"the process that was left ends with {code}: {other.said.read_text().strip()[-300:]}"
    return _same(out, place.whole["many"]) or _undone(place, out)


def _same(out: Path, whole: dict[str, str]) -> str:
    found = digests(out)
    wrong = sorted(name for name in {*found, *whole} if found.get(name) != whole.get(name) and ".lock" not in name)
    return f"other than left alone: {', '.join(wrong)}" if wrong else ""


def _undone(place: Place, out: Path) -> str:
    bags = json.loads((out / "manifest.json").read_text())["bags"]
    states = {name: bags.get(name, {}).get("state") for name in place.bags}
    wrong = [f"{name} {state}" for name, state in states.items() if state != "done"]
    return f"in the manifest: {', '.join(wrong)}" if wrong else ""


def _left(out: Path) -> str:
    left = [path.name for path in out.parent.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
    return f"left lying about: {', '.join(left)}" if left else ""


_TRIALS = {"killed": killed, "killed_folder": killed_folder, "refused": refused, "shared": shared}


def writers(trials: int, seed: int = 0, **sizes: Any) -> dict[str, Any]:
    """The measurement, as plain values."""
    found: dict[str, Any] = {"what": "byte-identical results of mono_depth bag, killed or two at a time", "seed": seed}
    with tempfile.TemporaryDirectory(prefix="mono_depth_writers-") as folder:
        place = Place(Path(folder), random.Random(seed), **sizes)
        found["whole_run_s"] = {name: round(seconds, 2) for name, seconds in place.seconds.items()}
        for name, work in _TRIALS.items():
            place.kills = 0
            problems = [words for trial in range(trials) if (words := work(place, trial))]
            good = trials - len(problems)
            found[name] = {
                "good": good,
                "of": trials,
                "processes_killed": place.kills,
                "problems": problems,
                "holds": good == trials,
            }
            print(f"{name}: {good} of {trials}", file=sys.stderr, flush=True)
    return found


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="Each kind is tried N times.")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="The seed of the moments.")


def main(argv: Sequence[str] | None = None) -> int:
    def measure(arguments: Namespace) -> dict[str, Any]:
        return writers(arguments.trials, arguments.seed)

    return run(__file__, measure, argv, _options)


if __name__ == "__main__":
    sys.exit(main())
