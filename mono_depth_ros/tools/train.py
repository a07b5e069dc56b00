# SPDX-License-Identifier: Apache-2.0
"""`mono_depth train`: render the synthetic world, train `tiny` on it, write its weights and its figures."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from mono_depth_ros.startup import importing
from mono_depth_ros.tools.options import add_options, config_from
from mono_depth_ros.tools.parser import path
from mono_depth_ros.training.config import TrainConfig
from mono_depth_ros.world import require_numba


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `train`; every field of `TrainConfig` is an option of it."""
    parser = subparsers.add_parser(
        "train",
        help="train the embedded model `tiny` on the synthetic world",
        description="Render frames of the synthetic world, train `tiny` on them, write its weights and measure them on "
        "frames of worlds that it has not seen. A run that was interrupted goes on with --resume.",
        examples=(
            "mono_depth train --out tiny.safetensors",
            "mono_depth train --minutes 600 --workers 8 --resume",
        ),
    )
    out = Path("tiny.safetensors")
    parser.add_argument(
        "--out", type=path, default=out, metavar="FILE", help="The weights go here (default: %(default)s)."
    )
    cache = Path.home() / ".cache" / "mono_depth_ros" / "train"
    parser.add_argument(
        "--work",
        type=path,
        default=cache,
        metavar="DIR",
        help="Frames and checkpoints are kept here (default: %(default)s).",
    )
    parser.add_argument(
        "--metrics", type=path, metavar="FILE", help="The figures go here (default: WORK/metrics.json)."
    )
    parser.add_argument("--data", type=path, metavar="DIR", help="The folder has kitti_depth, nyu_depth, seven_scenes.")
    parser.add_argument("--resume", action="store_true", help="Continue from the checkpoint in the work folder.")
    parser.add_argument(
        "--export", action="store_true", help="Train nothing: export and measure the newest checkpoint."
    )
    parser.add_argument("--json", action="store_true", help="Print the figures on stdout as one line of JSON.")
    group = parser.add_argument_group("data, schedule, loss")
    add_options(group, TrainConfig)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Render, train, export, measure. 0 on success; MonoDepthError goes up to the caller."""
    config = config_from(args, TrainConfig)
    require_numba()
    with importing():
        from mono_depth_ros.training import run as training

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if not args.export:
        training.run_training(config, args.work, args.resume)
    trained = training.export(config, args.work, args.out)
    found = {"trained": trained, **training.measure(config, args.work, args.out, args.data)}
    training.write_json(found, args.metrics or args.work / "metrics.json")
    if args.json:
        print(json.dumps(found))
    scores, baseline = found["held_out"]["all"], found["constant_per_row"]
    line = f"held-out AbsRel {scores['abs_rel']:.4f}, delta1 {scores['delta1']:.4f}"
    print(f"{args.out}: {line}; constant per row: {baseline['abs_rel']:.4f}", file=sys.stderr)
    return 0
