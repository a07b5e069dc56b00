# SPDX-License-Identifier: Apache-2.0
"""Every reference of the alignment node in a recording: found by type, and the scale that it gives."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES, BagReader
from mono_depth_ros.config import REFERENCES as NAMES
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, DISPARITY, IMAGE, IMU, RANGE, SCAN
from mono_depth_ros.streams.references import REFERENCES
from mono_depth_ros.tools.bag.convert import Job
from mono_depth_ros.tools.bag.places import Places
from mono_depth_ros.tools.bag.references import RecordedReference

SAME = ("--no-local", "--min-samples", "20", "--occlusion-window", "0", "--bandwidth", "0")
PAIR_CAMERA = Camera(160, 120, 140.0, 140.0, 80.0, 60.0)
BASELINE_M, DISPARITY_PX = 0.2, 14  # of a wall at 2 m
FRAMES = 3


def picture(kit, stamp, pixels, encoding, frame="camera"):
    message = empty(IMAGE, kit.header(stamp, frame))
    fill_image(message, pixels, encoding)
    return message


def disparity(kit, stamp, pixels, focal_px, frame="camera"):
    make = TYPES.types
    window = make["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    image = picture(kit, stamp, pixels.astype(np.float32), "32FC1", frame)
    return make[DISPARITY](kit.header(stamp, frame), image, focal_px, BASELINE_M, window, 0.0, 128.0, 0.1)


def imu(kit, stamp, orientation=(0.0, 0.0, 0.0, 1.0), frame="imu"):
    make = TYPES.types
    zero, no = make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0), np.zeros(9)
    q = make["geometry_msgs/msg/Quaternion"](*orientation)
    return make[IMU](kit.header(stamp, frame), q, no, zero, no, make["geometry_msgs/msg/Vector3"](0.0, 0.0, 9.81), no)


@pytest.fixture
def stamps(kit):
    return [kit.BEGIN_NS + k * kit.STEP_NS for k in range(FRAMES)]


@pytest.fixture
def aligned(tmp_path, maker, use, capsys, kit):
    """Converts what the test has recorded; gives the aligned depths, the summary and what was said."""

    def aligned(*words):
        use()
        maker.write(tmp_path / "in.mcap")
        out = tmp_path / "out.mcap"
        assert kit.bag(tmp_path / "in.mcap", "--out", out, "--outputs", "depth,aligned", "--json", *SAME, *words) == 0
        printed = capsys.readouterr()
        depths = [decode_depth(message) for _, message in kit.decoded(out, "/aligned/image")]
        assert len(depths) == FRAMES, printed
        return np.array(depths), json.loads(printed.out)["alignment"], printed.err

    return aligned


def test_the_names_of_the_configuration_are_those_of_the_table():
    assert set(NAMES) - {"none"} == set(REFERENCES)


@pytest.fixture
def stereo(maker, kit, stamps):
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(0, 255, (60, 100), np.uint8), (200, 120), interpolation=cv2.INTER_CUBIC)
    wall = np.repeat(wall[..., None], 3, axis=2)
    maker.frames(FRAMES, red=10)
    for stamp in stamps:
        for side, first in (("left", 0), ("right", DISPARITY_PX)):
            pixels = np.ascontiguousarray(wall[:, first : first + 160])
            maker.add(f"/stereo/{side}/image_rect", IMAGE, stamp + 9, picture(kit, stamp, pixels, "rgb8"))
            info = info_from(PAIR_CAMERA, kit.header(stamp))
            info.p[3] = -140.0 * BASELINE_M if side == "right" else 0.0
            maker.add(f"/stereo/{side}/camera_info", CAMERA_INFO, stamp + 9, info)


@pytest.mark.parametrize(
    "topics", [(), ("--align-topic", "/stereo/left/image_rect", "--right-topic", "/stereo/right/image_rect")]
)
def test_a_stereo_pair(stereo, aligned, topics):
    words = ("--image-topic", "/camera/image_raw", "--reference", "stereo", "--stereo-downscale", "1", *topics)
    depths, summary, said = aligned(*words)
    assert summary["states"] == {"aligned": FRAMES} and summary["abs_rel_before"] == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(depths[:, 1:], 2.0, rtol=0.02)
    assert "reference: /stereo/left/image_rect (3 messages), /stereo/right/image_rect (3 messages)" in said
    assert "reference: stereo in the frame of the images, 'camera'" in said


def test_a_pair_and_nothing_else(tmp_path, maker, use, kit, capsys):
    """The left image gets depth without being named; swapped images are named as such, and nothing is aligned."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    wall = cv2.resize(noise, (400, 240), interpolation=cv2.INTER_CUBIC)
    lens = Camera(320, 240, 280.0, 280.0, 160.0, 120.0)
    for bag, sides in (("right", ("left", "right")), ("swapped", ("right", "left"))):
        pair = maker if bag == "right" else type(maker)()
        for stamp in (kit.BEGIN_NS, kit.BEGIN_NS + kit.STEP_NS):
            for side, shown in zip(("left", "right"), sides, strict=True):
                first = 2 * DISPARITY_PX if shown == "right" else 0
                pixels = np.ascontiguousarray(wall[:, first : first + 320])
                pair.add(f"/stereo/{side}/image_rect", IMAGE, stamp, picture(kit, stamp, pixels, "rgb8"))
                info = info_from(lens, kit.header(stamp))
                info.p[3] = -280.0 * BASELINE_M if side == "right" else 0.0
                pair.add(f"/stereo/{side}/camera_info", CAMERA_INFO, stamp, info)
        use()
        pair.write(tmp_path / f"{bag}.mcap")
        words = ("--out", tmp_path / f"{bag}_out.mcap", "--reference", "stereo", "--json", *SAME)
        assert kit.bag(tmp_path / f"{bag}.mcap", *words) == (bag == "swapped")
        printed = capsys.readouterr()
        summary = json.loads(printed.out)
        assert summary["image_topic"] == "/stereo/left/image_rect"
        if bag == "swapped":
            assert "left and right are swapped" in printed.err and summary["messages"]["/aligned/image"] == 0
        else:
            (depth, *_) = [decode_depth(message) for _, message in kit.decoded(words[1], "/aligned/image")]
            assert np.nanmedian(depth) == pytest.approx(2.0, rel=0.1)  # of a network that sees the noise


