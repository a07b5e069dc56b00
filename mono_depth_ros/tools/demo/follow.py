# SPDX-License-Identifier: Apache-2.0
"""Watches a recording from its first process to its last message, and shows how far it is."""

from __future__ import annotations

import json
import queue
import sys
import time
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from mono_depth_ros.config import RecorderConfig
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.tools.demo.processes import Child, Children

_SILENCE_LIMIT_S = 60.0  # of a recorder that has begun; compressing the end of a bag takes seconds
_EXIT_LIMIT_S = 20.0
_LONG_S = 12.0  # of waiting, after which a word of explanation is due


def bar(items: Iterable[Any] | None = None, *, desc: str, **more: Any) -> tqdm[Any]:
    """A progress bar on stderr; where that is no terminal but a log or a pipe, one line when it begins."""
    if not sys.stderr.isatty():
        print(desc, file=sys.stderr, flush=True)
    return tqdm(items, desc=desc, file=sys.stderr, dynamic_ncols=True, disable=None, **more)


def follow(children: Children, recorder: Child, config: RecorderConfig, start_limit_s: float) -> int:
    """Wait until the recorder is done, showing progress on stderr.

    Args:
        children: all processes; one that ends before the recorder is an error.
        config: of the recorder. start_limit_s: for everything to be connected and the first results to come.

    Returns:
        How many images were recorded.

    Raises:
        ProcessError: a process ended. MonoDepthError: nothing came in time; the sentence says what is missing.
    """
    missing = _wait(children, recorder, start_limit_s)
    with bar(total=config.frames or config.duration, desc="recording") as shown:
        shown.bar_format = "{l_bar}{bar}| " + (
            "{n:.0f}/{total:.0f} frames" if config.frames else "{n:.1f}/{total:.1f} s"
        )
        start_s = time.monotonic()
        event = missing
        while event["event"] != "done":
            if event["event"] == "frame":
                shown.n = event["count"] if config.frames else min(time.monotonic() - start_s, config.duration)
                shown.refresh()
            event = _next(children, recorder, _SILENCE_LIMIT_S, "the recorder has gone silent")
        shown.n = shown.total
        shown.refresh()
    if not recorder.wait(_EXIT_LIMIT_S):
        raise MonoDepthError("the recorder does not end")
    if event["images"] == 0:
        raise MonoDepthError("no image came: the source ended before the recording began")
    return int(event["images"])


def _wait(children: Children, recorder: Child, limit_s: float) -> dict[str, Any]:
    """The first event after the waiting."""
    end_s = time.monotonic() + limit_s
    missing, told = ["the nodes have not started yet"], False
    with bar(desc="waiting for the nodes", bar_format="waiting {elapsed}: {desc}") as shown:
        while True:
            sentence = f"within {limit_s:g} s not everything was there: {'; '.join(missing)}"
            event = _next(children, recorder, end_s - time.monotonic(), sentence)
            if event["event"] != "waiting":
                shown.set_description_str("everything is there")
                return event
            if event["for"] != missing:
                missing = event["for"]
                shown.set_description_str(missing[0] + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""))
            if not told and time.monotonic() > end_s - limit_s + _LONG_S:
                told = True
                tqdm.write(
                    "a first run takes longer: the renderer is compiled, weights may be fetched", file=sys.stderr
                )
            if time.monotonic() > end_s:
                raise MonoDepthError(sentence)


def _next(children: Children, recorder: Child, limit_s: float, sentence: str) -> dict[str, Any]:
    """The next event of the recorder; raises MonoDepthError with `sentence` when there is none within `limit_s`."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        children.check(recorder)
        try:
            line = recorder.stdout.get(timeout=0.1)
        except queue.Empty:
            continue
        if line is None:
            recorder.wait(_EXIT_LIMIT_S)
            recorder.check()
            raise MonoDepthError("the recorder has closed its output")
        if line.startswith("{"):
            event: dict[str, Any] = json.loads(line)
            return event
    raise MonoDepthError(sentence)
