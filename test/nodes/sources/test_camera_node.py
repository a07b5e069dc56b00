# SPDX-License-Identifier: Apache-2.0
"""The camera node as a process: what an outsider hears of a folder and of a video, and how it ends."""

from __future__ import annotations

import signal
import threading
import time

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import camera_from_info
from mono_depth_ros.messages.compressed import decode_compressed
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.sources.camera_node import main

MODULE = "mono_depth_ros.nodes.camera_node"
CAMERA = Camera(64, 48, 60.0, 61.0, 31.0, 23.0, "plumb_bob", (-0.2, 0.1, 0.001, -0.002, 0.0))


@pytest.fixture
def calibration(tmp_path):
    CAMERA.to_yaml(tmp_path / "camera.yaml")
    return tmp_path / "camera.yaml"


@pytest.fixture
def folder(tmp_path):
    """12 images; the red channel tells which, and the rows tell up from down."""
    path = tmp_path / "images"
    path.mkdir()
    for k in range(12):
        rgb = np.zeros((48, 64, 3), np.uint8)
        rgb[..., 0], rgb[..., 1] = 10 * k, np.arange(48)[:, None]
        cv2.imwrite(str(path / f"{k}.png"), rgb[..., ::-1])
    return path


def by_stamp(messages):
    return {stamp_ns(message.header.stamp): message for message in messages}


def test_a_folder_becomes_image_and_camera_info_with_one_stamp_and_frame(node_process, ros, folder, calibration):
    images, infos = ros.listen(Image, "/front/image_raw"), ros.listen(CameraInfo, "/front/camera_info")
    node = node_process(
        MODULE, "-r", "__ns:=/front", source=folder, camera=calibration, rate=20.0, frame_id="front_optical",
        wait_for_subscriber=True,
    )  # fmt: skip
    assert node.code() == 0, node.log
    ros.wait(lambda: images and by_stamp(images).keys() <= by_stamp(infos).keys())
    assert len(images) >= 11 and "12 images published" in node.log  # the first may go before both ends know
    assert {m.header.frame_id for m in (*images, *infos)} == {"front_optical"}
    first = images[0]
    assert (first.width, first.height, first.encoding, first.step) == (64, 48, "bgr8", 192)
    rgb = [decode_image(message) for message in images]
    assert [int(each[0, 0, 0]) for each in rgb] == [10 * k for k in range(12)][-len(rgb) :]
    assert np.array_equal(rgb[0][:, 5, 1], np.arange(48))
    assert camera_from_info(infos[0], rectified=False) == CAMERA
    gaps = np.diff(sorted(by_stamp(images))) / 1e9
    assert 0.045 < np.median(gaps) < 0.08


def test_compressed_images_loop_and_a_signal_ends_them(node_process, ros, folder, calibration):
    raw, compressed = ros.listen(Image, "/image_raw"), ros.listen(CompressedImage, "/image_raw/compressed")
    node = node_process(
        MODULE, source=folder, camera=calibration, rate=100.0, loop=True, transport="both", encoding="rgb8"
    )
    ros.wait(lambda: len(compressed) > 15 and by_stamp(raw).keys() & by_stamp(compressed).keys())
    stamp = (by_stamp(raw).keys() & by_stamp(compressed).keys()).pop()
    original, packed = by_stamp(raw)[stamp], by_stamp(compressed)[stamp]
    assert original.encoding == "rgb8" and packed.format == "rgb8; jpeg compressed bgr8"
    difference = decode_image(original).astype(int) - decode_compressed(packed)
    assert np.abs(difference).max() <= 6
    node.signal(signal.SIGTERM)
    assert node.code(10.0) == 0 and "Traceback" not in node.log, node.log


def test_a_field_of_view_is_enough(node_process, ros, folder):
    infos = ros.listen(CameraInfo, "/camera_info")
    node_process(MODULE, source=folder, hfov=90.0, rate=50.0, loop=True)
    ros.wait(lambda: infos)
    assert (infos[0].width, infos[0].height, infos[0].k[0], infos[0].k[2]) == (64, 48, pytest.approx(32.0), 31.5)


