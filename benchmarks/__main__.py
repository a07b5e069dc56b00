# SPDX-License-Identifier: Apache-2.0
"""Measure the figures that this package claims, on this machine.

    python benchmarks [NAME ...] [OPTION ...]

runs the scripts NAME.py, or all of them, one after the other, each with the options.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

NAMES = (
    "cloud",
    "tiny",
    "input_size",
    "world",
    "start",
    "size",
    "gpu",
    "gpu_copies",
    "gpu_counts",
    "models",
    "metric3d",
    "any_view",
    "families",
    "exact_camera",
    "bag",
    "writers",
    "alignment",
    "prompted",
    "stereo",
    "motion",
    "driving",
    "adapt",
    "obstacles",
    "memory",
    "fuse",
    "map",
    "slam",
    "overhead",
    "delivery",
    "loss",
    "outside",
    "overload",
    "random_requests",
    "dds_transport",
    "fuzz",
    "corruption",
    "signals",
    "soak",
)
NEEDS = {
    "slam": ("open3d", "evo"),
    "map": ("open3d",),
    "memory": ("numba",),
    "motion": ("numba",),
    "adapt": ("numba",),
    "driving": ("numba",),
    "obstacles": ("numba", "open3d"),
    "fuse": ("numba",),
    "world": ("numba",),
    "outside": ("numba",),
    "prompted": ("numba",),
}
"""What is not installed with the package: without a name given, such a measurement is left out where it is missing."""
LONG = ("adapt", "writers", "fuzz", "corruption", "signals", "soak")
"""What takes up to half an hour: without a name given it is left out."""


def main(argv: Sequence[str]) -> int:
    """Returns 0, 2 for a name that is not known, or the exit status of the first script that failed."""
    if "-h" in argv[:1] or "--help" in argv[:1]:
        print(f"{(__doc__ or '').strip()}\n\nNAME: {', '.join(NAMES)}\nOPTION: see python benchmarks/NAME.py --help")
        return 0
    count = next((index for index, text in enumerate(argv) if text.startswith("-")), len(argv))
    given, options = argv[:count], argv[count:]
    unknown = [name for name in given if name not in NAMES]
    if unknown:
        print(f"benchmarks: there is no measurement '{unknown[0]}', expected: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in given or NAMES:
        reason = "" if given else _missing(name)
        if reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
            continue
        done = subprocess.run([sys.executable, str(Path(__file__).with_name(f"{name}.py")), *options])
        if done.returncode:
            return done.returncode
    return 0


def _missing(name: str) -> str:
    """What a measurement needs and is not here, "" for nothing."""
    if name == "gpu":
        import torch

        return (
            "" if torch.cuda.is_available() else "it needs a CUDA device; python benchmarks/gpu.py cpu checks the rest"
        )
    if name in LONG:
        return f"it takes half an hour; `python benchmarks {name}` runs it"
    packages = [package for package in NEEDS.get(name, ()) if find_spec(package) is None]
    return f"pip install {' '.join(packages)}" if packages else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
