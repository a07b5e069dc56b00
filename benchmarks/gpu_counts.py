# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs, copies and waits on an emulated GPU: no GPU is needed, nothing is timed.

With the embedded network: a recording of 20 images. Six cameras, of which one to six come in a turn, go through a
single convolution.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bag import write_bag
from common import add_before, beside, run
from fake_cuda import Runtime, fake_cuda
from mono_depth_ros.config import BagConfig
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.runtime.torch_engine import TorchEngine
from mono_depth_ros.tools.bag.convert import Job, convert

CUDA = torch.device("cuda", 0)
TURNS = 1000
FRAMES = 20


def bag(gpu: Runtime) -> dict[str, Any]:
    """`mono_depth bag` of 20 images to depth and cloud: two batches of 8 and one of 4."""
    model = TinyModel(EngineOptions(CUDA, "torch", "fp32"))
    with tempfile.TemporaryDirectory() as folder:
        write_bag(Path(folder) / "in", FRAMES, (640, 480))
        before, error = len(gpu.captures), ""
        with gpu.counted() as work:
            try:
                convert(Job(Path(folder) / "in", Path(folder) / "out.mcap", BagConfig(outputs="depth,points")), model)
            except Exception as raised:
                error = str(raised)
    made = gpu.captures[before:]
    found = {
        **work.copies(),
        "pinned_allocations": work.pinned,
        "recordings": len(made),
        "recordings_that_failed": sum(not item.ended for item in made),
    }
    return {**found, "error": error} if error else found


def cameras(gpu: Runtime) -> dict[str, Any]:
    """Turns of one to six cameras in a random order, all of one size."""
    torch.manual_seed(0)
    module = torch.nn.Conv2d(3, 2, 3, padding=1).requires_grad_(False).eval()
    network = Network("net", module, ("image",), ("depth",), ({0: "batch", 2: "rows", 3: "columns"},))
    engine, before = TorchEngine(network, CUDA, "fp32"), len(gpu.captures)
    late = 0
    for turn, count in enumerate(np.random.default_rng(0).integers(1, 7, TURNS)):
        so_far = len(gpu.captures)
        engine(torch.rand(int(count), 3, 6, 8, device=CUDA))
        late += (len(gpu.captures) - so_far) * (turn >= TURNS // 10)
    return {"turns": TURNS, "recordings": len(gpu.captures) - before, "of_them_after_the_first_tenth": late}


def counts() -> dict[str, Any]:
    """All of it, of the package that is imported."""
    logging.getLogger("mono_depth_ros").setLevel(logging.ERROR)
    with fake_cuda() as gpu:
        return {
            f"a recording of {FRAMES} images of 640x480": bag(gpu),
            "six cameras": cameras(gpu),
        }


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    what = "counted on an emulated GPU: nothing of it was measured on one"
    return {"what": what, **beside(__file__, counts, arguments.before)}


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, _measure, argv, add_before)


if __name__ == "__main__":
    sys.exit(main())