def test_disparity_with_the_camera_info_of_the_left_camera(maker, kit, stamps, aligned):
    maker.frames(FRAMES, red=10)
    for stamp in stamps:
        pixels = np.full((120, 160), DISPARITY_PX)
        maker.add("/stereo/disparity", DISPARITY, stamp + 9, disparity(kit, stamp, pixels, 140.0, "left"))
        maker.add("/stereo/left/camera_info", CAMERA_INFO, stamp + 9, info_from(PAIR_CAMERA, kit.header(stamp, "left")))
    maker.static(("camera", "left", (0, 0, 0.5), (0, 0, 0, 1)))
    depths, _, said = aligned("--align-topic", "/stereo/disparity")
    np.testing.assert_allclose(depths[:, 3:9, 3:12], 2.5, rtol=0.01)
    assert "'left' to 'camera' by /tf_static, 0.000 0.000 0.500 m away" in said


@pytest.mark.parametrize("registered", [True, False])
def test_depth_of_the_camera_and_of_another_one(maker, kit, stamps, aligned, registered):
    maker.frames(FRAMES, red=10)
    camera = kit.CAMERA if registered else PAIR_CAMERA
    for stamp in stamps:
        pixels = np.full((camera.height, camera.width), 2000, np.uint16)
        frame = "camera" if registered else "depth_camera"
        maker.add("/rgbd/depth", IMAGE, stamp + 9, picture(kit, stamp, pixels, "16UC1", frame))
        if not registered:
            maker.add("/rgbd/camera_info", CAMERA_INFO, stamp + 9, info_from(camera, kit.header(stamp, frame)))
    maker.static(("camera", "depth_camera", (0, 0, 0.5), (0, 0, 0, 1)))
    depths, _, said = aligned("--reference", "depth")
    np.testing.assert_allclose(depths[:, 3:9, 3:12], 2.0 if registered else 2.5, rtol=0.01)
    assert ("taken to be registered to it, pixel by pixel" in said) is registered


@pytest.mark.parametrize("kind", [SCAN, RANGE])
def test_a_scan_and_a_range_finder(maker, kit, stamps, aligned, kind):
    make = TYPES.types
    maker.frames(FRAMES, red=10)
    for stamp in stamps:
        header = kit.header(stamp, "lidar")
        if kind == SCAN:
            angles = np.linspace(-0.3, 0.3, 200)
            ranges = ((2.0 + 0.2) / np.cos(angles)).astype(np.float32)  # the lidar is 0.2 m behind the camera
            message = make[SCAN](header, -0.3, 0.3, 0.6 / 199, 0.0, 0.0, 0.1, 20.0, ranges, np.zeros(0, np.float32))
        else:
            values = dict(header=header, radiation_type=0, field_of_view=0.1, min_range=0.1, max_range=20.0, range=2.2)
            message = make[RANGE](**values, **({"variance": 0.0} if "variance" in make[RANGE].__annotations__ else {}))
        maker.add("/sensor", kind, stamp + 9, message)
    maker.static(*kit.CHAIN)
    depths, summary, _ = aligned("--align-topic", "/sensor", "--min-samples", "5")
    np.testing.assert_allclose(depths[:, 1:], 2.0, rtol=0.01)
    assert (summary["held_out_samples"] == 0) is (kind == RANGE), "one sample is fitted, none is held out"


