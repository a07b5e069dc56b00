# SPDX-License-Identifier: Apache-2.0
"""Each tool of `mono_depth` stopped by SIGINT and by SIGTERM at a hundred random moments, imports included.

    python benchmarks/signals.py [--count 100] [--seed 1] [--tool image ...]

Right is 130 and 143 (or the end by the signal itself, before the first line of the package), at most one line on stderr
beside those of the tool, no traceback, no process left, within some seconds; and 0 where it was done before.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import run
from mono_depth_ros.errors import ConfigError

PROGRAM = (sys.executable, "-m", "mono_depth_ros.tools.cli")
PATIENCE_S = 20.0
_TINY = ("--model", "tiny", "--engine", "torch", "--threads", "1")
_IMAGE = ("--camera", "300,300,160,120", *_TINY)

TOOLS: dict[str, tuple[str, ...]] = {
    "image": ("image", "in", *_IMAGE, "--out", "out", "--ply"),
    "video": ("image", "in.avi", *_IMAGE, "--out", "out.mcap"),
    "bag": ("bag", "in.mcap", *_TINY, "--out", "out.mcap"),
    "info": ("info", "in.mcap", "--check"),
    "eval": ("eval", "folder", "set", "--model", "tiny", "--threads", "1"),
    "models": ("models", "check", "tiny", "--engine", "torch"),
    "bench": ("bench", "tiny", "--engine", "torch", "--size", "320x240"),
    "doctor": ("doctor",),
    "demo": ("demo", "--duration", "1", "--width", "160", "--height", "120", "--out", "out"),
}


def stopped(name: str, count: int, seed: int, folder: Path) -> dict[str, Any]:
    """A tool, stopped at `count` random moments of the time that it takes."""
    begin = time.monotonic()
    _run(name, folder, None, 0.0)
    whole_s = time.monotonic() - begin
    chosen, outcomes, wrong, slowest = random.Random(f"{seed} {name}"), Counter[str](), [], 0.0
    for index in range(count):
        number = (signal.SIGINT, signal.SIGTERM)[index % 2]
        after_s = chosen.uniform(0.0, whole_s)
        code, errors, seconds = _run(name, folder, number, after_s)
        slowest = max(slowest, seconds)
        if code == 0:
            outcomes["done before"] += 1
        elif code == -number and "mono_depth_ros" not in errors:
            outcomes["before the package"] += 1
        elif code == 128 + number and "Traceback" not in errors:
            outcomes["quiet"] += 1
        else:
            outcomes["wrong"] += 1
            wrong.append(f"{number.name} after {after_s:.3f} s: exit {code}: {' '.join(errors[-300:].split())}")
    return {"whole_s": round(whole_s, 2), **outcomes, "slowest_end_s": round(slowest, 2), "first_wrong": wrong[:5]}


def _run(name: str, folder: Path, number: signal.Signals | None, after_s: float) -> tuple[int, str, float]:
    """Exit code, stderr, and seconds from the signal to the end."""
    for path in folder.glob("out*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with subprocess.Popen(
        [*PROGRAM, *TOOLS[name]], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        if number is not None:
            time.sleep(after_s)
            process.send_signal(number)
        begin = time.monotonic()
        try:
            errors = process.communicate(timeout=PATIENCE_S if number else 300)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            return 999, f"no end: {process.communicate()[1]}", PATIENCE_S
        return process.returncode, errors, time.monotonic() - begin


def _inputs(folder: Path) -> None:
    generator = np.random.default_rng(1)
    pictures = [cv2.resize(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8), (320, 240)) for _ in range(6)]
    video = cv2.VideoWriter(str(folder / "in.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for place in ("in", "set/rgb", "set/depth"):
        (folder / place).mkdir(parents=True)
    for k, picture in enumerate(pictures):
        video.write(picture)
        cv2.imwrite(str(folder / f"in/{k}.png"), picture)
        cv2.imwrite(str(folder / f"set/rgb/{k}.png"), picture)
        cv2.imwrite(str(folder / f"set/depth/{k}.png"), np.full((240, 320), 2000, np.uint16))
    video.release()
    text = "camera_matrix: {rows: 3, cols: 3, data: [300, 0, 160, 0, 300, 120, 0, 0, 1]}\n"
    text += "distortion_model: plumb_bob\ndistortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n"
    (folder / "set/camera.yaml").write_text(f"image_width: 320\nimage_height: 240\n{text}depth_scale: 1000\n")
    words = ("image", "in.avi", *_IMAGE, "--out", "in.mcap")
    subprocess.run([*PROGRAM, *words], cwd=folder, check=True, capture_output=True)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All tools, or those that are named."""
    names = arguments.tool or list(TOOLS)
    if unknown := [name for name in names if name not in TOOLS]:
        raise ConfigError(f"--tool is {unknown[0]}, expected one of: {', '.join(TOOLS)}")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="signals-") as place:
        _inputs(Path(place))
        for name in names:
            found[name] = stopped(name, arguments.count, arguments.seed, Path(place))
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return {"count": arguments.count, "seed": arguments.seed, "tools": found}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=100, metavar="N", help="Moments for each tool.")
    parser.add_argument("--seed", type=int, default=1, help="Of the moments.")
    parser.add_argument("--tool", action="append", metavar="TOOL", help=f"One of {', '.join(TOOLS)}; default: all.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, measure, argv, _add_options)


if __name__ == "__main__":
    sys.exit(main())
