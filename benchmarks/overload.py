# SPDX-License-Identifier: Apache-2.0
"""Age of the results and memory over 60 s with a network ten times slower than the camera."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common import prepare_ros, run


def main(argv: Sequence[str] | None = None) -> int:
    prepare_ros()
    from node_bench import overload

    return run(__file__, lambda _: overload(), argv)


if __name__ == "__main__":
    sys.exit(main())
