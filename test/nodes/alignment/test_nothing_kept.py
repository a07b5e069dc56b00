# SPDX-License-Identifier: Apache-2.0
"""Nothing is kept alive: the depth images that were refused, dropped or aligned, counted without a collector."""

from __future__ import annotations

import gc
import weakref

import pytest

from mono_depth_ros.nodes.ros.stream import MessageStream

FEW = 3  # in the hands of the executor, of the worker, and waiting for it

KINDS = {
    "good": {},
    "of another size": {"info": {"width": 32}},
    "broken": {"image": {"encoding": "yuv999"}},
    "without samples": {"frame": ""},
    "beside broken clouds": {"point_step": 4},
}


@pytest.mark.parametrize("kind", KINDS)
def test_depth_of_the_alignment_node(robot, monkeypatch, kind):
    seen, arrived = [], MessageStream.arrived

    def watched(stream, message):
        seen.append(weakref.ref(message.data))
        return arrived(stream, message)

    monkeypatch.setattr(MessageStream, "arrived", watched)
    r = robot()
    gc.collect()
    gc.disable()
    try:
        r.drive(lambda: len(seen) > 12, **KINDS[kind])
        r.ros.wait(lambda: sum(ref() is not None for ref in seen) <= FEW, timeout_s=5)
    finally:
        gc.enable()
    snapshot = r.node.monitors[""].snapshot()
    assert snapshot.published + sum(snapshot.drops.values()) > 8
