# SPDX-License-Identifier: Apache-2.0
"""What `mono_depth info` says of recordings, in words and as JSON."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from rosbags import rosbag1
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, IMAGE
from mono_depth_ros.tools.cli import main


@pytest.fixture
def info(capsys):
    """Exit code and what was printed."""

    def info(*words):
        code = main(["info", *map(str, words)])
        return code, capsys.readouterr()

    return info


def moving(kit, maker, parent, child, index):
    make = TYPES.types
    where = make["geometry_msgs/msg/Transform"](
        make["geometry_msgs/msg/Vector3"](1.0, 2.0, 3.0), make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    )
    stamp = kit.BEGIN_NS + index * kit.STEP_NS
    item = make["geometry_msgs/msg/TransformStamped"](kit.header(stamp, parent), child, where)
    maker.add("/tf", kit.TF, stamp, make[kit.TF]([item]))


def depth(kit, maker, index):
    message = empty(IMAGE, kit.header(kit.BEGIN_NS + index * kit.STEP_NS))
    fill_image(message, np.ones((12, 16), np.float32), "32FC1")
    maker.add("/camera/depth", IMAGE, kit.BEGIN_NS + index * kit.STEP_NS, message)


@pytest.fixture
def robot(maker, kit):
    """A camera with depth, a lidar, and a tree of frames that moves."""
    maker.frames(11).lidar(11).static(*kit.CHAIN)
    for index in range(11):
        moving(kit, maker, "odom", "base", index)
        depth(kit, maker, index)
    return maker


def test_a_recording_in_words(tmp_path, robot, info):
    robot.write(tmp_path / "in.mcap")
    code, printed = info(tmp_path / "in.mcap")
    assert code == 0 and not printed.err
    for line in (
        r"in.mcap: in.mcap, 0.0 MB, 51 messages",
        r"  /camera/image_raw    sensor_msgs/msg/Image        11 +\d+\.\d\d Hz  16x12 rgb8",
        r"  /tf_static +tf2_msgs/msg/TFMessage +1 +latched",
        r"  image: /camera/image_raw \(the only topic with pictures of a camera; /camera/depth: depth\)",
        r"  camera_info: /camera/camera_info \(the image's sibling\)",
        r"  reference: /lidar/points \(reference to camera: 'lidar' to 'camera' by /tf_static, 0.000 -0.100 -0.200 m",
        r"  /camera/camera_info: 16x12, fx 20, fy 20, cx 7.5, cy 5.5, plumb_bob 0 0 0 0 0, frame 'camera'",
        r"damage: none, by the index; --check reads every message",
    ):
        assert re.search(line, printed.out), line
    tree = printed.out.partition("frames:\n")[2].splitlines()[:5]
    assert tree == ["  odom", "    base (moves)", "      mast", "        camera", "        lidar"]
    assert info(tmp_path / "in.mcap", "--check")[1].out.endswith("damage: none\n")


def test_json_has_the_shape_that_the_docs_give(tmp_path, robot, info, repository, documented):
    robot.write(tmp_path / "in")
    code, printed = info(tmp_path / "in" / "metadata.yaml", "--json")
    found = json.loads(printed.out)
    documented("info", found)
    text = (repository / "docs" / "bags.md").read_text().partition("## What is in a recording")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    keys = {key: set(re.findall(r"`(\w+)`", words)) for first, words in rows for key in re.findall(r"`(\w+)`", first)}
    assert code == 0 and found.keys() == keys.keys()
    for key in ("files", "topics", "cameras", "frames"):
        assert set().union(*found[key]) == keys[key], key
    assert found["chosen"].keys() | {"topic", "why"} == keys["chosen"]
    assert all(choice.keys() == {"topic", "why"} for choice in found["chosen"].values())
    assert (found["start_s"], found["messages"]) == (pytest.approx(1_699_999_999), 51)
    assert {item["name"]: item["messages"] for item in found["topics"]}["/camera/image_raw"] == 11
    assert {"child": "base", "parent": "odom", "static": False} in found["frames"]


def test_what_is_wrong_with_a_camera(tmp_path, maker, kit, info):
    maker.frames(2, info="")
    camera = Camera(160, 120, 200.0, 200.0, 5.5, 5.5, "plumb_bob", (-9.0, 0.0, 0.0, 0.0, 0.0))
    for topic, wrong in (("/camera/camera_info", camera), ("/other/camera_info", camera)):
        message = info_from(wrong, kit.header(kit.BEGIN_NS, "eye"))
        if topic.startswith("/other"):
            message.distortion_model = "unheard_of"
        maker.add(topic, CAMERA_INFO, kit.BEGIN_NS, message)
    maker.write(tmp_path / "in.db3")
    cameras = json.loads(info(tmp_path / "in.db3", "--json")[1].out)["cameras"]
    first, other = (next(item for item in cameras if item["topic"].startswith(name)) for name in ("/camera", "/other"))
    assert first["image"] == "/camera/image_raw" and first["distortion"][0] == -9.0
    assert "160x120" in first["warnings"][0] and "16x12" in first["warnings"][0]
    assert "another frame" in first["warnings"][1]
    assert other["image"] == "" and "unheard_of" in other["warnings"][0]


def test_damage_needs_a_look_and_ends_with_1(tmp_path, maker, kit, info):
    path = kit.write_mcap(tmp_path / "whole", maker.frames(20), compressed=True)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x28\xb5\x2f\xfd", len(data) // 3)  # of a chunk
    data[at + 6 : at + 40] = bytes(34)
    path.write_bytes(data)
    assert info(path)[0] == 0
    code, printed = info(path, "--check")
    assert code == 1 and "lost: 5 of 40 messages" in printed.out
    path.write_bytes(data[: len(data) // 2])
    code, printed = info(path)
    assert code == 1 and "damage: " in printed.out and "cut off" in printed.out


def test_a_folder_of_bags_has_a_line_for_each(tmp_path, maker, kit, info):
    (tmp_path / "bags" / "monday").mkdir(parents=True)
    maker.frames(3).write(tmp_path / "a.mcap")
    (tmp_path / "a.mcap").rename(tmp_path / "bags" / "monday" / "a.mcap")
    (tmp_path / "bags" / "b.db3").write_bytes(b"")
    ros1 = get_typestore(Stores.ROS1_NOETIC)
    text = "std_msgs/msg/String"
    with rosbag1.Writer(tmp_path / "bags" / "old.bag") as writer:
        connection = writer.add_connection("/words", text, typestore=ros1)
        writer.write(connection, 7, bytes(ros1.serialize_ros1(ros1.types[text]("x"), text)))
    code, printed = info(tmp_path / "bags")
    assert code == 1
    first, *others = printed.out.splitlines()
    assert first.startswith(f"b.db3: {tmp_path}/bags/b.db3 cannot be read: it is empty (0 bytes)")
    assert others == [
        "monday/a.mcap: 0.2 s, messages: 6, /camera/image_raw",
        "old.bag: 0.0 s, messages: 1, no image topic to choose",
    ]
    found = json.loads(info(tmp_path / "bags", "--json")[1].out)
    assert [set(bag) == {"path", "error"} for bag in found["bags"]] == [True, False, False]
    assert found["bags"][2]["topics"][0]["type"] == text


def test_bags_with_nothing_in_them(tmp_path, info, kit):
    kit.write_mcap(tmp_path / "empty", kit.BagMaker(), compressed=False)
    code, printed = info(tmp_path / "empty")
    assert code == 0 and "0 messages" in printed.out and "it has: no topics" in printed.out
    code, printed = info(tmp_path / "nothing")
    assert code == 1 and "there is no bag" in printed.err
