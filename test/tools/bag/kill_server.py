# SPDX-License-Identifier: Apache-2.0
"""Runs `mono_depth bag` in forked processes that a test may kill at any moment.

Each line of stdin is JSON. {"words": [...], "step_s": seconds a batch takes, "until": FILE, "said": file for stdout and
stderr, "die_at": n} begins a process, whose pid goes to stdout; {"wait": pid} gives the exit code when it has ended.
With `until` the sixth batch makes FILE.waiting and waits for FILE. With `die_at` the process kills itself around its
n-th rename: before it for even, after it for odd n, counted from 0. Everything is imported once; torch has not run when
it forks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bags"))

import conftest as kit

import mono_depth_ros.models.loading as loading
import mono_depth_ros.tools.bag.convert  # noqa: F401  before the first fork


def child(words: list[str], step_s: float, until: str, die_at: int | None) -> None:
    def wait() -> None:
        time.sleep(step_s)
        if until and len(model.batches) == 5:
            Path(f"{until}.waiting").touch()
            while not os.path.exists(until):
                time.sleep(0.01)

    model = kit.RedModel(wait=wait)
    loading.load_model = lambda *_: model
    replace, calls = os.replace, iter(range(10**6))

    def dying(source: str, target: str) -> None:
        moment = next(calls) * 2
        if moment == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if moment + 1 == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    if die_at is not None:
        os.replace = dying
    os._exit(kit.main(words))


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
            continue
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            said = os.open(asked.get("said", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            child(["bag", *asked["words"]], asked.get("step_s", 0.0), asked.get("until", ""), asked.get("die_at"))
        print(pid, flush=True)


if __name__ == "__main__":
    main()
