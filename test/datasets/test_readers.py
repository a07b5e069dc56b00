# SPDX-License-Identifier: Apache-2.0
"""Each reader on a folder in its layout, made for the test, and on the real samples."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.datasets import READERS, seven_scenes
from mono_depth_ros.datasets.files import Wanted, key
from mono_depth_ros.datasets.tum import associate
from mono_depth_ros.errors import CameraError, DataError
from mono_depth_ros.geometry.camera import Camera


def rgb(path, width=8, height=6):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), 50, np.uint8))


def depth(path, number=1000, width=8, height=6):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width), number, np.uint16))


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def read(name, folder, **more):
    return READERS[name](Wanted(folder, **more))


def names(dataset):
    return [item.name for item in dataset.items]


def test_what_names_have_in_common():
    assert key("rgb_00045") == key("sync_depth_00045") == "00045"
    assert key("a.color") == key("a.depth") == key("a") == "a"
    drive = "2011_09_26_drive_0002_sync"
    assert key(f"{drive}_image_05_image_02") == key(f"{drive}_groundtruth_depth_05_image_02") == f"{drive}_05_image_02"
    assert key("depth") == "depth"


def test_nyu_list(tmp_path):
    for number in (45, 46):
        rgb(tmp_path / f"bathroom/rgb_000{number}.jpg")
    depth(tmp_path / "bathroom/sync_depth_00045.png")
    lines = [f"bathroom/rgb_000{n}.jpg bathroom/sync_depth_000{n}.png 518.8579" for n in (45, 46, 47)]
    text(tmp_path / "nyudepthv2_test_files_with_gt.txt", "\n".join(lines))
    found = read("nyu", tmp_path)
    assert names(found) == ["bathroom/rgb_00045"] and found.depth_scale == 1000.0
    assert [line.split(" of ")[0] for line in found.missing] == [
        "bathroom/sync_depth_00046.png",
        "bathroom/rgb_00047.jpg and bathroom/sync_depth_00047.png",
    ]
    assert (found.protocol.crop, found.protocol.min_depth, found.protocol.max_depth) == ("eigen", 1e-3, 10.0)
    assert found.items[0].camera_of(640, 480).fx == pytest.approx(518.8579)
    with pytest.raises(CameraError, match="expected the same size"):
        found.items[0].camera_of(8, 6)


def test_nyu_pairs_and_what_is_without_a_partner(tmp_path):
    for number in (2, 10, 11):
        rgb(tmp_path / f"rgb/rgb_{number}.jpg")
    for number in (2, 10, 12):
        depth(tmp_path / f"depth/sync_depth_{number}.png")
    found = read("nyu", tmp_path)
    assert names(found) == ["rgb_2", "rgb_10"]
    first, second = found.missing
    assert "rgb_11.jpg has no ground truth" in first and "sync_depth_12.png has no image" in second


def test_nyu_as_one_file_or_nothing(tmp_path):
    with pytest.raises(DataError, match="in no layout of this data set, expected nyudepthv2_test"):
        read("nyu", tmp_path)
    with pytest.raises(DataError, match="is missing, expected a folder"):
        read("nyu", tmp_path / "none")
    text(tmp_path / "nyu_depth_v2_labeled.mat", "")
    with pytest.raises(DataError, match="one HDF5 file, expected its images unpacked"):
        read("nyu", tmp_path)


DRIVE = "2011_09_26_drive_0002_sync"
CALIBRATION = "calib_time: 09-Jan-2012\nP_rect_02: 721.5 0 609.5 44.8 0 722.5 172.8 0.2 0 0 1 0.002\n"


@pytest.mark.parametrize("dated", [True, False])
def test_kitti_eigen_list(tmp_path, dated):
    date = "2011_09_26/" if dated else ""
    rgb(tmp_path / f"raw/2011_09_26/{DRIVE}/image_02/data/0000000069.png")
    depth(tmp_path / f"data_depth_annotated/val/{DRIVE}/proj_depth/groundtruth/image_02/0000000069.png", 512)
    text(tmp_path / "raw/2011_09_26/calib_cam_to_cam.txt", CALIBRATION)
    line = f"{date}{DRIVE}/image_02/data/%s.png {DRIVE}/proj_depth/groundtruth/image_02/%s.png 721.5\n"
    none = f"{date}{DRIVE}/image_02/data/0000000075.png None 721.5\n"
    text(tmp_path / "eigen_test_files_with_gt.txt", line % (("0000000069",) * 2) + none + line % (("0000000070",) * 2))
    found = read("kitti", tmp_path)
    assert names(found) == [f"{date}{DRIVE}/image_02/data/0000000069"]
    assert len(found.missing) == 1 and "0000000070.png" in found.missing[0]
    assert found.notes == ("1 images of eigen_test_files_with_gt.txt have no ground truth, as it says itself",)
    assert found.items[0].camera_of(8, 6) == Camera(8, 6, 721.5, 722.5, 609.5, 172.8)
    assert (found.truth(found.items[0]) == 2.0).all()
    assert (found.protocol.crop, found.protocol.max_depth) == ("garg", 80.0)


def test_kitti_selection_has_the_benchmark_s_protocol(tmp_path):
    place = tmp_path / "val_selection_cropped"
    for number in (5, 8):
        rgb(place / f"image/{DRIVE}_image_000000000{number}_image_02.png")
        depth(place / f"groundtruth_depth/{DRIVE}_groundtruth_depth_000000000{number}_image_02.png")
    text(place / f"intrinsics/{DRIVE}_image_0000000005_image_02.txt", "721.5 0 596.5 0 722.5 149.8 0 0 1")
    found = read("kitti", tmp_path)
    assert names(found) == [f"{DRIVE}_image_0000000005_image_02"]
    assert len(found.missing) == 1 and "0000000008_image_02.png has no camera" in found.missing[0]
    assert found.items[0].camera_of(8, 6) == Camera(8, 6, 721.5, 722.5, 596.5, 149.8)
    assert (found.protocol.crop, found.protocol.max_depth) == ("none", np.inf)
    text(place / f"intrinsics/{DRIVE}_image_0000000005_image_02.txt", "721.5 0 596.5")
    with pytest.raises(CameraError, match="has 3 numbers, expected 9"):
        read("kitti", tmp_path)


def test_tum_sequence(tmp_path):
    place = tmp_path / "rgbd_dataset_freiburg3_office"
    for name in ("1.00", "1.03", "1.06", "1.09"):
        rgb(place / f"rgb/{name}.png")
    for name in ("1.01", "1.05", "1.30"):
        depth(place / f"depth/{name}.png", 5000)
    text(
        place / "rgb.txt", "# color\n" + "".join(f"{t} rgb/{t}.png\n" for t in ("1.03", "1.00", "1.06", "1.09", "1.12"))
    )
    text(place / "depth.txt", "".join(f"{t} depth/{t}.png\n" for t in ("1.01", "1.05", "1.11", "1.30")))
    found = read("tum", place)
    assert [(item.name, item.truth.stem, item.index) for item in found.items] == [
        ("1.00", "1.01", 0),
        ("1.06", "1.05", 2),
    ]
    assert len(found.missing) == 3  # 1.03 has no depth near it, that of 1.12 is no file, nor is 1.09's taken twice
    assert found.items[0].sequence == place.name
    assert found.items[0].camera_of(640, 480).fx == 535.4 and "freiburg3" in found.camera
    assert (found.truth(found.items[0]) == 1.0).all()
    assert read("tum", tmp_path).items[0].name == "rgbd_dataset_freiburg3_office/1.00"
    text(place / "groundtruth.txt", "# time\n0.98 1 0 0 0 0 0 1\n1.02 3 0 0 0 0 0 1\n")
    assert found.pose(found.items[0])[0, 3] == pytest.approx(2.0)
    with pytest.raises(DataError, match=r"the last pose is 0\.04 s before the image"):
        found.pose(found.items[1])


def test_association_is_nearest_first_and_each_once():
    assert associate([1.00, 1.01, 2.0], [1.011, 1.03, 2.03]) == {1: 0}
    assert associate([1.00, 1.02], [1.005, 1.015]) == {0: 0, 1: 1}
    assert associate([1.00], [1.019], 0.02) == {0: 0} and associate([1.00], [1.021], 0.02) == {}


def test_seven_scenes(tmp_path):
    for sequence, number in ((1, 0), (1, 1), (2, 0)):
        stem = tmp_path / f"seq-0{sequence}/frame-00000{number}"
        rgb(stem.with_name(stem.name + ".color.png"))
        depth(stem.with_name(stem.name + ".depth.png"), 65535 if number else 1500)
    (tmp_path / "seq-02/frame-000000.depth.png").unlink()
    found = read("seven_scenes", tmp_path)
    assert [(item.name, item.sequence, item.index) for item in found.items] == [
        ("seq-01/frame-000000", "seq-01", 0),
        ("seq-01/frame-000001", "seq-01", 1),
    ]
    assert len(found.missing) == 1 and "frame-000000.color.png has no frame-*.depth.png" in found.missing[0]
    assert found.items[0].camera_of(640, 480) == Camera(640, 480, 525.0, 525.0, 320.0, 240.0)
    text(tmp_path / "camera-intrinsics.txt", "40 0 4\n0 40 3\n0 0 1\n")  # of other recordings in this layout
    found = read("seven_scenes", tmp_path)
    assert found.items[0].camera_of(8, 6) == Camera(8, 6, 40.0, 40.0, 4.0, 3.0)
    assert (found.truth(found.items[0]) == 1.5).all() and np.isnan(found.truth(found.items[1])).all()


def test_depth_of_seven_scenes_is_registered(tmp_path):
    """A card before a wall, seen by the depth camera: it lands where its points are in the colour image."""
    rgb(tmp_path / "frame-000000.color.png", 640, 480)
    text(tmp_path / "camera-intrinsics.txt", "585 0 320\n0 585 240\n0 0 1\n")
    raw = np.full((480, 640), 3000, np.uint16)
    raw[100:300, 200:400] = 1000
    cv2.imwrite(str(tmp_path / "frame-000000.depth.png"), raw)
    text(tmp_path / "frame-000000.pose.txt", "1 0 0 5\n0 1 0 6\n0 0 1 7\n0 0 0 1\n")
    found = read("seven_scenes", tmp_path)
    (item,) = found.items
    truth = found.truth(item)
    card = np.argwhere(truth < 1.1)
    # u = 525 ((200 - 320) / 585 - .0079 - .02556) + 320, where the rotation about the axis adds less than a pixel
    assert card.min(axis=0) == pytest.approx([110, 194], abs=1) and card.max(axis=0) == pytest.approx([289, 374], abs=1)
    assert np.nanmedian(truth[400]) == pytest.approx(3.002, abs=0.01)
    outside = np.isnan(truth)
    assert outside[:, :15].all() and outside[:, -30:].all() and 0.2 < outside.mean() < 0.3
    world_from_camera = seven_scenes.world_from_camera(item)
    np.testing.assert_allclose(
        world_from_camera @ [*seven_scenes.REGISTRATION.camera_from_depth[:3, 3], 1], [5, 6, 7, 1]
    )
    depth(tmp_path / "frame-000000.depth.png")
    with pytest.raises(DataError, match="the depth image is 8x6, expected 640x480"):
        found.truth(item)
    (tmp_path / "frame-000000.pose.txt").unlink()
    with pytest.raises(DataError, match="the pose of frame-000000 cannot be read"):
        seven_scenes.world_from_camera(item)


def test_folder_needs_the_unit_of_its_depth(tmp_path):
    rgb(tmp_path / "rgb/a.png")
    depth(tmp_path / "depth/a.png", 3000)
    with pytest.raises(DataError, match="how many numbers of the depth make a metre: expected 'depth_scale: 1000' in"):
        read("folder", tmp_path)
    Camera(8, 6, 5.0, 6.0, 3.5, 2.5).to_yaml(tmp_path / "camera.yaml")
    with pytest.raises(DataError, match="how many numbers"):
        read("folder", tmp_path)
    assert (
        read("folder", tmp_path, depth_scale=500.0).truth(read("folder", tmp_path, depth_scale=500.0).items[0]) == 6
    ).all()
    path = tmp_path / "camera.yaml"
    path.write_text(path.read_text() + "depth_scale: 1000\n")
    found = read("folder", tmp_path)
    assert (found.truth(found.items[0]) == 3.0).all()
    assert found.items[0].camera_of(8, 6) == Camera(8, 6, 5.0, 6.0, 3.5, 2.5)
    path.write_text(path.read_text().replace("depth_scale: 1000", "depth_scale: mm"))
    with pytest.raises(DataError, match="depth_scale is 'mm', expected a positive number"):
        read("folder", tmp_path)


def test_two_files_for_one_name_are_refused(tmp_path):
    rgb(tmp_path / "rgb/rgb_1.png")
    rgb(tmp_path / "rgb/image_1.png")
    with pytest.raises(DataError, match="are both '1': expected one file for each name"):
        read("nyu", tmp_path)


def test_a_list_that_is_none(tmp_path):
    text(tmp_path / "list.txt", "a.png\n")
    with pytest.raises(DataError, match=r"entry 1 is 'a\.png', expected an image and its ground truth"):
        read("nyu", tmp_path, split=tmp_path / "list.txt")
    with pytest.raises(DataError, match=r"cannot read .*none\.txt"):
        read("kitti", tmp_path, split=tmp_path / "none.txt")
    text(tmp_path / "list.txt", "# nothing\n")
    with pytest.raises(DataError, match="is empty"):
        read("kitti", tmp_path, split=tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("name", "folder", "count"), [("nyu", "nyu_depth", 3), ("kitti", "kitti_depth", 3), ("seven_scenes", "", 150)]
)
def test_the_real_samples(real_data, name, folder, count):
    found = read(name, real_data / (folder or name))
    assert len(found.items) == count and not found.missing
    truth = found.truth(found.items[0])
    assert 0.1 < np.nanmin(truth) < np.nanmax(truth) < 90 and np.isnan(truth).any()
