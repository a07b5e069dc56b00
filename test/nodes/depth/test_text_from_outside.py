# SPDX-License-Identifier: Apache-2.0
"""Encodings and frames of any text: no forged line in the log, no flood on /diagnostics, nothing that grows."""

from __future__ import annotations

import logging

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from mono_depth_ros.nodes.ros.runtime import LogBridge

FORGED = "rgb8\n[FATAL] [1.0] [safety]: brakes are off\x1b[2J" + "x" * 5000


@pytest.mark.parametrize("place", ["encoding", "distortion_model"])
def test_text_of_a_message_stays_in_its_line(ros, rig, capfd, place):
    r = rig(diagnostics_period=0.1)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.listen(type(r.image()), "/depth/image")
    image = {"encoding": FORGED} if place == "encoding" else {}
    info = {} if place == "encoding" else {"distortion_model": FORGED, "d": [0.1] * 5}
    ros.wait(
        lambda: any("brakes are off" in item.status[0].message for item in status),
        poll=lambda: r.send(r.image(**image), r.info(**info)),
    )
    for item in status:
        words = [item.status[0].message, *(part for pair in item.status[0].values for part in (pair.key, pair.value))]
        assert all(word.isprintable() and len(word) < 1000 for word in words)
    log = "".join(capfd.readouterr())
    assert "brakes are off" in log and "\x1b[2J" not in log
    assert not any(line.startswith("[FATAL]") for line in log.splitlines()) and max(map(len, log.splitlines())) < 1000


def test_ten_thousand_encodings_are_one_reason(ros, rig, capfd):
    r = rig()
    stream = r.node.session.streams[0]
    for number in range(10_000):
        with stream.handling():
            stream._reader.rgb(r.image(encoding=f"kind{number}"))
    assert r.drops() == {"image_encoding": 10_000} and len(stream.log._said_s) == 1
    assert len("".join(capfd.readouterr()).splitlines()) < 10


def test_a_log_line_of_the_core_is_one_line(ros, rig, capfd):
    r = rig()
    bridge = LogBridge(r.node)
    bridge.emit(logging.LogRecord("mono_depth_ros", logging.WARNING, "", 1, "model %s", ("a\n[FATAL] forged",), None))
    assert "model a\\n[FATAL] forged" in "".join(capfd.readouterr())


def test_an_error_of_a_library_keeps_to_its_line(ros, rig, capfd):
    r = rig()

    def fail(*_):
        raise ValueError(FORGED)

    r.model.predict = fail
    ros.listen(type(r.image()), "/depth/image")
    ros.wait(lambda: r.drops().get("internal_error"), poll=r.send)
    assert not any(line.startswith("[FATAL]") for line in "".join(capfd.readouterr()).splitlines())


def test_a_traceback_is_marked_line_by_line(ros, rig, capfd):
    r = rig()
    try:
        raise ValueError(FORGED)
    except ValueError as error:
        r.node.errors.caught(error)
    log = "".join(capfd.readouterr())
    assert "| [FATAL]" in log and not any(line.startswith("[FATAL]") for line in log.splitlines())


@pytest.mark.parametrize("stamp", [-20, -1])
def test_a_stamp_before_1970_is_refused_by_name(ros, rig, stamp):
    r = rig()
    ros.listen(type(r.image()), "/depth/image")

    def send():
        image = r.image()
        image.header.stamp.sec = stamp
        r.send(image)

    ros.wait(lambda: r.drops().get("stamp_negative"), poll=send)
    assert set(r.drops()) <= {"stamp_negative", "time_backwards"}
    assert "before 1970" in r.node.monitors[""].snapshot().last_drop
