# SPDX-License-Identifier: Apache-2.0
"""What is made for a size of images is made when camera_info says the size, before there is an image."""

from __future__ import annotations

import itertools
import threading

import pytest

from mono_depth_ros.nodes.depth import session


@pytest.fixture
def prepared(monkeypatch):
    """The sizes that the model was prepared for, with the thread and how many images it had seen by then."""
    found = []

    def prepare(model, width, height, count):
        found.append((width, height, count, threading.current_thread().name, model.calls))

    monkeypatch.setattr(session, "prepare", prepare)
    return found


def test_before_the_first_image_and_with_nobody_listening(ros, rig, prepared):
    r = rig()
    r.matched()
    ros.wait(lambda: prepared, poll=lambda: r.infos.publish(r.info()))
    assert prepared == [(64, 48, 1, "newest-worker", 0)]
    ros.wait(lambda: len(prepared) > 1, poll=lambda: r.infos.publish(r.info(binning_x=2, binning_y=2)))
    assert [item[:2] for item in prepared] == [(64, 48), (32, 24)]


def test_sizes_from_nowhere_cost_nothing(ros, rig, prepared):
    r = rig(max_image_pixels=10_000)
    r.matched()
    sizes = itertools.cycle([(4_000_000, 3_000_000), (0, 0), (101, 100), *((width, 48) for width in range(20, 40))])

    def send():
        width, height = next(sizes)
        r.infos.publish(r.info(width=width, height=height))

    ros.wait(lambda: len(prepared) >= session._SIZES, poll=send)
    for _ in range(10):
        send()
    ros.wait(r.node.session.streams[0].infos.known)
    assert len(prepared) == session._SIZES and max(width * height for width, height, *_ in prepared) <= 10_000


def test_an_error_is_logged_and_images_go_on(ros, rig, monkeypatch):
    def prepare(*_):
        raise RuntimeError("TensorRT cannot build this")

    monkeypatch.setattr(session, "prepare", prepare)
    r = rig(lazy=False)
    ros.wait(lambda: r.node.monitors[""].snapshot().published, poll=r.send)
    assert r.drops() == {} and not r.node.session.progress
