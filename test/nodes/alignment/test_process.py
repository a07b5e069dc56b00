# SPDX-License-Identifier: Apache-2.0
"""The alignment node as a process: its parameters as people write them, how it starts and how it stops."""

from __future__ import annotations

import signal

import pytest

from mono_depth_ros.nodes.alignment.node import main

MODULE = "mono_depth_ros.nodes.alignment_node"


def test_it_starts_by_itself_and_ends_by_a_signal(node_process, ros):
    node = node_process(MODULE, "-r", "points:=/lidar/points", cam_from_reference="[0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]")
    ros.wait(
        lambda: (
            "aligning /depth/image, /depth/inverse or /depth/relative by /lidar/points" in node.log
            or not node.running()
        )
    )
    ros.wait(lambda: "alignment" in ros.outsider.get_node_names())
    node.signal(signal.SIGINT)
    assert node.code() == 0 and "Traceback" not in node.log, node.log


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"reference": "sonar"}, "expected one of: lidar, scan"),
        ({"cam_from_reference": "[0.1, 0.0, 0.0]"}, "found 3 numbers"),
        ({"reference": "ground", "camera_height": 1.2, "pitch_deg": 100}, "expected degrees from -90 to 90"),
    ],
)
def test_what_cannot_start_says_why_and_exits_1(refused, parameters, words):
    assert words in refused(main, **parameters)
