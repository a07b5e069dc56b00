# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.config import CameraNodeConfig, WorldNodeConfig
from mono_depth_ros.errors import CameraError, DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.tools.demo.source import FolderTruth, file_source, world_source

MATRIX = "50 0 31.5\n0 50 23.5\n0 0 1\n"
CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)


@pytest.fixture
def folder(tmp_path):
    """Two frames in the 7-Scenes layout."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for k in range(2):
        noise = np.random.default_rng(k).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        depth = np.full((48, 64), 1500 + k, np.uint16)
        depth[0, :2] = 0, 65535
        cv2.imwrite(str(folder / f"frame-{k}.color.png"), noise)
        cv2.imwrite(str(folder / f"frame-{k}.depth.png"), depth)
    return folder


def test_world_parameters_are_those_of_the_node():
    source = world_source(WorldNodeConfig(scene="street", seed=7), rate_hz=5.0)
    assert WorldNodeConfig(**source.parameters) == WorldNodeConfig(scene="street", seed=7, rate=5.0)
    assert world_source(WorldNodeConfig(), 0.0).parameters["rate"] == WorldNodeConfig.rate
    assert source.title == "synthetic street, seed 7" and source.lookup is None and source.topics.truth


@pytest.mark.parametrize(
    ("alignment", "topics"),
    [
        ("both", {"aligned", "motion", "odom", "diagnostics"}),
        ("lidar", {"aligned", "diagnostics"}),
        ("motion", {"motion", "odom", "diagnostics"}),
        ("none", set()),
    ],
)
def test_each_reference_of_the_world_has_its_topics(alignment, topics):
    found = vars(world_source(WorldNodeConfig(), 0.0, alignment).topics)
    assert {name for name in ("aligned", "motion", "odom", "diagnostics") if found[name]} == topics


def test_intrinsics_beside_the_images_are_found(folder, tmp_path):
    (folder / "camera-intrinsics.txt").write_text(MATRIX)
    source = file_source(str(folder), "", 0.0, tmp_path)
    config = CameraNodeConfig(**source.parameters)
    assert Camera.from_yaml(config.camera) == CAMERA
    assert config.loop and config.source == str(folder)


def test_a_calibration_file_comes_first(folder, tmp_path):
    (folder / "camera-intrinsics.txt").write_text(MATRIX)
    lens = Camera(64, 48, 60.0, 60.0, 31.5, 23.5, "plumb_bob", (-0.1, 0.0, 0.0, 0.0, 0.0))
    lens.to_yaml(folder / "camera.yaml")
    source = file_source(str(folder), "", 0.0, tmp_path)
    assert Camera.from_yaml(source.parameters["camera"]) == lens
    given = file_source(str(folder), "50,50,31.5,23.5", 0.0, tmp_path)
    assert Camera.from_yaml(given.parameters["camera"]) == CAMERA


def test_a_field_of_view_will_do(folder, tmp_path):
    source = file_source(str(folder), "", 0.0, tmp_path, hfov_deg=90.0)
    assert Camera.from_yaml(source.parameters["camera"]) == Camera.from_fov((64, 48), 90.0)


def test_ground_truth_is_found_by_the_pixels(folder, tmp_path):
    truth = file_source(str(folder), "50,50,31.5,23.5", 0.0, tmp_path).lookup
    for k in range(2):
        rgb = cv2.cvtColor(cv2.imread(str(folder / f"frame-{k}.color.png")), cv2.COLOR_BGR2RGB)
        depth = truth(rgb)
        assert np.isnan(depth[0, :2]).all() and depth.dtype == np.float32
        np.testing.assert_allclose(depth[1:], 1.5 + k / 1000)
    assert truth(np.zeros((48, 64, 3), np.uint8)) is None


def test_raw_depth_of_seven_scenes_is_registered(tmp_path):
    (tmp_path / "camera-intrinsics.txt").write_text("585 0 320\n0 585 240\n0 0 1\n")
    cv2.imwrite(str(tmp_path / "frame-0.color.png"), np.zeros((480, 640, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "frame-0.depth.png"), np.full((480, 640), 2000, np.uint16))
    source = file_source(str(tmp_path), "", 0.0, tmp_path / "work")
    assert Camera.from_yaml(source.parameters["camera"]).fx == 525.0 and "registered to it" in source.truth
    depth = source.lookup(np.zeros((480, 640, 3), np.uint8))
    assert np.isnan(depth[:10]).all() and np.nanmedian(depth) == pytest.approx(2.0, abs=0.01)


def test_depth_of_another_size_is_no_ground_truth(folder):
    cv2.imwrite(str(folder / "frame-0.depth.png"), np.ones((4, 4), np.uint16))
    rgb = cv2.cvtColor(cv2.imread(str(folder / "frame-0.color.png")), cv2.COLOR_BGR2RGB)
    assert FolderTruth(folder)(rgb) is None


def test_a_folder_without_depth_has_no_truth(folder, tmp_path):
    for path in folder.glob("*.depth.png"):
        path.unlink()
    source = file_source(str(folder), "50,50,31.5,23.5", 0.0, tmp_path)
    assert source.lookup is None and source.truth == ""


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.0, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for k in range(5):
        writer.write(np.full((48, 64, 3), 40 * k, np.uint8))
    writer.release()
    return path


def test_video(video, tmp_path):
    source = file_source(str(video), "50,50,31.5,23.5", 0.0, tmp_path / "work")
    assert source.title == "video drive.avi" and source.lookup is None
    assert source.waits and source.parameters["result"] == "/depth/camera_info", "none is dropped"
    assert Camera.from_yaml(source.parameters["camera"]) == CAMERA


def test_no_calibration_is_said(folder, video, tmp_path):
    for path in (folder, video):
        with pytest.raises(DataError, match=r"the camera of .* is not known.*camera-intrinsics\.txt: give --camera"):
            file_source(str(path), "", 0.0, tmp_path)


def test_calibration_of_another_size(folder, tmp_path):
    Camera(640, 480, 500.0, 500.0, 320.0, 240.0).to_yaml(folder / "camera.yaml")
    with pytest.raises(CameraError, match="the image is 64x48"):
        file_source(str(folder), "", 0.0, tmp_path)


@pytest.mark.parametrize("text, words", [("missing", "there is no missing"), ("webcam:77", "cannot be opened")])
def test_no_such_source(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        file_source(text, "50,50,31.5,23.5", 0.0, tmp_path)
