# SPDX-License-Identifier: Apache-2.0
"""How large the package is, room by room, and how much of it runs when Depth Anything V2 small is loaded.

What runs is counted with engine auto at a warm start: named functions entered, and the files that they are in.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mono_depth_ros
from common import run

_PROGRAM = """
import json, sys
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.models.loading import load_model
entered = set()
def note(frame, event, _):
    code, caller = frame.f_code, frame
    if event != "call" or "/mono_depth_ros/" not in code.co_filename or "<" in code.co_name:
        return
    while caller:  # what runs while a module is imported does not count
        if caller.f_code.co_name == "<module>" and "/mono_depth_ros/" in caller.f_code.co_filename:
            return
        caller = caller.f_back
    entered.add((code.co_filename, code.co_firstlineno))
if len(sys.argv) > 2:
    sys.setprofile(note)
load_model(ModelConfig(model=sys.argv[1], device="cpu"))
sys.setprofile(None)
print(json.dumps({"functions": len(entered), "files": len({name for name, _ in entered})}))
"""


def size(_: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values."""
    package = Path(mono_depth_ros.__file__).parent
    rooms: dict[str, dict[str, int]] = {}
    for path in sorted(package.rglob("*.py")):
        for name in (path.relative_to(package).parts[0], "all"):
            room = rooms.setdefault(name, {"files": 0, "lines": 0})
            room["files"] += 1
            room["lines"] += len(path.read_text(encoding="utf-8").splitlines())
    return {
        "what": "files and lines of Python by room; functions and files run by loading",
        **_loading(),
        "rooms": rooms,
    }


def _loading() -> dict[str, Any]:
    import torch

    from models import random_state

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "depth_anything_v2_vits.pth"
        torch.save(random_state("small"), checkpoint)
        environment = {**os.environ, "MONO_DEPTH_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-c", _PROGRAM, str(checkpoint)]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)  # chooses the engine
        done = subprocess.run([*command, "count"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return {"loading_depth_anything_v2_small": json.loads(done.stdout)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    return run(__file__, size, argv)


if __name__ == "__main__":
    sys.exit(main())
