# SPDX-License-Identifier: Apache-2.0
"""From the start of a process to its first depth: `tiny`, and Depth Anything V2 small with random weights, engine auto.

The first start chooses and proves the engine, with an empty cache; the later ones take what was remembered of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import run

STARTS = 7
_PROGRAM = """
import sys, time
import numpy as np
from mono_depth_ros import Camera, load_model
frame = load_model(sys.argv[1], device="cpu")(np.zeros((480, 640, 3), np.uint8), Camera.from_fov((640, 480), 60))
frame.prediction.values.sum().item()
print(time.clock_gettime(time.CLOCK_BOOTTIME) - float(sys.argv[2]))
"""


def start(_: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values: seconds, medians of the warm starts."""
    import torch

    from models import random_state

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "depth_anything_v2_vits.pth"
        torch.save(random_state("small"), checkpoint)
        return {
            "what": f"seconds from process start to the first depth of 640x480, engine auto; warm: median of {STARTS}",
            "tiny": _seconds("tiny", folder),
            "depth_anything_v2_small": _seconds(str(checkpoint), folder),
        }


def _seconds(model: str, folder: str) -> dict[str, float]:
    environment = {**os.environ, "MONO_DEPTH_CACHE": f"{folder}/cache"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    environment["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
    took = [_first_depth(model, environment) for _ in range(1 + STARTS)]
    return {"first": round(took[0], 2), "warm": round(statistics.median(took[1:]), 2)}


def _first_depth(model: str, environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", _PROGRAM, model, str(time.clock_gettime(time.CLOCK_BOOTTIME))]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    return run(__file__, start, argv)


if __name__ == "__main__":
    sys.exit(main())
