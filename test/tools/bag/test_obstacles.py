# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag --outputs obstacles,scan`: where the camera was on the robot, by what was recorded or by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mono_depth_ros.bags.reader import TYPES

LEVEL = "0.2 0 1 -0.5 0.5 -0.5 0.5"
WANTED = ("--outputs", "depth,obstacles,scan", "--voxel-points", "1")
BY_HAND = (*WANTED, "--base-frame", "base", "--base-from-camera", LEVEL)
COUNT = 4


@pytest.fixture
def converted(tmp_path, maker, use, capsys, kit):
    """Converts what the test has recorded, a wall at 2 m; gives the exit code, the summary and what was said."""

    def converted(*words):
        use()
        maker.frames(COUNT, red=20).write(tmp_path / "in.mcap")
        code = kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", "--json", *words)
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else {}, printed.err

    return converted


def points(message):
    return np.frombuffer(bytes(message.data), np.float32).reshape(-1, 3)


def panned(maker, kit, degrees, first=0):
    """/tf with the mast on the base, turned to the left by so much in each image."""
    make = TYPES.types
    for index in range(first, COUNT):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        half = np.radians(degrees[index]) / 2
        turn = make["geometry_msgs/msg/Quaternion"](0.0, 0.0, float(np.sin(half)), float(np.cos(half)))
        moved = make["geometry_msgs/msg/Transform"](make["geometry_msgs/msg/Vector3"](0.0, 0.0, 1.0), turn)
        item = make["geometry_msgs/msg/TransformStamped"](kit.header(stamp, "base"), "mast", moved)
        maker.add("/tf", kit.TF, stamp + kit.DELAY_NS + 2000, make[kit.TF]([item]))  # it comes after its image


def test_by_hand_in_the_base_frame_with_the_stamp_of_the_image(converted, tmp_path, kit):
    code, summary, _ = converted(*BY_HAND)
    assert code == 0 and summary["messages"]["/depth/scan"] == COUNT and not summary["missing"]
    for index, (_, message) in enumerate(kit.decoded(tmp_path / "out.mcap", "/depth/obstacles")):
        assert message.header.frame_id == "base" and message.header.stamp.nanosec == index * kit.STEP_NS
        np.testing.assert_allclose(points(message)[:, 0], 2.2, atol=1e-3)
    (_, free), *_ = kit.decoded(tmp_path / "out.mcap", "/depth/free")
    (_, scan), *_ = kit.decoded(tmp_path / "out.mcap", "/depth/scan")
    assert (free.header.frame_id, scan.header.frame_id) == ("camera", "base")
    assert np.nanmin(scan.ranges) == pytest.approx(2.2, abs=0.01)


def test_by_static_transforms(converted, maker, tmp_path, kit):
    maker.static(*kit.CHAIN)
    code, _, said = converted(*WANTED, "--base-frame", "base")
    assert code == 0 and "obstacles in 'base': camera by /tf_static, 0.200 0.000 1.000 m away" in said
    (_, message), *_ = kit.decoded(tmp_path / "out.mcap", "/depth/obstacles")
    np.testing.assert_allclose(points(message)[:, 0], 2.2, atol=1e-3)


def test_a_mast_that_turns_is_followed_from_image_to_image(converted, maker, tmp_path, kit):
    maker.static(*kit.CHAIN[1:])
    panned(maker, kit, [0, 0, 90, 90])
    code, _, said = converted(*WANTED, "--base-frame", "base")
    assert code == 0 and "by /tf, in which mast moves" in said
    found = [points(message) for _, message in kit.decoded(tmp_path / "out.mcap", "/depth/obstacles")]
    np.testing.assert_allclose(found[0][:, 0], 2.2, atol=1e-3)
    np.testing.assert_allclose(found[-1][:, 1], 2.2, atol=1e-3)


def test_images_before_the_first_transform_have_none_and_are_counted(converted, maker, kit):
    maker.static(*kit.CHAIN[1:])
    panned(maker, kit, [0] * COUNT, first=2)
    code, summary, said = converted(*WANTED, "--base-frame", "base")
    assert code == 0 and summary["messages"]["/depth/image"] == COUNT
    assert summary["messages"]["/depth/obstacles"] == summary["messages"]["/depth/scan"] == 2
    (sentence,) = summary["missing"]
    assert sentence.startswith("no obstacles of 2 results: ") and "'mast' in 'base'" in sentence and sentence in said


@pytest.mark.parametrize(("align", "kind"), [("scan", "LaserScan"), ("lidar", "PointCloud2")])
def test_our_own_scan_and_clouds_are_no_reference_of_a_recording(converted, tmp_path, kit, capsys, align, kind):
    converted(*BY_HAND, "--merge")
    assert (
        kit.bag(tmp_path / "out.mcap", "--out", tmp_path / "again.mcap", "--namespace", "again", "--align", align) == 1
    )
    assert f"holds no {kind} topics to align with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (WANTED, "outputs holds scan, and there is no scan: it needs a frame with z up"),
        ((*WANTED, "--base-frame", "nowhere"), "do not join 'camera' and 'nowhere'"),
        ((*WANTED, "--base-frame", "nowhere"), "give --base-from-camera 'x y z qx qy qz qw', camera to base"),
        ((*WANTED, "--base-from-camera", LEVEL), "expected base_frame as well"),
        ((*BY_HAND, "--mask", "nowhere.png"), "mask is 'nowhere.png', expected an image"),
        ((*BY_HAND, "--max-range", "0"), "expected 0.5 to 100 m"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_converted(converted, tmp_path, capsys, words, sentence):
    try:
        code, _, said = converted(*words)
    except SystemExit as end:
        code, said = end.code, capsys.readouterr().err
    assert code in (1, 2) and sentence in said and not (tmp_path / "out.mcap").exists()
