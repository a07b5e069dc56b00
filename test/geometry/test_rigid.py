# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.rigid import (
    compose,
    inverse,
    quaternion,
    rigid_from_matrix,
    rigid_from_pose,
    rigid_from_text,
    transform_points,
)

HALF = math.sqrt(0.5)
# REP 103: the optical frame sees x right, y down, z forward; a body frame x forward, y left, z up.
OPTICAL_FROM_BODY = [[0, -1, 0, 0.1], [0, 0, -1, -0.2], [1, 0, 0, 0.3], [0, 0, 0, 1]]


def test_a_quarter_turn_about_z_takes_x_to_y():
    b_from_a = rigid_from_text(f"1 2 3 0 0 {HALF} {HALF}")
    np.testing.assert_allclose(
        transform_points(b_from_a, np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])),
        [[1, 3, 3], [0, 2, 3], [1, 2, 4]],
        atol=1e-6,
    )


def test_the_quaternion_of_rep_103_is_its_matrix():
    found = rigid_from_text("0.1, -0.2, 0.3, 0.5, -0.5, 0.5, 0.5")
    np.testing.assert_allclose(found, OPTICAL_FROM_BODY, atol=1e-12)
    assert found.dtype == np.float64


@pytest.mark.parametrize("rows", [3, 4])
def test_a_matrix_may_be_written_row_by_row(rows):
    text = "\n".join(" ".join(map(str, row)) for row in OPTICAL_FROM_BODY[:rows])
    np.testing.assert_array_equal(rigid_from_text(text), OPTICAL_FROM_BODY)


def test_a_quaternion_with_few_decimals_gives_an_exact_rotation():
    found = rigid_from_text("0 0 0 0.7071 0 0 0.7071")[:3, :3]
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-15)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found 0 numbers"),
        ("1 2 3 0 0 1", "found 6 numbers, expected 'x y z qx qy qz qw'"),
        ("1 2 3 0 0 0 one", "could not convert string to float: 'one'"),
        ("1 2 nan 0 0 0 1", "1 2 nan 0 0 0 1, expected finite"),
        ("1 2 3 0 0 inf 1", "expected finite"),
        ("1 2 3 0 0 0 0", "length 0, expected 1"),
        ("1 2 3 0.5 0.5 0.5 0.51", "length 1.005, expected 1"),
        ("1 2 3 90 0 90 0", "length 127.3, expected 1"),
        ("1 0 0 0 0 2 0 0 0 0 1 0", "rows have lengths 1 2 1"),
        ("1 0 0 0 0 1 0 0 0 0 -1 0", "determinant is -1, which mirrors"),
        ("0 0 0 0 0 0 0 0 0 0 0 0", "not a rotation"),
        ("1 0.01 0 0 0 1 0 0 0 0 1 0", "R R^T is off by 0.01"),
        ("1 0 0 0 0 1 0 0 0 0 1 0 0 0 1 1", "last row of the transform is 0 0 1 1, expected 0 0 0 1"),
        ("1 0 0 nan 0 1 0 0 0 0 1 0", "not finite"),
    ],
)
def test_what_is_no_transform_is_refused_with_what_was_found(text, words):
    with pytest.raises(ConfigError) as error:
        rigid_from_text(text)
    assert words in str(error.value)


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(ConfigError, match=r"shape \(3, 3\), expected 3x4 or 4x4"):
        rigid_from_matrix(np.eye(3))
    with pytest.raises(ConfigError, match=r"shapes \(2,\) and \(4,\)"):
        rigid_from_pose([0, 0], [0, 0, 0, 1])


def test_a_calibration_with_seven_digits_becomes_an_exact_rotation():
    """The rotations of KITTI are off by 1e-7; so are many others written as text."""
    rough = np.array([[0.9999128, 0.01009263, -0.008511932], [-0.01012729, 0.9999406, -0.004037671]])
    rough = np.vstack([rough, [0.008470675, 0.004123522, 0.9999556]])
    found = rigid_from_matrix(np.hstack([rough, [[1], [2], [3]]]))
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(found[:3, :3], rough, atol=1e-6)
    np.testing.assert_array_equal(found[:, 3], [1, 2, 3, 1])


def test_names_that_meet_cancel():
    a_from_b, b_from_c = rigid_from_text("1 2 3 0.5 0.5 0.5 0.5"), rigid_from_text("-4 0 1 0 0 0.6 0.8")
    np.testing.assert_allclose(compose(a_from_b, inverse(a_from_b)), np.eye(4), atol=1e-12)
    point = np.array([[3.0, -2.0, 5.0]])
    np.testing.assert_allclose(
        transform_points(compose(a_from_b, b_from_c), point),
        transform_points(a_from_b, transform_points(b_from_c, point)),
        atol=1e-5,
    )
    np.testing.assert_array_equal(compose(), np.eye(4))


def test_points_that_are_not_finite_stay_so_and_do_not_spread():
    points = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [1, 1, 1]], dtype=np.float32)
    found = transform_points(np.eye(4), points)
    assert np.isnan(found[0]).any() and not np.isfinite(found[1]).all()
    np.testing.assert_array_equal(found[2], [1, 1, 1])
    assert found.dtype == np.float32 and found.shape == (3, 3)
    assert transform_points(np.eye(4), np.empty((0, 3))).shape == (0, 3)


def test_known_quaternions():
    assert quaternion(np.eye(3)) == (0.0, 0.0, 0.0, 1.0)
    half = np.sqrt(0.5)
    quarter_turn_left = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert quaternion(quarter_turn_left) == pytest.approx((0, 0, half, half))


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -2, 0.5), (-1, -1, -1)])
@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, 1.6, 3.0, np.pi])
def test_a_quaternion_gives_its_rotation_back(axis, angle):
    rotation, _ = cv2.Rodrigues(angle * np.array(axis, float) / np.linalg.norm(axis))
    q = quaternion(rotation)
    assert np.linalg.norm(q) == pytest.approx(1.0) and q[3] >= 0
    np.testing.assert_allclose(rigid_from_pose((0, 0, 0), q)[:3, :3], rotation, atol=1e-9)
