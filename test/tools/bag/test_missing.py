# SPDX-License-Identifier: Apache-2.0
"""What was asked for and is not there is said, with its reason and its count, and is an exit code."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE

SAME = ("--no-local", "--min-samples", "20", "--occlusion-window", "0", "--bandwidth", "0")
YEARS_NS = int(56.9 * 365.25 * 86400 * 1e9)
COUNT = 3


@pytest.fixture
def converted(tmp_path, maker, use, capsys, kit):
    """Converts what the test has recorded; gives the exit code, the summary and what was said in the end."""

    def converted(*words, **changes):
        use(**changes)
        maker.write(tmp_path / "in.mcap")
        code = kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", "--json", *SAME, *words)
        printed = capsys.readouterr()
        return code, json.loads(printed.out), printed.err

    return converted


def cloud(kit, stamp, xyz, frame="camera"):
    message = empty(CLOUD, kit.header(stamp, frame))
    points = np.zeros((len(xyz), 4), np.float32)
    points[:, :3] = xyz
    fill_cloud(message, points, TYPES.types["sensor_msgs/msg/PointField"])
    return message


def wall(kit, z=3.0):
    rows, columns = (grid.ravel() for grid in np.mgrid[1 : kit.HEIGHT, 0 : kit.WIDTH])
    camera = kit.CAMERA
    return np.stack([(columns - camera.cx) / camera.fx * z, (rows - camera.cy) / camera.fy * z, z + 0 * rows], axis=1)


def with_clouds(maker, kit, change=lambda message: message, xyz=None, shift_ns=0):
    """Images of 2 m, and a wall at 3 m that the lidar sees."""
    maker.frames(COUNT, red=20)
    for index in range(COUNT):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        message = change(cloud(kit, stamp - shift_ns, wall(kit) if xyz is None else xyz))
        maker.add("/lidar/points", CLOUD, stamp + kit.DELAY_NS, message)


def with_depth(maker, kit, width, height, info, unit=1.0):
    maker.frames(COUNT, red=20)
    camera = Camera.from_fov((width, height), 60.0)
    for index in range(COUNT):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        message = empty(IMAGE, kit.header(stamp))
        fill_image(message, np.full((height, width), 3.0 * unit, np.float32), "32FC1")
        maker.add("/rgbd/depth", IMAGE, stamp + 9, message)
        if info:
            maker.add("/rgbd/camera_info", CAMERA_INFO, stamp + 9, info_from(info, kit.header(stamp)))
    return camera


def without_a_field(message):
    message.fields = message.fields[1:]
    return message


def cut_off(message):
    message.data = message.data[:100]
    return message


CLOUDS = {
    "another clock": (
        dict(shift_ns=YEARS_NS),
        "the reference nearest in time is 56.9 years before the image: its stamps are of another clock",
        "reference_time",
    ),
    "millimetres": (dict(factor=1000.0), "farther than reference_max: are they in metres?", "reference_limits"),
    "no point": (dict(xyz=np.zeros((0, 3))), "the reference has no points, expected at least one", "reference_empty"),
    "only NaN": (dict(xyz=np.full((9, 3), np.nan)), "all 9 points of the reference are NaN", "reference_not_finite"),
    "behind": (dict(factor=-1.0), "points of the reference are behind the camera", "reference_behind"),
    "no field x": (dict(change=without_a_field), "the cloud has no field 'x'", "reference_unreadable"),
    "cut off": (dict(change=cut_off), "has 100 bytes of data, expected", "reference_unreadable"),
    "few points": (dict(few=5), "5 samples to fit, expected 20 or more", ""),
}


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_cloud_that_aligns_nothing(maker, kit, converted, kind):
    how, sentence, slug = CLOUDS[kind]
    how = dict(how)
    if "factor" in how:
        how["xyz"] = wall(kit) * how.pop("factor")
    if "few" in how:
        how["xyz"] = wall(kit)[: how.pop("few")]
    with_clouds(maker, kit, **how)
    code, summary, said = converted("--outputs", "depth,aligned,points")
    assert code == 1
    (words,) = [line for line in said.splitlines() if line.startswith(f"aligned 0 of {COUNT} images: ")]
    assert sentence in words
    assert words in summary["missing"]
    assert summary["empty"] == ["/aligned/image", "/aligned/camera_info", "/aligned/points"]
    assert "nothing was written of: /aligned/image, /aligned/camera_info, /aligned/points" in said
    assert summary["messages"]["/depth/image"] == summary["messages"]["/depth/points"] == COUNT
    ((reason, (count, first)),) = summary["alignment"]["unaligned"].items()
    assert count == COUNT and sentence in first and (reason == slug or not slug)


def test_a_row_step_of_0_is_read(maker, kit, converted):
    def organised(message):
        message.height, message.width, message.row_step = kit.HEIGHT - 1, kit.WIDTH, 0
        return message

    with_clouds(maker, kit, organised)
    code, summary, _ = converted("--outputs", "aligned")
    assert code == 0 and summary["alignment"]["states"] == {"aligned": COUNT} and not summary["missing"]


DEPTHS = {
    "another size": (
        32,
        24,
        None,
        1.0,
        "no camera_info has come on /rgbd/camera_info, expected one",
    ),
    "another size than its camera": (32, 24, (16, 12), 1.0, "/rgbd/camera_info: "),
    "millimetres as floats": (16, 12, None, 1000.0, "none of them at 0.3 to 100 m: are they in metres?"),
    "nothing known": (16, 12, None, 0.0, "the reference depth has 0 known pixels"),
}


@pytest.mark.parametrize("kind", DEPTHS)
def test_a_depth_that_aligns_nothing(maker, kit, converted, kind):
    width, height, info, unit, sentence = DEPTHS[kind]
    with_depth(maker, kit, width, height, info and Camera.from_fov(info, 60.0), unit)
    code, summary, said = converted("--reference", "depth")
    assert code == 1 and summary["empty"] == ["/aligned/image", "/aligned/camera_info"]
    (words,) = [line for line in said.splitlines() if line.startswith(f"aligned 0 of {COUNT} images: ")]
    assert sentence in words


def test_a_part_is_said_and_is_no_failure(maker, kit, converted):
    maker.frames(8, red=20).lidar(1).static(*kit.CHAIN)
    code, summary, said = converted("--outputs", "aligned", "--tolerance", "0.05", "--hold", "0.35")
    assert code == 0 and summary["empty"] == [] and summary["messages"]["/aligned/image"] == 4
    (words,) = summary["missing"]
    assert words.startswith("aligned 4 of 8 images: the reference nearest in time is") and words in said.splitlines()


def test_reasons_and_counts_survive_an_interruption(tmp_path, maker, use, kit, capsys):
    def interrupt():
        if len(model.batches) == 3:
            raise KeyboardInterrupt

    maker.frames(8, red=20).lidar(1).static(*kit.CHAIN).write(tmp_path / "in.mcap")
    words = ("--outputs", "depth,aligned", "--tolerance", "0.05", "--hold", "0.15", "--segment-frames", "1", "--json")
    found = {}
    for name in ("whole", "parts"):
        model = use(wait=interrupt if name == "parts" else lambda: None)
        code = kit.bag(tmp_path / "in.mcap", "--out", tmp_path / f"{name}.mcap", *words, *SAME)
        if name == "parts":
            assert code == 130
            capsys.readouterr()
            use()
            assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / f"{name}.mcap", *words, *SAME, "--resume") == 0
        found[name] = json.loads(capsys.readouterr().out)
    for key in ("messages", "missing", "empty", "alignment"):
        assert found["parts"][key] == found["whole"][key]
    assert (tmp_path / "whole.mcap").read_bytes() == (tmp_path / "parts.mcap").read_bytes()
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "whole.mcap", *words, *SAME, "--resume") == 0
    assert json.loads(capsys.readouterr().out)["missing"] == found["whole"]["missing"]


def test_every_image_dropped(maker, kit, converted):
    other = Camera(8, 6, 20.0, 20.0, 3.5, 2.5)
    maker.frames(COUNT, info="")
    for index in range(COUNT):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        maker.add("/camera/camera_info", CAMERA_INFO, stamp, info_from(other, kit.header(stamp)))
    code, summary, said = converted()
    assert code == 1 and summary["written"] == 0 and summary["empty"] == ["/depth/image", "/depth/camera_info"]
    (words,) = [line for line in said.splitlines() if line.startswith(f"depth of 0 of {COUNT} images: ")]
    assert "8x6" in words and "16x12" in words


def test_exports_without_a_frame(tmp_path, maker, kit, converted):
    with_clouds(maker, kit, xyz=np.zeros((0, 3)))
    exports = ("--export", "tum", tmp_path / "tum", "--export", "ply", tmp_path / "ply")
    code, summary, said = converted("--outputs", "aligned", *exports)
    assert code == 1 and summary["empty"] == ["/aligned/image", "/aligned/camera_info", "export tum", "export ply"]
    assert "export tum, export ply" in said


@pytest.mark.parametrize("good", [0, 2])
def test_poses_that_are_none(tmp_path, maker, kit, converted, good):
    make = TYPES.types
    kind = "geometry_msgs/msg/PoseStamped"
    maker.frames(COUNT)
    for index in range(COUNT):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        point = make["geometry_msgs/msg/Point"](0.0, 0.0, 0.0)
        turn = make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, float(index < good))
        maker.add("/poses", kind, stamp, make[kind](kit.header(stamp), make["geometry_msgs/msg/Pose"](point, turn)))
    code, summary, _ = converted("--export", "tum", tmp_path / "tum")
    assert (code, summary["messages"]["groundtruth.txt"]) == (int(good == 0), good)
    (words,) = summary["missing"]
    assert words.startswith(f"groundtruth.txt has {good} of {COUNT} poses: ") and "length 0, expected 1" in words
    assert summary["empty"] == ([] if good else ["groundtruth.txt"])


def test_a_folder_of_bags_says_it_of_each(tmp_path, maker, use, kit, capsys):
    use()
    with_clouds(maker, kit, xyz=np.zeros((0, 3)))
    (tmp_path / "in").mkdir()
    maker.write(tmp_path / "in" / "a.mcap")
    (tmp_path / "in" / "a.mcap_folder" / "metadata.yaml").unlink()
    (tmp_path / "in" / "a.mcap_folder").rmdir()
    assert kit.bag(tmp_path / "in", "--out", tmp_path / "out", "--outputs", "depth,aligned", *SAME, "--json") == 1
    printed = capsys.readouterr()
    words = json.loads(printed.out)["incomplete"]["a.mcap"]
    assert words.startswith("aligned 0 of 3 images: the reference has no points")
    assert printed.err.splitlines()[-1] == f"a.mcap: {words}"


def test_alignments_that_are_not_trusted_are_counted(maker, kit, converted):
    noise = np.random.default_rng(0).uniform(0.5, 2.0, (wall(kit).shape[0], 1))
    with_clouds(maker, kit, xyz=wall(kit) * noise)
    code, summary, said = converted("--outputs", "aligned", "--max-abs-rel", "0.1")
    (doubt,) = summary["doubts"]
    assert code == 0 and doubt in said.splitlines() and summary["alignment"]["untrusted_frames"] == COUNT
    assert doubt.startswith("3 of 3 aligned images are not trusted: held-out AbsRel 0.")
