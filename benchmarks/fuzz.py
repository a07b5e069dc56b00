# SPDX-License-Identifier: Apache-2.0
"""Fuzzed messages through every decoder and every live node: crashes, hangs, foreign errors, memory.

    python benchmarks/fuzz.py [--messages 1000000] [--node-messages 20000] [--seed 1]

A message that takes over 10 s ends the process with the stack of every thread.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from common import prepare_ros, run

WARM = 500  # messages, after which memory is to stay as it is
_HANG_S = 10.0


def resident_mb() -> float:
    """Memory of this process in RAM."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak_mb() -> float:
    """The most of it so far; getrusage would count what the process was forked from."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


class Watch:
    """What became of messages: `judge` runs the work of one, and counts."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.slowest: tuple[float, str] = (0.0, "")
        self._count, self._warm_mb, self._most_mb = 0, 0.0, 0.0

    def judge(self, kind: str, work: Callable[[], object]) -> None:
        from mono_depth_ros.errors import MonoDepthError

        faulthandler.dump_traceback_later(_HANG_S, exit=True)
        start = time.perf_counter()
        try:
            work()
            outcome = "read"
        except MonoDepthError as error:
            outcome = getattr(error, "reason", type(error).__name__)
        except Exception as error:
            outcome = "foreign"
            self.foreign[f"{kind}: {type(error).__name__}: {str(error)[:200]}"] += 1
        self.slowest = max(self.slowest, (time.perf_counter() - start, f"{kind} {self._count}: {outcome}"))
        faulthandler.cancel_dump_traceback_later()
        self.outcomes[f"{kind}: {outcome}"] += 1
        self._count += 1
        if self._count == WARM:
            self._warm_mb = self._most_mb = resident_mb()
        elif self._count % 500 == 0:
            self._most_mb = max(self._most_mb, resident_mb())

    def result(self) -> dict[str, Any]:
        end_mb = resident_mb()
        return {
            "messages": self._count,
            "crashes": 0,  # this process would not be here
            "hangs": 0,
            "slowest_ms": {self.slowest[1]: round(self.slowest[0] * 1e3, 1)},
            "foreign_errors": sum(self.foreign.values()),
            **({"foreign": dict(self.foreign.most_common(20))} if self.foreign else {}),
            "resident_mb": {
                "after_500": round(self._warm_mb),
                "most": round(self._most_mb),
                "end": round(end_mb),
                "peak": round(_peak_mb()),
            },
            "resident_change": round(end_mb / self._warm_mb - 1, 3) if self._warm_mb else None,
            "outcomes": dict(sorted(self.outcomes.items())),
        }


def decoders(count: int, seed: int) -> dict[str, Any]:
    """Every decoder, with messages as attributes."""
    from fuzz_messages import KINDS, Fuzzer
    from mono_depth_ros.config import ImageConfig
    from mono_depth_ros.messages.camera_info import camera_from_info
    from mono_depth_ros.messages.depth import decode_depth
    from mono_depth_ros.messages.disparity import disparity_depth
    from mono_depth_ros.messages.points import has_point_times, read_points
    from mono_depth_ros.messages.range import range_points
    from mono_depth_ros.messages.scan import scan_points
    from mono_depth_ros.streams.images import ImageReader

    # As in a node, only what has about the camera's size gets as far as the decoders.
    reader = ImageReader(lambda: ImageConfig(max_image_pixels=16 * 64 * 48), lambda _: None)
    work: dict[str, Callable[[Any], object]] = {
        "image": reader.rgb,
        "compressed": reader.rgb,
        "depth": decode_depth,
        "cloud": lambda message: (has_point_times(message), read_points(message)),
        "scan": scan_points,
        "range": range_points,
        "disparity": disparity_depth,
        "camera_info": lambda message: (camera_from_info(message, False), camera_from_info(message, True)),
    }
    kinds = (*KINDS, *("image", "compressed") * 4)  # most of the code is theirs
    fuzzer, watch = Fuzzer(seed), Watch()
    for index in range(count):
        kind = kinds[index % len(kinds)]
        message = fuzzer.message(kind)
        watch.judge(kind, lambda kind=kind, message=message: work[kind](message))  # type: ignore[misc]
    return watch.result()


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All that is asked for, with the seed."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # of broken pictures it would say a line each, as libjpeg does
    result: dict[str, Any] = {"seed": arguments.seed}
    if arguments.messages:
        result["decoders"] = decoders(arguments.messages, arguments.seed)
    if arguments.node_messages:
        prepare_ros()
        from fuzz_nodes import nodes

        result["nodes"] = nodes(arguments.node_messages, arguments.seed)
    return result


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, default=1_000_000, help="Messages through the decoders; 0 for none.")
    parser.add_argument("--node-messages", type=int, default=20_000, help="Messages through each node; 0 for none.")
    parser.add_argument("--seed", type=int, default=1, help="Of the messages.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, measure, argv, _add_options)


if __name__ == "__main__":
    sys.exit(main())