HEIGHT_M, PITCH_DEG = 1.2, 10.0
FLOOR_CAMERA = Camera(80, 60, 70.0, 70.0, 40.0, 30.0)
_C, _S = math.cos(math.radians(PITCH_DEG)), math.sin(math.radians(PITCH_DEG))
# Of a camera that looks along x of its base, pitched down; z of the base is up.
BASE_FROM_CAM = np.array([[0, -_S, _C], [-1, 0, 0], [0, -_C, -_S]])


@pytest.fixture
def floor(maker, kit, stamps):
    """Images whose depth is 0.6 times that of a floor; a wall is far behind it."""
    rows = np.arange(60, dtype=np.float32)[:, None]
    slope = np.broadcast_to(_C * (rows - 30) / 70 + _S, (60, 80))
    truth = np.where(slope > 0.1, HEIGHT_M / np.maximum(slope, 0.1), 20.0)
    rgb = np.full((60, 80, 3), 9, np.uint8)
    rgb[..., 0] = np.rint(0.6 * truth * 10)
    for stamp in stamps:
        maker.add("/camera/image_raw", IMAGE, stamp, picture(kit, stamp, rgb, "rgb8"))
        maker.add("/camera/camera_info", CAMERA_INFO, stamp, info_from(FLOOR_CAMERA, kit.header(stamp)))
        maker.add("/imu", IMU, stamp, imu(kit, stamp))
    camera = ("base_footprint", "camera", (0.3, 0, HEIGHT_M), quaternion(BASE_FROM_CAM))
    maker.static(camera, ("base_footprint", "imu", (0, 0, 0.1), (0, 0, 0, 1)))
    return truth, slope > 0.15


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--camera-height", "1.2"), "reference: ground"),
        (("--camera-height", "1.2", "--pitch-deg", "10"), "camera above the floor: 1.2 m, as given"),
        (("--base-frame", "base_footprint"), "camera above 'base_footprint': by /tf_static, 0.300 0.000 1.200 m"),
        (("--camera-height", "1.2", "--imu-topic", "imu"), "reference to camera: 'imu' to 'camera' by /tf_static"),
    ],
)
def test_the_floor(floor, aligned, words, said):
    truth, near = floor
    depths, summary, printed = aligned("--reference", "ground", *words)
    assert said in printed and summary["states"] == {"aligned": FRAMES}
    assert np.median(depths[:, near] / truth[near]) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"align_topic": "/camera/camera_info"}, "--align-topic is /camera/camera_info, a .*, expected sensor_msgs"),
        ({"outputs": "aligned"}, "holds no PointCloud2 topics to align with; name one with --align-topic"),
        ({"reference": "scan"}, "holds no LaserScan topics to align with"),
        ({"reference": "depth"}, "holds no Image topics to align with"),
        ({"reference": "stereo"}, "holds no left images with a right one; name one with --align-topic"),
        ({"reference": "lidar", "align_topic": "/camera/image_raw"}, "expected sensor_msgs/msg/PointCloud2"),
        ({"reference": "stereo", "align_topic": "/camera/image_raw"}, "give the right image with --right-topic"),
        ({"reference": "ground", "imu_topic": "/gyro"}, "--imu-topic is /gyro, which .* does not hold"),
    ],
)
def test_what_the_recording_does_not_hold(tmp_path, maker, options, words):
    maker.frames(2).write(tmp_path / "in.mcap")
    with BagReader(tmp_path / "in.mcap") as reader, pytest.raises(DataError, match=words):
        opened(reader, BagConfig(**options))


def test_the_floor_needs_a_height(tmp_path, maker):
    maker.frames(2).write(tmp_path / "in.mcap")
    with BagReader(tmp_path / "in.mcap") as reader, pytest.raises(ConfigError, match="give camera_height in metres"):
        opened(reader, BagConfig(reference="ground"))


def opened(reader, config):
    job = Job(reader.path, reader.path, config)
    return RecordedReference(reader, config, job.alignment, Places(reader, "/camera/image_raw"))
