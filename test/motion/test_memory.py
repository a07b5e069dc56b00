# SPDX-License-Identifier: Apache-2.0
"""Predictions whose scale jumps from image to image, before a textured plane: the memory holds one."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import rigid_from_pose
from mono_depth_ros.motion.memory import DepthMemory
from mono_depth_ros.prediction import DepthKind, DepthPrediction

CAMERA = Camera(320, 240, 260.0, 260.0, 160.0, 120.0)
BENT = Camera(320, 240, 260.0, 260.0, 160.0, 120.0, "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))
NORMAL, DISTANCE = np.array([0.3, 0.1, 0.95]), 2.0  # the plane n . p = d in the world
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (1200, 1600), dtype=np.uint8), (0, 0), 3)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
PERIOD_NS = 100_000_000
JUMPS = np.exp(0.2 * np.random.default_rng(2).standard_normal(100))


def pose(x: float, turn: float = 0.0) -> np.ndarray:
    return rigid_from_pose([x, 0.2 * x, 0.0], [0.0, np.sin(turn / 2), 0.0, np.cos(turn / 2)])


def picture(world_from_camera: np.ndarray, camera: Camera = CAMERA) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 picture of the plane, and its depth in metres."""
    grid = rays(camera).numpy().astype(np.float64)
    way = np.concatenate((grid, np.ones((*grid.shape[:2], 1))), axis=-1) @ world_from_camera[:3, :3].T
    depth = (DISTANCE - NORMAL @ world_from_camera[:3, 3]) / (way @ NORMAL)
    points = way * depth[..., None] + world_from_camera[:3, 3]
    place = (points[..., :2] * 250 + (800, 600)).astype(np.float32)
    return cv2.remap(TEXTURE, place[..., 0], place[..., 1], cv2.INTER_LINEAR), depth


class Run:
    """A memory, and images with predictions that are off by JUMPS; `scales` are ln of its depths by the true ones."""

    def __init__(self, kind: DepthKind = DepthKind.METRIC, camera: Camera = CAMERA, shift: float = 0.2) -> None:
        self.shift = shift
        self.memory, self.kind, self.camera, self.scales = DepthMemory(), kind, camera, []

    def image(self, index, true, gray=None, known=None, jump=None) -> Samples | SamplesError:
        seen, depth = picture(true, self.camera)
        jump = JUMPS[index] if jump is None else jump
        values = {
            DepthKind.INVERSE_AFFINE: jump / depth + jump * 0.3,
            DepthKind.AFFINE: jump * (depth - self.shift) / 4,
        }.get(self.kind, depth * jump)
        prediction = DepthPrediction(torch.from_numpy(values.astype(np.float32)), self.kind)
        gray = seen if gray is None else gray
        known = None if known is None else samples_from_depth(depth * known).thinned(400)
        try:
            found = self.memory.update(gray, self.camera, prediction, index * PERIOD_NS, known)
        except SamplesError as error:
            return error
        self.scales.append(float(np.median(np.log(found.depth / depth[found.rows, found.columns]))))
        return found

    def drive(self, images, pose_of=lambda i: pose(0.03 * i, 0.01 * i), begin=0, **more):
        return [self.image(i, pose_of(i), **more) for i in range(begin, begin + images)][-1]


@pytest.mark.parametrize("camera", [CAMERA, BENT])
def test_one_scale_is_held(camera) -> None:
    run = Run(camera=camera)
    found = run.drive(20)
    steps, raw = np.abs(np.diff(run.scales)), np.abs(np.diff(np.log(JUMPS[:20])))
    assert np.median(steps) < 0.2 * np.median(raw) and max(steps) < 0.05
    assert len(found) > 300 and len(np.unique(found.pixels)) == len(found)
    true = picture(pose(0.57, 0.19), camera)[1][found.rows, found.columns]
    assert np.std(np.log(found.depth / true)) < 0.03


@pytest.mark.parametrize("kind", [DepthKind.INVERSE_AFFINE, DepthKind.SCALE])
def test_scale_and_shift_of_a_relative_model_are_held(kind: DepthKind) -> None:
    run = Run(kind)
    run.drive(20)
    assert np.abs(np.diff(run.scales)).max() < 0.03


