# SPDX-License-Identifier: Apache-2.0
"""Which frames are learned from, which choose when to stop, and which judge: blocks of time, with gaps between them.

Neighbouring frames of a video are nearly the same image: a random split would judge by what was learned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mono_depth_ros.errors import DataError, UsageError

SHARES = (0.7, 0.1, 0.2)
GAP_S = 1.0
MIN_FRAMES = (20, 3, 6)
NAMES = ("training", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Places of frames in the sequence that was split, for each block."""

    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """In this order."""
        return self.training, self.validation, self.test


def by_time(stamps_s: Sequence[float], gap_s: float = GAP_S) -> Split:
    """70, 10 and 20 % of the time, with gaps.

    Args:
        stamps_s: of the frames, ascending. Where they have none, their numbers: a gap of one frame.

    Raises:
        DataError: there is not enough for three blocks.
    """
    if len(stamps_s) < sum(MIN_FRAMES):
        raise DataError(f"found {len(stamps_s)} frames with a reference, expected at least {sum(MIN_FRAMES)} to split")
    begin, end = stamps_s[0], stamps_s[-1]
    used = end - begin - 2 * gap_s
    if used <= 0:
        raise DataError(
            f"the frames span {end - begin:.1f} s, expected more than {2 * gap_s:g} s for three blocks with gaps of "
            f"{gap_s:g} s between them, or --split FIRST:LAST,FIRST:LAST,FIRST:LAST in frames"
        )
    ends, blocks = begin, []
    for share in SHARES:
        first, ends = ends, ends + share * used
        blocks.append(tuple(k for k, at in enumerate(stamps_s) if first <= at <= ends + 1e-9))
        ends += gap_s
    return checked(Split(*blocks))


def by_frames(text: str, indices: Sequence[int]) -> Split:
    """`FIRST:LAST,FIRST:LAST,FIRST:LAST`: numbers of the first and the last frame of each block, which count too.

    Args:
        indices: numbers of the frames that there are, ascending.

    Raises:
        UsageError: it is no such text, or has not three blocks, or two of them overlap or touch.
    """
    parts = [one_range(part, "--split") for part in text.split(",")]
    if len(parts) != 3:
        raise UsageError(
            f"--split is '{text}', expected three blocks FIRST:LAST,FIRST:LAST,FIRST:LAST: to learn from, to choose "
            "by, and to judge by frames that nothing has seen"
        )
    for a, b in ((0, 1), (0, 2), (1, 2)):
        if parts[a][0] <= parts[b][1] + 1 and parts[b][0] <= parts[a][1] + 1:
            raise UsageError(
                f"--split is '{text}': the {NAMES[a]} and the {NAMES[b]} block overlap or touch, expected frames "
                "between them, since neighbouring frames are nearly the same image"
            )
    blocks = (tuple(k for k, index in enumerate(indices) if first <= index <= last) for first, last in parts)
    return checked(Split(*blocks))


def one_range(text: str, option: str) -> tuple[int, int]:
    """FIRST:LAST as numbers.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"\s*(\d{1,9}):(\d{1,9})\s*", text)
    if found is None or int(found[1]) > int(found[2]):
        raise UsageError(f"{option} has '{text}', expected FIRST:LAST, numbers of frames such as 0:99")
    return int(found[1]), int(found[2])


def checked(split: Split) -> Split:
    """The split. Raises DataError where a block has too few frames."""
    for name, block, least in zip(NAMES, split.blocks, MIN_FRAMES, strict=True):
        if len(block) < least:
            raise DataError(
                f"the {name} block has {len(block)} frames with a reference, expected at least {least}: record longer, "
                "or give the blocks with --split"
            )
    return split
