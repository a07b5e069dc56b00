# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag`: depth of every frame of a recording, in order, none dropped."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from mono_depth_ros.config import (
    ALIGNMENT,
    AlignConfig,
    BagConfig,
    DepthConfig,
    FleetConfig,
    GroundConfig,
    ImageConfig,
    ModelConfig,
    MotionConfig,
    ObstacleConfig,
    ReferenceConfig,
    StereoConfig,
    TrackerConfig,
)
from mono_depth_ros.errors import ConfigError, UsageError
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.options import add_options, config_from
from mono_depth_ros.tools.parser import path


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `bag`; its defaults are those of BagConfig and of the classes of the pipeline."""
    parser = subparsers.add_parser(
        "bag",
        help="depth of every frame of a ROS bag, into another bag",
        description="Convert every image of a recording, in order, with its original stamps and frames: no ROS, no "
        "dropped frames. Topics are found by type and named. A run that was interrupted, even by kill -9, leaves a "
        "readable bag of what is finished, and --resume goes on with it. A folder with many bags, in it or in its "
        "folders, is converted into a folder: a manifest there says what is done, and a second run does what is "
        "missing.",
        examples=(
            "mono_depth bag drive.mcap --out depth.mcap",
            "mono_depth bag drive.mcap --out depth.mcap --outputs depth,aligned --align-topic /lidar/points",
        ),
        config_file=True,
    )
    parser.add_argument(
        "input",
        type=path,
        metavar="IN",
        help="The recording: a ROS 2 bag folder, .mcap or .db3 file, a ROS 1 .bag, or a folder with many of them.",
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="OUT",
        help="NAME.mcap or NAME.db3 is one file, any other name a bag folder (default: IN_depth.mcap in this folder), "
        "for many bags a folder (default: IN_depth in this folder).",
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="Many bags are shared out among Ray workers: of this machine, or of the cluster at ADDRESS (auto is the "
        "one this machine is part of); needs `pip install ray`.",
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="Of many bags only every N-th is converted, from the I-th on; I counts from 0, as the tasks of a Slurm "
        "array do. Several processes share a folder without this too: each takes the bags that are free.",
    )
    parser.add_argument("--resume", action="store_true", help="Go on where an earlier run ended.")
    parser.add_argument("--force", action="store_true", help="Replace what is at OUT.")
    parser.add_argument(
        "--export",
        nargs=2,
        action="append",
        default=[],
        metavar=("FORM", "DIR"),
        help="Write frames into a folder too: tum DIR is the layout of TUM RGB-D, ply DIR a cloud of each frame.",
    )
    parser.add_argument("--json", action="store_true", help="Print the summary as JSON on stdout.")
    add_options(parser, BagConfig, [item.name for item in fields(BagConfig) if not item.name.startswith("export_")])
    add_options(parser, ImageConfig)
    add_options(parser.add_argument_group("many bags"), FleetConfig)
    add_options(parser.add_argument_group("model"), ModelConfig)
    add_options(parser.add_argument_group("depth and cloud"), DepthConfig)
    alignment = parser.add_argument_group("alignment")
    for cls in ALIGNMENT:
        add_options(alignment, cls)
    add_options(parser.add_argument_group("obstacles"), ObstacleConfig)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert; 0, or 1 for a damaged bag, of which what could be read is written, for an output without a message, and
    where one of many failed.

    Raises:
        MonoDepthError: nothing could be converted, or not to the end.
    """
    exports = {"tum": "", "ply": "", **dict(args.export)}
    if len(exports) > 2 or len(dict(args.export)) < len(args.export):
        raise UsageError(f"--export is {args.export}, expected tum DIR and ply DIR, each once at most")
    args.export_tum, args.export_ply = exports["tum"], exports["ply"]
    with importing():
        from mono_depth_ros.bags.packed import unpacked_name
        from mono_depth_ros.bags.storage import bag_path
        from mono_depth_ros.models.loading import load_model
        from mono_depth_ros.tools.bag.convert import Job, check_input, check_outputs, convert
        from mono_depth_ros.tools.bag.lock import locked
        from mono_depth_ros.tools.bag.manifest import is_one_bag
        from mono_depth_ros.tools.bag.progress import Bar
        from mono_depth_ros.tools.bag.summary import failure, in_words
        from mono_depth_ros.tools.bag.target import recorded_engine, with_engine

    args.input = bag_path(args.input)
    many = not is_one_bag(args.input)
    stem = Path(unpacked_name(args.input.name)).stem
    job = Job(
        source=args.input,
        out=args.out or Path(f"{args.input.resolve().name}_depth" if many else f"{stem}_depth.mcap"),
        bag=config_from(args, BagConfig),
        images=config_from(args, ImageConfig),
        depth=config_from(args, DepthConfig),
        align=config_from(args, AlignConfig),
        tracker=config_from(args, TrackerConfig),
        reference=config_from(args, ReferenceConfig),
        stereo=config_from(args, StereoConfig),
        ground=config_from(args, GroundConfig),
        motion=config_from(args, MotionConfig),
        obstacles=config_from(args, ObstacleConfig),
        resume=args.resume,
        force=args.force,
    )
    if many:
        from mono_depth_ros.tools.bag.fleet import Share, run_fleet

        share = Share(args.ray, args.shard)
        return run_fleet(job, config_from(args, ModelConfig), config_from(args, FleetConfig), share, args.json)
    for option in ("ray", "shard"):
        if getattr(args, option) is not None:
            raise ConfigError(f"{args.input} is one bag, expected a folder with many bags to share out with --{option}")
    check_input(job)
    with locked(*job.outputs):
        check_outputs(job)
        begun_in = recorded_engine(job.out, job.bag.storage) if args.resume else ""
        model = load_model(with_engine(config_from(args, ModelConfig), begun_in))
        with Bar(args.input.name) as bar:
            try:
                summary = convert(job, model, bar.tell, bar.step)
            except KeyboardInterrupt:
                bar.tell(f"interrupted: what is finished is kept; `mono_depth bag {args.input} ... --resume` goes on")
                raise
    if args.json:
        print(json.dumps(summary))
    print(in_words(summary), file=sys.stderr)
    return 1 if failure(summary) else 0


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(f"'{text}' is no shard, expected I/N with I from 0 to N-1, such as 0/4")
    return int(found[1]), int(found[2])
