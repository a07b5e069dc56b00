# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time

import pytest

from mono_depth_ros.streams.health import ERROR, OK, WARN, Facts, Feed, judge
from mono_depth_ros.streams.monitor import Monitor

FACTS = {
    "image_name": "image",
    "image": Feed("/cam/image_raw", 1, 0.1),
    "qos_conflict": "",
    "camera_info": Feed("/cam/camera_info", 1, 0.1),
    "camera_info_known": True,
    "camera_problem": "",
    "subscribers": 1,
    "lazy": True,
    "timeout_s": 2.0,
    "relative": "",
    "remedy": "start the camera driver with fastdds.xml",
}


def test_gaps_between_stamps_are_counted_as_lost():
    monitor = Monitor()
    for index in [0, 1, 2, 3, 4, 5, 6, 9, 10]:  # 7 and 8 never came
        assert monitor.received(index * 33_000_000) == 0
    assert monitor.snapshot().loss.lost == 2


def test_a_jump_back_is_reported_once_and_is_no_loss():
    monitor = Monitor()
    for stamp in (10, 20, 30, 40, 50, 60, 70):
        monitor.received(stamp * 10**6)
    assert monitor.received(5 * 10**6) == 65 * 10**6
    assert monitor.received(15 * 10**6) == 0
    assert monitor.snapshot().loss.lost == 0


def test_latency_percentiles():
    monitor = Monitor()
    for latency in range(1, 101):
        monitor.published(latency / 1e3, 2 * latency / 1e3)
    snapshot = monitor.snapshot()
    assert snapshot.latency_p50_ms == pytest.approx(50.5) and snapshot.latency_p99_ms == pytest.approx(99.01)
    assert snapshot.age_p50_ms == pytest.approx(101) and snapshot.published == 100


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"image": Feed("/cam/image_raw", 0, 0.1)}, WARN, "nothing publishes /cam/image_raw"),
        ({"image": Feed("/cam/image_raw", 1, 3.0)}, WARN, "advertised but nothing has arrived for 3.0 s"),
        ({"subscribers": 0}, OK, "nobody subscribes"),
        ({"camera_info_known": False}, WARN, "nothing has arrived on /cam/camera_info"),
        ({"camera_problem": "the camera is not calibrated"}, ERROR, "not calibrated"),
        ({"qos_conflict": "QoS mismatch: x"}, ERROR, "QoS mismatch"),
        ({"relative": "depth/relative"}, WARN, "relative model: depth/relative has no metres"),
        ({}, OK, "publishing"),
    ],
)
def test_one_sentence_for_each_cause(changes, level, words):
    monitor = Monitor()
    before = monitor.snapshot()
    monitor.received(0)
    monitor.published(0.01, 0.01)
    found = judge(Facts(**{**FACTS, **changes}), monitor.snapshot(), before)
    assert found[0] == level and words in found[1]


def test_dropping_everything_is_an_error_with_the_reason_but_being_slow_is_not():
    monitor = Monitor()
    before = monitor.snapshot()
    monitor.received(0)
    for reason in ("superseded", "ended", "inactive"):
        monitor.dropped(reason)
    assert judge(Facts(**FACTS), monitor.snapshot(), before)[0] == OK
    monitor.dropped("image_step", "step is 10, expected 192")
    monitor.dropped("superseded", "a newer one came")
    assert judge(Facts(**FACTS), monitor.snapshot(), before) == (
        ERROR,
        "every frame is dropped: step is 10, expected 192",
    )


def test_silence_is_a_pause_unless_the_images_were_lost():
    def said(feed, lost=0, **changes):
        monitor = Monitor()
        monitor.loss.will_report()
        if feed.heard:
            monitor.received(0)
        monitor.loss.reported(lost)
        return judge(Facts(**{**FACTS, "image": feed, **changes}), monitor.snapshot(), Monitor().snapshot())[1]

    silent, paused = Feed("/cam", 1, 30.0), Feed("/cam", 1, 30.0, heard=True)
    assert said(paused) == "no image: /cam has paused, nothing has arrived for 30.0 s"
    assert "/cam is lost on the way (6 messages)" in said(paused, 6) and "fastdds.xml" in said(paused, 6)
    assert "/cam is lost on the way (6 messages)" in said(silent, 6) and "fastdds.xml" in said(silent, 6)
    assert "fastdds.xml" not in said(silent)  # nothing was sent
    info = Feed("/cam/camera_info", 1, 0.1, heard=True)
    assert "while its camera_info comes" in said(silent, camera_info=info)
    assert "fastdds.xml" in said(silent, camera_info=info)


def test_what_was_lost_before_the_last_image_came_is_no_reason_for_silence():
    monitor = Monitor()
    monitor.loss.will_report()
    monitor.loss.reported(6)
    assert monitor.snapshot().lost_since_last == 6
    monitor.received(0)
    assert monitor.snapshot().lost_since_last == 0 and monitor.snapshot().loss.lost == 6


def test_what_is_wrong_with_the_latest_images_is_so_until_better_ones_come():
    monitor = Monitor()
    monitor.received(0)
    monitor.published(0.01, 0.01)
    now = monitor.snapshot()  # and nothing since: a camera that is slower than the reports
    assert judge(Facts(**FACTS, no_depth="no usable depth"), now, now) == (ERROR, "no usable depth")
    assert judge(Facts(**FACTS, concern="nearly black"), now, now) == (WARN, "nearly black")
    assert judge(Facts(**FACTS), now, now)[0] == OK


def test_losses_name_the_remedy():
    monitor = Monitor()
    before = monitor.snapshot()
    for index in [*range(8), 20, 21]:
        monitor.received(index * 10**7)
    monitor.published(0.01, 0.01)
    level, sentence = judge(Facts(**FACTS), monitor.snapshot(), before)
    assert level == WARN and "12 of 22 images were lost" in sentence and "fastdds.xml" in sentence


def test_a_stage_that_waited_for_another_is_charged_from_when_that_was_done():
    monitor, begun_s = Monitor(), time.perf_counter()
    with monitor.stage("waits", lambda: begun_s + 0.04):
        time.sleep(0.05)
    for name, ready_s in (("alone", begun_s - 1), ("never", math.nan), ("not yet", begun_s + 100)):
        with monitor.stage(name, lambda ready_s=ready_s: ready_s):
            time.sleep(0.02)
    took = monitor.snapshot().stages_ms
    assert 5 <= took["waits"] < 40 and took["alone"] >= 20 and took["never"] >= 20 and took["not yet"] == 0
