# SPDX-License-Identifier: Apache-2.0
"""Several references at once: what each knows counts, and where one is missing the others go on."""

from __future__ import annotations

import numpy as np
import pytest
from nav_msgs.msg import Odometry

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig, AlignmentNodeConfig
from mono_depth_ros.errors import ConfigError, SamplesError
from mono_depth_ros.streams.references.base import ReferenceMatch
from mono_depth_ros.streams.references.several import merged

LIDAR = "0.1 0 0 0.5 -0.5 0.5 0.5"
SIZE = (60, 80)


def match(count, depth, relative=None, first=0, local=True, group=None):
    """Samples one below the other in column `first`, and in those after it."""
    pixels = np.arange(count)
    depths = np.full(count, depth, np.float32)
    sigma = None if relative is None else np.float32(relative) * depths
    rows, columns = pixels % SIZE[0], first + pixels // SIZE[0]
    return ReferenceMatch(Samples(rows, columns, depths, SIZE, group, sigma), 0, 0.0, True, local)


def total(samples, depth):
    """How much all samples of this depth count."""
    return float(samples.weight[samples.depth == np.float32(depth)].sum())


def test_a_reference_counts_by_what_it_knows_and_not_by_how_many_samples_it_has():
    found = merged({"a": match(60, 2.0, 0.02), "b": match(1200, 3.0, 0.1, first=40)}, {"a": 0.01, "b": 0.03})
    assert total(found, 2.0) > 2 * total(found, 3.0), "the scale of b is off by 3 %, however many samples say so"
    few = merged({"a": match(2, 2.0, 0.02), "b": match(1200, 3.0, 0.1, first=40)}, {"a": 0.01, "b": 0.03})
    assert total(few, 2.0) < total(few, 3.0), "two samples do not average over what the prediction errs"


def test_the_more_exact_of_two_at_one_pixel_stays_and_none_has_vague_ones_beside_it():
    found = merged({"a": match(30, 2.0, 0.03), "b": match(30, 2.1, 0.02)}, {"a": 0.01, "b": 0.01})
    assert len(found) == 30 and (found.depth == np.float32(2.1)).all()
    near = merged({"a": match(30, 2.0, 0.01), "b": match(30, 2.1, 0.1, first=8)}, {"a": 0.01, "b": 0.01})
    assert (near.depth == np.float32(2.0)).all()
    far = merged({"a": match(30, 2.0, 0.01), "b": match(30, 2.1, 0.1, first=40)}, {"a": 0.01, "b": 0.01})
    assert len(far) == 60


def test_groups_stay_apart_and_what_only_scales_corrects_nothing():
    group = np.arange(30) % 3
    given = {"a": match(30, 2.0, group=group), "b": match(30, 2.1, first=40, group=group, local=False)}
    given["c"] = match(10, 2.2, first=70)
    found = merged(given, dict.fromkeys("abc", 0.01))
    groups = [set(found.group[found.depth == np.float32(depth)].tolist()) for depth in (2.0, 2.1, 2.2)]
    assert groups == [{0, 1, 2}, {3, 4, 5}, {-1}]
    assert found.scale_only.tolist() == (found.depth == np.float32(2.1)).tolist()
    assert found.sigma == pytest.approx(0.01 * found.depth), "of each that tells none: what they have in common"


def test_each_gets_its_messages_and_one_that_is_missing_is_told(reference, messages, no_tf2):
    rig = reference("lidar,motion", cam_from_reference=LIDAR, pose_frame="camera")
    assert rig.source.topics() == ["/points", "/odom"]
    assert rig.source.samples(rig.view()) is None and "no message has come yet" in rig.source.problem
    rig.deliver("/points", messages.cloud([(2.0, 0.1, 0.0)]))
    assert rig.samples().samples.columns == [40]
    said = "reference motion gives nothing, the others go on: no message has come yet"
    assert rig.source.problem == said
    assert rig.source.figures()["images without motion"] == "2: no message has come yet"
    assert rig.source.figures()["images without lidar"] == "1"


def test_where_all_are_missing_it_says_why(reference, messages, no_tf2):
    rig = reference("lidar,motion", cam_from_reference=LIDAR)
    rig.deliver("/odom", messages.stamped(odometry(), "odom"))
    with pytest.raises(SamplesError, match="the image of this depth, in which corners are followed"):
        rig.samples()


def test_what_is_usual_is_counted_and_no_problem(reference, messages, no_tf2):
    rig = reference("lidar,motion", cam_from_reference=LIDAR)
    rig.deliver("/points", messages.cloud([(2.0, 0.1, 0.0)]))
    rig.deliver("/odom", messages.stamped(odometry(), "odom"))
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert len(rig.samples(rgb=noise).samples) == 1 and rig.source.problem == ""
    assert rig.source.figures()["images without motion"].startswith("1: the camera has not moved yet")


def test_a_single_sample_is_fitted_as_such_only_where_it_is_alone():
    config = AlignConfig()
    assert ReferenceMatch(match(1, 2.0).samples, 0, 0.0, True, lone=True).align_config(config).min_samples == 1
    assert match(30, 2.0).align_config(config) is config


def test_one_transform_is_of_one_sensor(reference, no_tf2):
    with pytest.raises(ConfigError, match=r"cam_from_reference is given, expected one sensor .* found lidar, scan"):
        reference("lidar,scan", cam_from_reference=LIDAR)


@pytest.mark.parametrize("names", ["lidar,lidar", "lidar,sonar", "none,lidar", "", ","])
def test_names_that_cannot_be_meant(names):
    with pytest.raises(ConfigError, match="reference"):
        AlignmentNodeConfig(reference=names)
    assert AlignmentNodeConfig(reference=" lidar, motion").references == ("lidar", "motion")


def odometry():
    message = Odometry(child_frame_id="camera")
    message.pose.pose.orientation.w = 1.0
    return message
