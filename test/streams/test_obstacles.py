# SPDX-License-Identifier: Apache-2.0
"""Obstacles in the robot's frame: where the camera is, what is left out, and what is said where nothing is known."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.config import DepthConfig, GroundConfig, ObstacleConfig
from mono_depth_ros.errors import ConfigError, SamplesError
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import rigid_from_text, transform_points
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.obstacles import Finding, ObstacleSource

CAMERA = Camera(64, 48, 40.0, 40.0, 31.5, 23.5)
LEVEL = "0.2 0 1 -0.5 0.5 -0.5 0.5"  # looks ahead, 1 m above the floor
UPSIDE_DOWN = "0 0 1 0.5 0.5 0.5 0.5"
STRAIGHT_DOWN = "0 0 1 -0.7071068 0.7071068 0 0"


def room(wall: float = 2.0, height: float = 1.0, **config) -> Frame:
    """A floor and a wall as a level camera sees them."""
    y = rays(CAMERA)[..., 1]
    depth = torch.where(y > 0, torch.clamp(height / y, max=wall), torch.tensor(wall))
    prediction = DepthPrediction(
        depth, DepthKind.METRIC, uncertainty=depth * torch.where(rays(CAMERA)[..., 0] > 0, 0.3, 0.01)
    )
    return Frame(torch.zeros(48, 64, 3, dtype=torch.uint8), CAMERA, prediction, DepthConfig(**config))


def header(frame_id: str = "camera", ns: int = 5) -> SimpleNamespace:
    return SimpleNamespace(frame_id=frame_id, stamp=SimpleNamespace(sec=0, nanosec=ns))


def source(transform=None, camera=(0, 1), max_pixels=0, ground=None, **options) -> ObstacleSource:
    configs = {ObstacleConfig: ObstacleConfig(**options), GroundConfig: GroundConfig(**(ground or {}))}
    return ObstacleSource(configs.get, transform, camera, max_pixels)


def fixed(pose: str = LEVEL, **options) -> ObstacleSource:
    return source(ground={"base_frame": "base", "base_from_camera": pose}, **options)


def found(of: ObstacleSource, frame: Frame | None = None, head=None):
    frame = frame or room()
    return of.placed(frame, head or header(), frame.depth.numpy())


def test_the_wall_is_ahead_of_the_robot_and_the_floor_is_free():
    placed = found(fixed())
    assert placed.frame == "base" and placed.points.dtype == np.float32
    np.testing.assert_allclose(placed.points[:, 0], 2.2, atol=0.02)
    assert placed.points[:, 2].min() > 0.05
    # Rays that clear begin at the camera: the floor is 1 m below it, in its own frame.
    assert placed.free[:, 1].max() == pytest.approx(1.0, abs=0.02) and (placed.free[:, 2] < 2.05).all()
    ahead = placed.scan.ranges[len(placed.scan.ranges) // 2]
    assert ahead == pytest.approx(2.2, abs=0.05)


def test_nothing_is_an_empty_cloud_and_not_none():
    floor = room(wall=1e3)
    placed = found(fixed(), floor)
    assert placed.points.shape == (0, 3) and len(placed.free) > 50


def test_a_camera_that_pans_is_asked_for_at_the_stamp_of_each_image():
    asked = []

    def transform(target, source_, ns):
        asked.append((target, source_, ns))
        return rigid_from_text(LEVEL if ns == 5 else "0.2 0 1 -0.7071068 0 0 0.7071068")  # looks to the left

    of = source(transform, ground={"base_frame": "/base"})
    assert found(of).points[:, 0] == pytest.approx(2.2, abs=0.05)
    left = found(of, head=header("/camera", 9))
    assert left.points[:, 1] == pytest.approx(2.0, abs=0.05)
    assert asked == [("base", "camera", 5), ("base", "/camera", 9)]


def test_a_transform_that_is_missing_is_counted_and_never_the_identity():
    missing, counted = [True], []

    def transform(*_):
        if missing[0]:
            raise SamplesError("tf2 has no transform", "transform_missing")
        return rigid_from_text(LEVEL)

    of = source(transform, ground={"base_frame": "base"})
    of.missed = lambda *why: counted.append(why)
    assert found(of) is None and found(of) is None
    assert counted == [("transform_missing", "tf2 has no transform")] * 2 and of.problem == "tf2 has no transform"
    assert of.figures()["images without obstacles"] == "2: tf2 has no transform"
    missing[0] = False
    assert found(of) is not None and of.problem == "" and of.figures()["images without obstacles"] == "2"


def test_all_topics_of_an_image_share_what_was_found():
    calls = []
    of = source(lambda *_: calls.append(1) or rigid_from_text(LEVEL), ground={"base_frame": "base"})
    frame = room()
    finding = Finding(of, frame, header())
    assert finding.placed(frame.depth.numpy()) is finding.placed(frame.depth.numpy()) and len(calls) == 1


def test_height_and_pitch_do_where_there_is_no_base_frame_but_give_no_scan():
    of = source(ground={"camera_height": 1.0, "pitch_deg": "0"})
    placed = found(of)
    assert placed.frame == "camera" and placed.scan is None
    np.testing.assert_allclose(placed.points[:, 2], 2.0, atol=0.02)  # optical frame: z ahead
    assert placed.points[:, 1].max() < 0.95
    assert of.concern(scan=False) == "" and "give base_frame" in of.concern(scan=True)


def test_pitch_looks_down_and_the_frame_below_the_camera_is_level():
    pitch = np.radians(30)
    turned = np.eye(4)
    turned[1:3, 1:3] = [[np.cos(pitch), -np.sin(pitch)], [np.sin(pitch), np.cos(pitch)]]
    of = source(ground={"camera_height": 1.0, "pitch_deg": "30"})
    level = of._level
    np.testing.assert_allclose(level[:3, :3] @ level[:3, :3].T, np.eye(3), atol=1e-12)
    # What a camera that looks down by 30 degrees sees straight ahead of it is at half its distance below it.
    ahead = transform_points(level, np.array([[0.0, 0.0, 1.0]]))[0]
    np.testing.assert_allclose(ahead, [np.cos(pitch), 0, 1 - np.sin(pitch)], atol=1e-6)


def test_what_is_too_uncertain_is_unknown():
    whole = found(fixed(), room(max_relative_error=1.0))
    part = found(fixed(), room(max_relative_error=0.1))
    assert whole.points[:, 1].min() < -1 and part.points[:, 1].min() > -0.1  # its right side is not known to 10 %
    assert np.isnan(part.scan.ranges[: len(part.scan.ranges) // 3]).all()


def test_the_robots_own_body_is_masked(tmp_path):
    mask = np.full((48, 64), 255, np.uint8)
    mask[:, 32:] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    placed = found(fixed(mask=str(tmp_path / "mask.png")))
    assert placed.points[:, 1].min() > -0.1 and placed.free[:, 0].max() < 0.1


def test_a_mask_of_another_size_is_said(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((30, 40), 255, np.uint8))
    of = fixed(mask=str(tmp_path / "mask.png"))
    assert found(of) is None
    assert "40x30" in of.problem and "64x48" in of.problem


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"no picture", "expected an image"), (b"", "empty"), ("black", "black everywhere")],
)
def test_masks_that_are_none_are_refused(tmp_path, content, words):
    path = tmp_path / "mask.png"
    if content == "black":
        cv2.imwrite(str(path), np.zeros((48, 64), np.uint8))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as error:
        fixed(mask=str(path))
    assert str(error.value).startswith(f"mask is '{path}'")


@pytest.mark.parametrize(
    ("ground", "words"),
    [
        ({"base_from_camera": LEVEL}, "expected base_frame as well"),
        ({"base_frame": "base"}, "tf2_ros is not installed: give base_from_camera"),
        ({"base_from_camera": "0 0 1", "base_frame": "base"}, "base_from_camera: the transform is '0 0 1'"),
        ({"base_from_camera": "0 0 1 0 0 0 2", "base_frame": "base"}, "base_from_camera: the quaternion"),
        ({"camera_height": 1.0, "pitch_deg": "steep"}, "pitch_deg is 'steep'"),
    ],
)
def test_what_does_not_go_together_is_refused(ground, words):
    with pytest.raises(ConfigError, match=words):
        source(ground=ground)


def test_several_cameras_have_a_part_each():
    both = f"{LEVEL}; 0 0 1 -0.7071068 0 0 0.7071068"
    first, second = (
        found(source(ground={"base_frame": "base", "base_from_camera": both}, camera=(number, 2))) for number in (0, 1)
    )
    assert first.points[:, 0] == pytest.approx(2.2, abs=0.05) and second.points[:, 1] == pytest.approx(2.0, abs=0.05)
    with pytest.raises(ConfigError, match="base_from_camera has 1 parts, expected 2"):
        source(ground={"base_frame": "base", "base_from_camera": LEVEL}, camera=(0, 2))


def test_frames_that_are_none_are_said():
    of = source(lambda *_: rigid_from_text("0 0 -0.1 -0.5 0.5 -0.5 0.5"), ground={"base_frame": "map"})
    assert found(of) is None and "-0.1 m above 'map', expected more than 0" in of.problem
    assert found(of, head=header("")) is None and "frame_id of the image is empty" in of.problem


@pytest.mark.parametrize(("pose", "words"), [(UPSIDE_DOWN, "upside down"), (STRAIGHT_DOWN, "looks down by 90 degrees")])
def test_a_camera_that_is_mounted_oddly_is_told(pose, words):
    of = fixed(pose)
    found(of)
    assert words in of.concern(scan=True)
    of = fixed()
    found(of)
    assert of.concern(scan=True) == ""


def test_without_anything_a_floor_that_is_not_seen_is_said():
    of = source()
    blank = Frame(torch.zeros(48, 64, 3), CAMERA, DepthPrediction(torch.full((48, 64), torch.nan), DepthKind.METRIC))
    assert found(of, blank) is None and "no floor is seen" in of.problem


def test_sky_is_free_though_no_uncertainty_of_it_is_known():
    depth = torch.full((48, 64), torch.inf)
    sky = DepthPrediction(depth, DepthKind.METRIC, uncertainty=torch.full_like(depth, torch.nan))
    placed = found(fixed(), Frame(torch.zeros(48, 64, 3), CAMERA, sky, DepthConfig(max_relative_error=0.1)))
    assert len(placed.free) > 50 and np.isposinf(placed.scan.ranges).any()
