# SPDX-License-Identifier: Apache-2.0
"""What all scripts here share: the command line, the JSON file beside them, and times."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mono_depth_ros import transport
from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import MonoDepthError

FOLDER = Path(__file__).resolve().parent


def run(
    script: str,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    argv: Sequence[str] | None,
    add_options: Callable[[argparse.ArgumentParser], None] = lambda _: None,
    written: Callable[[argparse.Namespace], bool] = lambda _: True,
) -> int:
    """Measure, write the result with a description of this machine to OUT/NAME.json, and print it on stdout.

    Args:
        script: the script's `__file__`; NAME is its stem and its docstring is the help.
        argv: its arguments, None for those of the process.
        written: whether these arguments give the whole result; of a part nothing is written.

    Returns:
        The exit status: 0, or 1 after an error, which is told in one line.
    """
    name = Path(script).stem
    parser = argparse.ArgumentParser(
        prog=f"benchmarks/{name}.py",
        description=sys.modules[measure.__module__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="The folder of the JSON file.")
    add_options(parser)
    arguments = parser.parse_args(argv)
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    try:
        text = json.dumps({**measure(arguments), "machine": machine()}, indent=2) + "\n"
        if written(arguments):
            with atomic_path(arguments.out / f"{name}.json") as path:
                path.write_text(text)
    except MonoDepthError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


def prepare_ros() -> None:
    """A ROS domain of our own, the package's Fast DDS profile, no log in the user's home: before rclpy is imported."""
    os.environ |= {
        **transport.environment(),
        "ROS_DOMAIN_ID": str(random.randint(1, 101)),
        "ROS_LOG_DIR": tempfile.gettempdir(),
    }


def add_reference(parser: argparse.ArgumentParser, repository: str) -> None:
    """The option --reference: the authors' code to compare with."""
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help=f"A checkout of {repository}, the authors' code to compare with."
    )


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """The option --data: the folder of real frames; `what` says which of them."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=os.environ.get("MONO_DEPTH_DATA"),
        help=f"{what}; default: the environment's MONO_DEPTH_DATA.",
    )


def wait() -> None:
    """Until the GPU, where one is used, has done what it was given: before a clock is read."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def add_before(parser: argparse.ArgumentParser) -> None:
    """The option --before: an older version to count beside this one."""
    parser.add_argument(
        "--before", type=Path, metavar="DIR", help="A checkout of another version, which is counted beside this one."
    )


def beside(script: str, counts: Callable[[], dict[str, Any]], before: Path | None) -> dict[str, Any]:
    """What `counts` of a script gives now, and with the package of the checkout `before`, in a process of its own."""
    found = {"now": counts()}
    if before is not None:
        code = f"import json; from {Path(script).stem} import counts; print(json.dumps(counts()))"
        paths = os.pathsep.join((str(before.resolve()), str(FOLDER)))
        # Not in the folder of the caller, whose package would come first.
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=FOLDER,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            check=True,
        )
        found["before"] = json.loads(done.stdout)
    return found


def median_ms(work: Callable[[], Any], repeats: int) -> float:
    """Median milliseconds of a call, after three that are not counted."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 2)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
