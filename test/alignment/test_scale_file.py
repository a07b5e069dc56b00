# SPDX-License-Identifier: Apache-2.0
"""Scale and shift in a file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mono_depth_ros.alignment.result import Curve, Fit
from mono_depth_ros.alignment.scale_file import SavedScale, read_scale, write_scale
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.prediction import DepthKind

FIT = Fit(Curve.INVERSE, 0.0123, -0.004, np.array([[1e-8, -2e-9], [-2e-9, 1e-6]]), 0.9, 100, 0.01)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "calibration.yaml"
    write_scale(path, SavedScale(FIT, 0.06, "depth_anything_v2_small", DepthKind.INVERSE_AFFINE, 7))
    found = read_scale(path)
    assert (found.fit.curve, found.fit.scale, found.fit.shift) == (Curve.INVERSE, 0.0123, -0.004)
    np.testing.assert_array_equal(found.fit.covariance, FIT.covariance)
    assert (found.held_out_abs_rel, found.model) == (0.06, "depth_anything_v2_small")
    assert (found.kind, found.stamp_ns, found.fit.count) == (DepthKind.INVERSE_AFFINE, 7, 100)


def test_where_an_inverse_curve_of_metric_depth_ends_is_written_and_read(tmp_path):
    path = tmp_path / "calibration.yaml"
    write_scale(path, SavedScale(replace(FIT, far=7.5), kind=DepthKind.METRIC), "new")
    path.write_text(path.read_text() + "  old: {curve: inverse, scale: 0.9, shift: 0.01}\n")
    assert read_scale(path, "new").fit.far == 7.5 and read_scale(path, "old").fit.far == np.inf
    write_scale(path, SavedScale(FIT), "relative")
    assert "far" not in path.read_text().partition("relative")[2]


def test_scenes_stand_beside_each_other(tmp_path):
    path = tmp_path / "calibration.yaml"
    write_scale(path, SavedScale(FIT), "hall")
    path.write_text(path.read_text() + "  yard: {curve: scale, scale: 2, shift: 0}\n")
    write_scale(path, SavedScale(FIT), "cellar")
    assert read_scale(path, "yard").fit.scale == 2.0 and read_scale(path, "hall").fit.scale == 0.0123
    with pytest.raises(ConfigError, match="no scene 'attic', it has: hall, yard, cellar"):
        read_scale(path, "attic")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected the key 'scenes'"),
        ("scenes: {default: {curve: scale, scale: 2}}", "has no shift"),
        ("scenes: {default: {curve: scale, sclae: 2, scale: 2, shift: 0}}", "unknown key 'sclae'"),
        ("scenes: {default: {curve: scale, scale: -2, shift: 0}}", "scale in scene .* is -2"),
        ("scenes: {default: {curve: scale, scale: many, shift: 0}}", "is 'many', expected a finite number"),
        ("scenes: {default: {curve: scale, scale: 1" + "0" * 390 + ", shift: 0}}", "expected a finite number"),
        ("scenes: {default: {curve: cubic, scale: 2, shift: 0}}", "expected one of: inverse, log, scale, affine"),
        ("scenes: {default: {curve: scale, scale: 2, shift: 0, covariance: [1, 2]}}", "covariance in"),
        ("scenes: {default: {curve: scale, scale: 2, shift: 0, kind: log}}", "one of: metric, inverse_affine"),
        ("scenes: {default: {curve: scale, scale: 2, shift: 0, count: 1.5}}", "is 1.5, expected a whole number"),
        ("scenes: {default: {curve: inverse, scale: 2, shift: 0, far: 0}}", "far in .* is 0, expected more than 0"),
        ("scenes: {default: {curve: scale, scale: 2, shift: 0, stamp_ns: now}}", "stamp_ns in .* is 'now'"),
        ("scenes: {default: 2}", "is 2, expected the keys"),
        ("scenes: [", "is no YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, words):
    path = tmp_path / "calibration.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_scale(path)


def test_a_file_that_is_something_else_is_not_written_over(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text("image_width: 640\n")
    with pytest.raises(ConfigError, match="not of scale and shift"):
        write_scale(path, SavedScale(FIT))
    assert path.read_text() == "image_width: 640\n"


def test_a_curve_of_metric_depth_is_not_for_relative_predictions():
    metric = SavedScale(Fit(Curve.SCALE, 2.0, 0.0, np.zeros((2, 2)), 1.0, 100, 0.0))
    metric.check(DepthKind.METRIC)
    with pytest.raises(ConfigError, match="expected inverse"):
        metric.check(DepthKind.INVERSE_AFFINE)


def test_a_scale_of_another_kind_or_model_is_refused():
    relative = SavedScale(FIT, model="one", kind=DepthKind.INVERSE_AFFINE)
    relative.check(DepthKind.INVERSE_AFFINE, "one")
    relative.check(DepthKind.INVERSE_AFFINE)
    with pytest.raises(ConfigError, match="of inverse_affine depth, expected metric"):
        relative.check(DepthKind.METRIC)
    with pytest.raises(ConfigError, match="of the model one, expected two"):
        relative.check(DepthKind.INVERSE_AFFINE, "two")


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "calibration.yaml"
    write_scale(path, SavedScale(FIT))
    before = path.read_bytes()
    monkeypatch.setattr("yaml.safe_dump", lambda *_, **__: "\ud800")  # no UTF-8: fails in the midst of writing
    with pytest.raises(UnicodeEncodeError):
        write_scale(path, SavedScale(FIT), "hall")
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["calibration.yaml"]
