# SPDX-License-Identifier: Apache-2.0
"""The command line `mono_depth`: one parser, one handler of errors. Each tool is a module with `add_parser`."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from mono_depth_ros.errors import SENTENCE, MonoDepthError, UsageError, shown
from mono_depth_ros.startup import INTERRUPTED, importing, interruptible, process, uninterrupted

with importing():  # Ctrl-C in these would else be swallowed now and then, and the tool would go on
    from mono_depth_ros.tools import bench, image, play, standard_streams, train
    from mono_depth_ros.tools.adapt import command as adapt
    from mono_depth_ros.tools.bag import command as bag
    from mono_depth_ros.tools.demo import command as demo
    from mono_depth_ros.tools.doctor import command as doctor
    from mono_depth_ros.tools.eval import command as eval_
    from mono_depth_ros.tools.info import command as info
    from mono_depth_ros.tools.models import command as models
    from mono_depth_ros.tools.parser import Parser

_TOOLS = (demo, image, bag, eval_, info, play, models, doctor, bench, train, adapt)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def build_parser() -> Parser:
    """The parser with all tools. They import what is heavy only when they run, so that `--help` comes at once."""
    parser = Parser(
        prog="mono_depth",
        description="One camera in; metric depth, a point cloud and an honest error figure out.",
        epilog="`mono_depth TOOL --help` shows the options of a tool. Results go to stdout, progress to stderr.",
        examples=("mono_depth demo", "mono_depth image photo.jpg --model tiny --out out --color"),
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="Show the version and exit.")
    parser.set_defaults(run=partial(_help, parser))
    subparsers = parser.add_subparsers(title="tools", dest="tool", metavar="TOOL")
    for tool in _TOOLS:
        tool.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one tool; without one, show the help.

    Returns:
        0; 1 for an error and 2 for a wrong word or value, told in one line; 130 after Ctrl-C.
    """
    name = "mono_depth"
    try:
        parser = build_parser()
        if "_ARGCOMPLETE" in os.environ:  # the shell asks what could come next
            _complete(parser)
        try:
            args = parser.parse_args(argv)
        except SystemExit as ended:  # --help, or words that are wrong, which argparse has told
            sys.stdout.flush()
            return int(ended.code or 0)
        name = f"mono_depth {args.tool}" if args.tool else name
        with interruptible():
            code: int = args.run(args)
            sys.stdout.flush()
        return code
    except MonoDepthError as error:
        print(f"{name}: {error}", file=sys.stderr)
        if isinstance(error, standard_streams.OutputError):
            standard_streams.give_up()
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        standard_streams.give_up()  # the reader of our output has left, as `head` does
        return 1
    except OSError as error:
        named = isinstance(error.filename, (str, bytes))
        if error.strerror is None or not (named or error.errno in _DISK):
            raise  # of no file: a defect
        where = f"{shown(os.fsdecode(error.filename), SENTENCE)}: " if named else ""
        print(f"{name}: {where}{error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        with uninterrupted():
            print(f"\n{name}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _help(parser: Parser, _: argparse.Namespace) -> int:
    parser.print_help()
    return 0


def _complete(parser: Parser) -> None:
    with suppress(ImportError):
        import argcomplete

        argcomplete.autocomplete(parser)


def script() -> int:
    """Entry point of `mono_depth`: `main` in a process of its own."""
    standard_streams.prepare()
    return process(main)


class _Version(argparse.Action):
    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("mono_depth_ros")
        except PackageNotFoundError:
            found = "not installed, run from its sources"
        print(f"mono_depth_ros {found}")
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(script())
