# SPDX-License-Identifier: Apache-2.0
"""Age of the results and memory with a network ten times slower than the camera, depth and cloud subscribed to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from common import prepare_ros, run


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=1.0, help="For how long the node is overloaded.")


def main(argv: Sequence[str] | None = None) -> int:
    prepare_ros()
    from node_bench import overload

    return run(__file__, lambda given: overload(60 * given.minutes), argv, _add_options)


if __name__ == "__main__":
    sys.exit(main())
