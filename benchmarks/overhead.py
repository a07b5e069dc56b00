# SPDX-License-Identifier: Apache-2.0
"""The depth node over DDS without the network's forward, for each stage."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common import prepare_ros, run


def main(argv: Sequence[str] | None = None) -> int:
    prepare_ros()
    from node_bench import overhead

    return run(__file__, lambda _: overhead(), argv)


if __name__ == "__main__":
    sys.exit(main())
