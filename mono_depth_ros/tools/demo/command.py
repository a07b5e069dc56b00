# SPDX-License-Identifier: Apache-2.0
"""`mono_depth demo`: see the package at work, without ROS's own tools, a GPU or a network."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mono_depth_ros.config import DemoConfig, RecorderConfig, WorldNodeConfig
from mono_depth_ros.errors import shown
from mono_depth_ros.media import CAMERA_HELP
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.options import add_options, config_from
from mono_depth_ros.tools.parser import add_alias, path

WORLD_OPTIONS = ("scene", "seed", "width", "height", "noise")
RECORDER_OPTIONS = ("duration", "frames")
ADAPT_DURATION = 30.0
"""Seconds that are recorded to learn from."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `demo`; its defaults are those of DemoConfig and RecorderConfig."""
    parser = subparsers.add_parser(
        "demo",
        help="camera, lidar, depth and alignment node over real ROS 2, and a report of what came out",
        description="Start a camera, the depth node, with the synthetic world's lidar and odometry an alignment "
        "node each, and a recorder as processes that talk ROS 2, and write OUT/report.html, frame_*.png, cloud.ply, "
        "demo.mcap and summary.json. Ctrl-C at any time ends all processes and leaves an earlier OUT as it was.",
        examples=(
            "mono_depth demo",
            "mono_depth demo --source drive.mp4 --camera camera.yaml --out demo_output",
        ),
    )
    parser.add_argument(
        "--out",
        type=path,
        default=Path("demo_output"),
        metavar="DIR",
        help="The results go here (default: %(default)s).",
    )
    parser.add_argument(
        "--camera",
        default="",
        metavar="CAMERA",
        help=f"The camera of other sources than the world: {CAMERA_HELP}; a folder's own camera.yaml or "
        "camera-intrinsics.txt is found.",
    )
    hfov = parser.add_argument(
        "--hfov",
        type=float,
        metavar="DEG",
        help="The field of view across the width of the images: of the world (10 to 150, default: "
        f"{WorldNodeConfig.hfov:g}), or of another source whose calibration is not known.",
    )
    add_alias(parser, hfov, "--hfov-deg")
    parser.add_argument(
        "--domain-id", type=_domain, metavar="N", help="The ROS domain, 0 to 101 (default: a free one)."
    )
    parser.add_argument("--json", action="store_true", help="Print the content of summary.json on stdout.")
    add_options(parser, DemoConfig)
    add_options(parser, RecorderConfig, RECORDER_OPTIONS)
    parser.set_defaults(duration=None)  # which depends on --adapt
    world = parser.add_argument_group("synthetic world")
    add_options(world, WorldNodeConfig, WORLD_OPTIONS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it; 0. MonoDepthError goes up to the caller."""
    with importing():
        from mono_depth_ros.tools.demo.session import Session

    if args.duration is None:
        args.duration = ADAPT_DURATION if args.adapt else RecorderConfig.duration
    of_world = args.source == "world"
    session = Session(
        config_from(args, DemoConfig),
        config_from(args, WorldNodeConfig, (*WORLD_OPTIONS, *["hfov"] * (of_world and args.hfov is not None))),
        config_from(args, RecorderConfig, RECORDER_OPTIONS),
        args.camera,
        args.domain_id,
        0.0 if of_world else args.hfov or 0.0,
    )
    summary = session.run(args.out)
    if args.json:
        print(json.dumps(summary))
    print(f"{_in_words(summary)}\nopen {args.out / 'report.html'} in a browser", file=sys.stderr)
    return 0


def _domain(text: str) -> int:
    if not (text.isdecimal() and len(text) < 4 and int(text) < 102):
        raise argparse.ArgumentTypeError(f"found '{shown(text)}', expected 0 to 101")
    return int(text)


def _in_words(summary: dict[str, Any]) -> str:
    frames = f"{summary['frames_out']} of {summary['frames_in']} frames, {summary['rate_hz']:.1f} Hz"
    p50, p99 = summary["latency_ms"]["p50"], summary["latency_ms"]["p99"]
    depth = summary.get("depth")
    error = f", AbsRel {depth['abs_rel']:.3f}, delta1 {depth['delta1']:.3f}" if depth else ", no ground truth"
    for name, words in (("aligned", "aligned with the lidar"), ("motion", "by the camera's motion")):
        if depth and summary[name]:
            error += f"; {words}: AbsRel {summary[name]['abs_rel']:.3f}, delta1 {summary[name]['delta1']:.3f}"
    if (adapted := summary.get("adapted")) is not None:
        where, found = (
            ("in unseen worlds", adapted["unseen"]) if adapted["unseen"] else ("on its drive", adapted["drive"])
        )
        error += f"; adapted {where}: AbsRel {found['before']['abs_rel']:.3f} -> {found['after']['abs_rel']:.3f}"
        error += "" if found["gain"]["sure"] else ", no sure gain"
    return f"{summary['model']}: {frames}, latency {p50:.0f} ms (p99 {p99:.0f} ms){error}"