def test_broken_images_and_other_sizes_are_left_out_and_counted(node_process, folder, calibration):
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:60])
    cv2.imwrite(str(folder / "5.png"), np.zeros((20, 30, 3), np.uint8))
    node = node_process(MODULE, source=folder, calibration=calibration, rate=200.0)
    assert node.code() == 0
    assert "10 images published; left out: image_truncated 1, size_mismatch 1" in node.log, node.log
    assert "5.png is 30x20, expected 64x48" in node.log


def test_a_video_has_its_own_rate(node_process, ros, tmp_path, calibration):
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for k in range(10):
        writer.write(np.full((48, 64, 3), 20 * k, np.uint8))
    writer.release()
    images, _ = ros.listen(Image, "/image_raw"), ros.listen(CameraInfo, "/camera_info")
    node = node_process(
        MODULE, source=tmp_path / "a.avi", calibration=calibration, wait_for_subscriber=True, encoding="mono8"
    )
    assert node.code() == 0, node.log
    assert "at 25 Hz" in node.log and "10 images published" in node.log
    ros.wait(lambda: len(images) >= 9)
    assert {m.encoding for m in images} == {"mono8"} and abs(images[-1].data[100] - 180) <= 3


def test_what_cannot_be_published_says_why_and_exits_1(refused, tmp_path, folder, calibration):
    CAMERA.resized(128, 96).to_yaml(tmp_path / "large.yaml")
    cases = {
        "without the focal length there are no metres": {"source": folder},
        "source is empty": {"camera": calibration},
        "does not exist": {"source": tmp_path / "nowhere", "camera": calibration},
        "0.png: the image is 64x48 but": {"source": folder, "camera": tmp_path / "large.yaml"},
        "hfov is 60, expected one of the two": {"source": folder, "camera": calibration, "hfov": 60.0},
        "did you mean camera": {"source": folder, "camear": calibration},
        "0 to 1000 Hz": {"source": folder, "camera": calibration, "rate": -1.0},
        "webcam:77 cannot be opened": {"source": "webcam:77", "camera": calibration},
    }
    for words, parameters in cases.items():
        assert words in refused(main, **parameters)


def test_with_a_result_topic_the_next_image_waits_for_the_result_of_the_one_before(
    node_process, ros, folder, calibration
):
    """A network that takes six periods of the camera loses none; until its first result nothing is waited for."""
    heard, said = [], []
    results = ros.outsider.create_publisher(CameraInfo, "/slow/camera_info", 10)

    def answer(image):
        results.publish(CameraInfo(header=image.header))
        said.append((time.monotonic(), stamp_ns(image.header.stamp)))

    def hear(image):
        heard.append((time.monotonic(), stamp_ns(image.header.stamp)))
        if len(heard) > 3:  # loading takes three images
            threading.Timer(0.12, answer, [image]).start()

    ros.outsider.create_subscription(Image, "/image_raw", hear, 10)
    node = node_process(
        MODULE, source=folder, camera=calibration, rate=50.0, result="/slow/camera_info", loop=True,
        wait_for_subscriber=False,
    )  # fmt: skip
    ros.wait(lambda: said and sum(at_s > said[0][0] + 0.3 for at_s, _ in heard) > 7)
    node.signal(signal.SIGTERM)
    first_s, first_ns = said[0]
    waited = [(at_s, stamp) for at_s, stamp in heard if stamp > first_ns and at_s > first_s + 0.3]
    answered = {stamp: at_s for at_s, stamp in said}
    stamps = [stamp for _, stamp in heard]
    for at_s, stamp in waited[1:]:
        before = stamps[stamps.index(stamp) - 1]
        assert at_s > answered[before], "it came before the result of the one before"
    assert len(waited) > 5 and np.diff([at_s for at_s, _ in waited]).min() > 0.1
