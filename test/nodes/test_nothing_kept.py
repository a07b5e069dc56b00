# SPDX-License-Identifier: Apache-2.0
"""Nothing is kept alive: the arrays of images that were refused, dropped or published, counted without a collector."""

from __future__ import annotations

import gc
import weakref

import pytest
from sensor_msgs.msg import Image

from mono_depth_ros.nodes.ros.stream import MessageStream

FEW = 3  # in the hands of the executor, of the worker, and waiting for it


@pytest.fixture
def alive(monkeypatch):
    """`alive()` is how many of the messages' arrays that arrived are still there; the collector does not run."""
    seen = []
    arrived = MessageStream.arrived

    def watched(stream, message):
        seen.append(weakref.ref(message.data))
        return arrived(stream, message)

    monkeypatch.setattr(MessageStream, "arrived", watched)
    gc.collect()
    gc.disable()
    yield lambda: sum(ref() is not None for ref in seen)
    gc.enable()


KINDS = {
    "good": ({}, {}),
    "of another size": ({}, {"width": 32}),
    "uncalibrated": ({}, {"k": [0.0] * 9}),
    "of a lens model that is not known": ({}, {"distortion_model": "kaleidoscope", "d": [0.1] * 5}),
    "broken": ({"encoding": "yuv999"}, {}),
    "cut": ({"data": b"\0" * 100}, {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_the_depth_node(ros, rig, alive, kind):
    r = rig()
    ros.listen(Image, "/depth/image")
    image, info = KINDS[kind]
    monitor = r.node.monitors[""]
    ros.wait(lambda: monitor.snapshot().received > 12, poll=lambda: r.send(r.image(**image), r.info(**info)))
    ros.wait(lambda: alive() <= FEW, timeout_s=5)
    snapshot = monitor.snapshot()
    assert (snapshot.published > 3) == (kind == "good") and snapshot.published + sum(snapshot.drops.values()) > 8


def test_images_that_the_network_fails_at(ros, rig, alive):
    r = rig()
    ros.listen(Image, "/depth/image")
    r.model.predict = lambda *_: 1 / 0
    ros.wait(lambda: r.drops().get("internal_error", 0) > 8, poll=r.send)
    ros.wait(lambda: alive() <= FEW, timeout_s=5)
