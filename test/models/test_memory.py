# SPDX-License-Identifier: Apache-2.0
"""When a stream is no longer the same, and what is said of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.memory import History
from mono_depth_ros.prediction import DepthKind

SECOND = 10**9


def given(history: History, *images: tuple[float, tuple[int, int]]) -> list[int]:
    """How often the memory was begun anew after each image, (seconds, size)."""
    found = []
    for stamp_s, size in images:
        history.at(*size, round(stamp_s * SECOND))
        found.append(history.resets)
    return found


SIZE = (64, 48)


@pytest.mark.parametrize(
    ("images", "resets", "why"),
    [
        ([(9.0, SIZE), (9.1, SIZE), (9.1, SIZE), (14.0, SIZE)], [0, 0, 0, 0], ""),
        ([(9.0, SIZE), (9.1, SIZE), (2.0, SIZE), (2.1, SIZE)], [0, 0, 1, 1], "time jumped back by 7.100 s"),
        ([(0.0, SIZE), (0.1, SIZE), (0.2, SIZE), (5.3, SIZE)], [0, 0, 0, 1], "no image was estimated for 5.1 s"),
        ([(0.0, SIZE), (0.1, (32, 24)), (0.2, (32, 24))], [0, 1, 1], "the images changed from 64x48 to 32x24"),
        # Of a slow stream every image comes late; once that is known it is no gap, and one of four times it is again.
        ([(8.0 * k, SIZE) for k in range(9)] + [(100.0, SIZE)], [0, *[1] * 8, 2], "no image was estimated for 36.0 s"),
    ],
    ids=["none", "back", "gap", "size", "slow"],
)
def test_a_stream_begins_anew(counting_model, images, resets, why: str) -> None:
    history = History(counting_model)
    assert given(history, *images) == resets and history.why == why
    often = {0: "", 1: "once", 2: "2 times, the last"}[resets[-1]]
    assert history.sentence() == (f"the model forgot the images before {often} because {why}" if why else "")
    figures = history.figures()
    assert figures["memory begun anew"] == str(resets[-1])
    assert figures["memory was begun anew because"] == (why or "never")


def test_images_that_wait_keep_the_memory_of_their_own_stream(counting_model) -> None:
    history = History(counting_model)
    first, second = history.at(*SIZE, 0), history.at(*SIZE, SECOND)
    assert first is second
    assert history.at(*SIZE, 0) is not first, "time jumped back"


def test_other_models_have_no_memory() -> None:
    history = History(SimpleNamespace(spec=ModelSpec("still", "test", DepthKind.METRIC, "none")))
    assert history.at(*SIZE, 9) is None and history.at(*SIZE, 2) is None
    assert history.figures() == {} and history.resets == 0
