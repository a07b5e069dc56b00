# SPDX-License-Identifier: Apache-2.0
"""The measurements of bag.py on a few small frames: they run, and know when a bar is missed."""

from __future__ import annotations

import pytest
from rosbags.rosbag2 import Reader

import bag


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(bag, "_SIZE", (32, 24))


def test_the_bag_has_images_and_their_camera(tmp_path):
    images = bag.write_bag(tmp_path / "bag", 25, (32, 24))
    assert len(images) == 20 and images[0].shape == (24, 32, 3)
    with Reader(tmp_path / "bag") as reader:
        assert {name: item.msgcount for name, item in reader.topics.items()} == {
            "/camera/image_raw": 25,
            "/camera/camera_info": 25,
        }


def test_overhead_and_rate_are_compared_with_what_is_asked(tmp_path):
    model = bag._Constant()
    assert bag._rate(tmp_path, model, 5, asked=0.1)["holds"]
    assert not bag._rate(tmp_path / "again", model, 5, asked=1e9)["holds"]
    # Without a network all of the time goes elsewhere.
    row = bag._overhead(tmp_path, model, 3, asked=0.1)
    assert not row["holds"] and row["overhead"] > 1 and row["time_without_network"] > 0.5
    assert row["conversion_s"] > row["network_alone_s"]


@pytest.mark.slow
def test_memory_is_measured_in_processes_of_their_own(tmp_path):
    row = bag._memory(tmp_path, 4, 30, asked=0.5)
    assert row["holds"] and row["peak_mib_30"] >= row["before_mib"] > 50
