# SPDX-License-Identifier: Apache-2.0
"""The sentence on how an alignment is doing, without ROS: what hinders most is what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.align import Histogram, error_histogram
from mono_depth_ros.alignment.aligner import Aligned
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.result import Alignment, Curve, Fit
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.nodes.alignment.health import AlignmentFacts, alignment_figures, histogram_words, judge_alignment
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.health import ERROR, OK, WARN, Feed
from mono_depth_ros.streams.loss import Loss
from mono_depth_ros.streams.monitor import Monitor

METRICS = depth_metrics(np.array([1.0, 2.2]), np.array([1.0, 2.0]))
FIT = Fit(Curve.SCALE, 2.0, 0.0, np.array([[0.0004, 0.0], [0.0, 0.0]]), 0.9, 100, 0.1)
DEPTH = DepthPrediction(torch.ones(2, 2), DepthKind.METRIC)
GOOD = Aligned(DEPTH, Alignment(FIT, None, METRICS, METRICS, True), "aligned", 0.1, "", 90, 10)
NONE = Aligned(None, None, "unaligned", float("nan"), "no reference was fitted yet")
DEPTH_FEED, POINTS = Feed("/depth/image", 1, 0.1), Feed("/points", 1, 0.1)
NOBODY = replace(POINTS, publishers=0)
FACTS = AlignmentFacts(
    lazy=True,
    subscribers=1,
    qos_conflict="",
    depth=DEPTH_FEED,
    depth_quarrel="",
    camera_info=Feed("/depth/camera_info", 1, 0.1),
    camera_info_known=True,
    camera_problem="",
    colour_problem="",
    reference=POINTS,
    reference_problem="",
    last=GOOD,
    max_abs_rel=0.25,
    publish_bad=True,
    timeout_s=2.0,
)


def judge(received=10, published=10, drops=(), lost=0, **changes):
    before = Monitor().snapshot()
    now = replace(before, received=received, published=published, drops=dict(drops), last_drop="why")
    now = replace(now, recent_loss=Loss(received, lost))
    return judge_alignment(replace(FACTS, **changes), now, before)


def bad():
    return replace(GOOD, alignment=Alignment(FIT, None, METRICS, METRICS, False))


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, OK, "aligned, publishing 0.0 Hz, held-out AbsRel 0.050 (before: 0.050)"),
        ({"qos_conflict": "QoS mismatch"}, ERROR, "QoS mismatch"),
        ({"subscribers": 0, "depth": replace(DEPTH_FEED, publishers=0)}, OK, "idle: nobody subscribes"),
        ({"subscribers": 0, "lazy": False}, OK, "aligned, publishing"),
        ({"depth": replace(DEPTH_FEED, publishers=0)}, WARN, "no depth: nothing publishes /depth/image"),
        ({"depth": replace(DEPTH_FEED, silent_s=3.0)}, WARN, "nothing has arrived for 3.0 s"),
        ({"camera_info_known": False}, WARN, "no camera_info: nothing has arrived on /depth/camera_info"),
        ({"camera_info_known": False, "received": 0, "last": None}, OK, "working on the first images"),
        ({"camera_problem": "is 40x30"}, ERROR, "is 40x30"),
        ({"reference": NOBODY, "last": NONE}, ERROR, "no reference: nothing publishes /points; unaligned"),
        ({"reference": NOBODY}, WARN, "nothing publishes /points; aligned, the last fit is 0.1 s old"),
        ({"reference": NOBODY, "last": replace(GOOD, state="frozen")}, OK, "frozen, publishing"),
        ({"reference": Feed()}, OK, "aligned, publishing"),
        ({"reference": replace(POINTS, silent_s=3.0)}, WARN, "nothing has arrived for 3.0 s; aligned"),
        ({"reference_problem": "behind the camera", "last": NONE}, ERROR, "behind the camera; unaligned"),
        ({"reference_problem": "behind the camera", "last": None}, WARN, "behind the camera; unaligned"),
        ({"last": NONE}, ERROR, "unaligned: no reference was fitted yet"),
        ({"last": bad()}, WARN, "held-out AbsRel 0.050 exceeds max_abs_rel, 0.25: are"),
        ({"metric": False}, OK, "0.050 off the images before on average; how far from metres is not known"),
        (
            {"last": bad(), "metric": False},
            WARN,
            "0.050 off the images before exceeds max_abs_rel, 0.25: does",
        ),
        ({"last": bad(), "publish_bad": False}, WARN, "max_abs_rel, 0.25, so nothing is published: are"),
        ({"published": 0, "drops": {"internal_error": 3}}, ERROR, "every image is dropped: why"),
        ({"published": 0, "drops": {"superseded": 3}}, OK, "aligned, publishing"),
        ({"last": None, "published": 0}, OK, "working on the first images"),
        ({"depth_quarrel": "depth comes on two topics"}, WARN, "two topics"),
        ({"last": replace(GOOD, reason="far from the scale so far")}, WARN, "far from the scale so far"),
        ({"colour_problem": "no colour"}, WARN, "no colour"),
        ({"lost": 5}, WARN, "5 of 15 depth images were lost on the way"),
    ],
)
def test_what_hinders_most_is_said(changes, level, words):
    found, sentence = judge(**changes)
    assert words in sentence and found == level


def test_the_figures_of_an_image():
    figures = alignment_figures(GOOD, -0.0123)
    assert figures["scale"] == "2" and figures["scale std"] == "0.02" and figures["inliers (%)"] == "90.0"
    assert figures["samples fitted"] == "90" and figures["samples held out"] == "10"
    assert figures["reference minus image (ms)"] == "-12.3" and figures["age of the fit (s)"] == "0.10"
    assert figures["held-out AbsRel after"] == "0.0500" and figures["held-out MAE (m) before"] == "0.1000"
    assert figures["held-out RMSE (m) after"] == "0.1414" and figures["held-out delta1 after"] == "1.0000"
    assert figures["trusted"] == "yes" and "reason" not in figures
    assert alignment_figures(None, float("nan")) == {"state": "unaligned"}
    assert alignment_figures(NONE, float("nan"))["reason"] == "no reference was fitted yet"


def test_a_histogram_in_words():
    error, all_of = np.log(np.float32([1.0, 1.03, 0.7, 3.0])), np.arange(4)
    words = histogram_words(error_histogram(LeftOut(all_of, error, np.ones_like(error), all_of >= 0)))
    assert words == (
        "<-50%: 0, <-25%: 1, <-10%: 0, <-5%: 0, <-2%: 0, <+2%: 1, <+5%: 1, <+10%: 0, <+25%: 0, <+50%: 0, >+50%: 1"
    )
    assert histogram_words(Histogram((-np.inf, 0.0, np.inf), (1, 2))) == "<+0%: 1, >+0%: 2"
