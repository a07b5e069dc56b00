# SPDX-License-Identifier: Apache-2.0
"""`mono_depth play`: a recording on its ROS 2 topics, for people who want topics and not files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from mono_depth_ros import transport
from mono_depth_ros.config import PlayConfig
from mono_depth_ros.errors import ConfigError, DataError, UsageError
from mono_depth_ros.tools.options import add_options, config_from

_OPTIONS = tuple(item.name for item in fields(PlayConfig) if item.name != "bag")


NO_RCLPY = "rclpy is not installed: source a ROS 2 setup file, or pip install '.[jazzy]' in the checkout"


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `play`; its options are the fields of PlayConfig."""
    parser = subparsers.add_parser(
        "play",
        help="publish a recording on its ROS 2 topics, with /clock",
        description="Publishes every message of a recording on its topic, in order and at its time, with /clock. It "
        "leaves nothing out to keep the pace; to convert a recording, `mono_depth bag` needs no topics and no pace.",
        examples=(
            "mono_depth play drive.mcap",
            "mono_depth play drive.mcap --rate 0.5 --topics /camera/image_raw,/camera/camera_info",
        ),
    )
    parser.add_argument("bag", metavar="BAG", help=PlayConfig.__dataclass_fields__["bag"].metadata["doc"])
    add_options(parser, PlayConfig, _OPTIONS)
    parser.add_argument(
        "--remap",
        action="append",
        default=[],
        metavar="FROM:=TO",
        help="The topic gets another name; may be given several times.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> NoReturn:
    """Become the play node: Ctrl-C and the exit code are its own.

    Raises:
        UsageError: an option is wrong. ConfigError: rclpy is not installed. DataError: there is no recording.
    """
    config = config_from(args, PlayConfig, _OPTIONS)
    if find_spec("rclpy") is None:
        raise ConfigError(NO_RCLPY)
    if not Path(args.bag).exists():
        raise DataError(f"there is no {args.bag}")
    wrong = [rule for rule in args.remap if ":=" not in rule]
    if wrong:
        raise UsageError(f"--remap is '{wrong[0]}', expected FROM:=TO")
    # JSON is YAML, as which ROS reads parameters: quoted, a name such as 2026 stays a text.
    given = {"bag": args.bag, **{name: getattr(config, name) for name in _OPTIONS}}
    words = [word for name, value in given.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
    words += [word for rule in args.remap for word in ("-r", rule)]
    sys.stdout.flush()
    environment = {**os.environ, **transport.environment()}
    command = [sys.executable, "-m", "mono_depth_ros.nodes.play_node", "--ros-args", *words]
    os.execve(sys.executable, command, environment)