@pytest.mark.parametrize("shift", [0.2, 2.0], ids=["near to none", "0 is amid the plane"])
def test_a_wrong_first_shift_of_depth_is_found_out_and_then_held(shift: float) -> None:
    """It bends the plane, which no way of the camera explains: the first images put it right."""
    run = Run(DepthKind.AFFINE, shift=shift)
    run.drive(20)
    assert len(run.scales) == 20 and np.abs(np.diff(run.scales[4:])).max() < 0.05


@pytest.mark.parametrize("pose_of", [lambda i: pose(0.0), lambda i: pose(0.0, 0.02 * i)], ids=["stands", "turns"])
def test_a_camera_that_stands_or_turns_keeps_the_scale_too(pose_of) -> None:
    run = Run()
    run.drive(15, pose_of)
    assert len(run.scales) == 15 and np.abs(np.diff(run.scales)).max() < 0.05


def test_the_mean_scale_becomes_that_of_the_network() -> None:
    """The first image is off by half; all later ones are right."""
    run = Run()
    run.image(0, pose(0.0), jump=1.5)
    for i in range(1, 90):
        run.image(i, pose(0.05 * np.sin(0.2 * i)), jump=JUMPS[i])
    assert run.scales[0] == pytest.approx(np.log(1.5), abs=0.01)
    assert abs(np.mean(run.scales) - np.mean(np.log([1.5, *JUMPS[1:90]]))) < 0.05


def test_what_moves_by_itself_does_not_carry_the_camera_away() -> None:
    run = Run()
    for i in range(15):
        gray, _ = picture(pose(0.03 * i))
        gray[60:180, 160:280] = TEXTURE[300 + 3 * i : 420 + 3 * i, 400:520]
        run.image(i, pose(0.03 * i), gray)
    assert len(run.scales) == 15 and np.abs(np.diff(run.scales)).max() < 0.05


@pytest.mark.parametrize(
    ("index", "x", "camera", "reason"),
    [
        (10, 2.5, CAMERA, "memory_(lost|moving)"),
        (90, 0.3, CAMERA, "memory_gap"),
        (3, 0.3, CAMERA, "memory_gap"),
        (10, 0.3, Camera(320, 240, 250.0, 250.0, 160.0, 120.0), "memory_camera"),
    ],
    ids=["cut", "gap", "back", "camera"],
)
def test_it_begins_anew_with_the_scale_so_far(index, x, camera, reason) -> None:
    run = Run()
    run.drive(10, lambda i: pose(0.03 * i), jump=1.3)
    run.camera = camera
    found = run.image(index, pose(x), jump=1.3)
    assert isinstance(found, SamplesError) and "the memory begins anew with the scale so far" in str(found)
    assert re.fullmatch(reason, found.reason)
    run.image(index + 1, pose(x), jump=1.0)
    assert run.scales[-1] == pytest.approx(np.log(1.3), abs=0.03)


def test_a_lens_cap_gives_a_sentence_and_the_memory_goes_on_after_it() -> None:
    run = Run()
    run.drive(8, jump=1.3)
    for i in (8, 9, 10):
        found = run.image(i, pose(0.24), np.zeros((240, 320), np.uint8), jump=1.3)
        assert isinstance(found, SamplesError) and "corners" in str(found)
    assert isinstance(run.image(11, pose(0.24), jump=1.3), Samples)
    assert run.scales[-1] == pytest.approx(np.log(1.3), abs=0.03)


def test_it_takes_on_metres_that_others_know_and_holds_them() -> None:
    run = Run()
    run.drive(5)
    run.drive(10, begin=5, known=1.0)
    assert not abs(run.scales[-1]) > 0.03 and run.memory.taught
    run.drive(20, lambda i: pose(0.03 * 15), begin=15)
    assert max(np.abs(run.scales[-20:])) < 0.05


@pytest.mark.parametrize("kind", [DepthKind.METRIC, DepthKind.INVERSE_AFFINE])
def test_another_process_goes_on_without_any_difference(kind) -> None:
    run, other = Run(kind, BENT), Run(kind, BENT)
    run.drive(8)
    other.memory.restore(json.loads(json.dumps(run.memory.state())))
    for i in range(8, 11):
        a, b = (one.image(i, pose(0.03 * i, 0.01 * i)) for one in (run, other))
        assert isinstance(a, Samples) and isinstance(b, Samples)
        for name in ("rows", "columns", "depth"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name
