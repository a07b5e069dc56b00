# SPDX-License-Identifier: Apache-2.0
"""Topics are chosen by type and named; where there are several, or none, the sentence lists what there is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES, BagReader
from mono_depth_ros.bags.topics import choose
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, COMPRESSED, IMAGE


def choice(path, **options):
    with BagReader(path) as reader:
        return choose(reader, BagConfig(**options))


def add_depth(maker, kit, topic):
    message = empty(IMAGE, kit.header(kit.BEGIN_NS))
    fill_image(message, np.ones((12, 16), np.float32), "32FC1")
    maker.add(topic, IMAGE, kit.BEGIN_NS, message)


def compressed(kit, index):
    picture = cv2.imencode(".png", np.full((12, 16, 3), (0, 0, 10 + index), np.uint8))[1].ravel()
    make = TYPES.types[COMPRESSED]
    return make(kit.header(kit.BEGIN_NS + index * kit.STEP_NS), "rgb8; png compressed bgr8", picture)


def test_depth_and_pictures_of_depth_are_no_candidates(tmp_path, maker, kit):
    maker.frames(2).frames(2, image="/depth/color", info="/depth/camera_info")
    add_depth(maker, kit, "/camera/depth_truth")
    add_depth(maker, kit, "/depth/image")
    maker.write(tmp_path / "in.mcap")
    found = choice(tmp_path / "in.mcap")
    assert (found.image, found.camera_info) == ("/camera/image_raw", "/camera/camera_info")
    assert found.words == [
        "images: /camera/image_raw (2 messages)",
        "camera_info: /camera/camera_info (the image's sibling)",
    ]


def test_two_cameras_have_to_be_chosen_between(tmp_path, maker, kit, capsys):
    for side in ("left", "right"):
        maker.frames(3, image=f"/{side}/image_raw", info=f"/{side}/camera_info")
    maker.write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "holds 2 image topics: /left/image_raw (sensor_msgs/msg/Image, 3 messages), /right/image_raw" in said
    assert "choose one with --image-topic" in said
    found = choice(tmp_path / "in.mcap", image_topic="right/image_raw")
    assert (found.image, found.camera_info) == ("/right/image_raw", "/right/camera_info")


def test_camera_info_that_is_no_sibling(tmp_path, maker):
    maker.frames(2, info="/calibration").write(tmp_path / "in.mcap")
    assert choice(tmp_path / "in.mcap").camera_info == "/calibration"
    maker.frames(2, image="/other/x", info="/more").write(tmp_path / "two.mcap")
    with pytest.raises(
        DataError, match=r"no /camera/camera_info but 2 other camera_info topics: .*--camera-info-topic"
    ):
        choice(tmp_path / "two.mcap", image_topic="/camera/image_raw")
    assert choice(tmp_path / "two.mcap", image_topic="/camera/image_raw", camera="1,1,1,1").camera_info == ""


def test_a_bag_without_images(tmp_path, maker, kit):
    maker.lidar(2).write(tmp_path / "in.mcap")
    with pytest.raises(
        DataError, match=r"holds no image topic, it has: /lidar/points \(sensor_msgs/msg/PointCloud2, 1"
    ):
        choice(tmp_path / "in.mcap")
    add_depth(maker, kit, "/d/image")
    maker.write(tmp_path / "depth.mcap")
    with pytest.raises(DataError, match=r"holds no image topics, only /d/image .* name one with --image-topic"):
        choice(tmp_path / "depth.mcap")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_topic": "/nowhere"}, r"--image-topic is /nowhere, which .* does not hold; it has: /camera/image_raw"),
        ({"image_topic": "/camera/camera_info"}, "--image-topic is /camera/camera_info, a sensor_msgs/msg/CameraInfo"),
        ({"camera_info_topic": "/camera/image_raw"}, "expected sensor_msgs/msg/CameraInfo"),
    ],
)
def test_names_that_are_wrong(tmp_path, maker, options, words):
    maker.frames(2).write(tmp_path / "in.mcap")
    with pytest.raises(DataError, match=words):
        choice(tmp_path / "in.mcap", **options)


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        (("image_raw/compressed", "image_raw/zstd"), "image_raw"),
        (("image_raw/zstd",), "image_raw"),
        (("other/compressed", "other/zstd"), "other/compressed"),
    ],
)
def test_all_transports_of_one_camera_are_one(tmp_path, maker, kit, others, chosen):
    maker.frames(3, image="/camera/image_raw" if chosen == "image_raw" else "/camera/depth/color")
    for name in others:
        for index in range(3):
            log = kit.BEGIN_NS + index * kit.STEP_NS
            maker.add(f"/camera/{name}", COMPRESSED, log, compressed(kit, index))
    maker.write(tmp_path / "in.mcap")
    found = choice(tmp_path / "in.mcap")
    assert (found.image, found.camera_info) == (f"/camera/{chosen}", "/camera/camera_info")


def test_a_doubtful_order_of_colours_is_told_once_and_can_be_chosen(tmp_path, maker, kit, use, capsys):
    use()
    for index in range(3):
        log = kit.BEGIN_NS + index * kit.STEP_NS
        message = compressed(kit, index)
        message.format = "rgb8; png compressed rgb8"
        maker.add("/camera/image_raw/compressed", COMPRESSED, log, message)
        maker.add("/camera/camera_info", CAMERA_INFO, log, info_from(kit.CAMERA, kit.header(log)))
    maker.write(tmp_path / "in.mcap")
    for order, metres in (("standard", 1.0), ("format", np.nan)):
        out = tmp_path / order
        assert kit.bag(tmp_path / "in.mcap", "--out", out, "--compressed-order", order) == 0
        assert capsys.readouterr().err.count("set compressed_order to format") == (order == "standard")
        depth = kit.decoded(out, "/depth/image")[0][1].data.view("<f4")[5]
        np.testing.assert_equal(depth, np.float32(metres))


def test_compressed_images_are_decoded(tmp_path, maker, kit, use):
    use()
    for index in range(3):
        log = kit.BEGIN_NS + index * kit.STEP_NS
        maker.add("/camera/image_raw/compressed", COMPRESSED, log, compressed(kit, index))
        maker.add("/camera/camera_info", CAMERA_INFO, log, info_from(kit.CAMERA, kit.header(log)))
    depth = compressed(kit, 0)
    depth.format = "32FC1; compressedDepth png"
    maker.add("/camera/depth/compressedDepth", COMPRESSED, kit.BEGIN_NS, depth)
    maker.write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out") == 0
    images = [message for _, message in kit.decoded(tmp_path / "out", "/depth/image")]
    assert len(images) == 3
