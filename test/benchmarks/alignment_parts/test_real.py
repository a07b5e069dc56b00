# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from alignment_parts import patterns, real, scenes
from alignment_parts.scenes import Scene
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.geometry.camera import Camera

KEYS = {"name", "measured", "asked", "unit", "holds"}
CAMERA = Camera(160, 120, 130.0, 130.0, 79.5, 59.5)


@pytest.fixture
def scene() -> Scene:
    """A floor 1.5 m below the camera, walls at 4 m and to the left at 2 m."""
    v, u = np.mgrid[:120, :160]
    floor = 1.5 * CAMERA.fy / np.maximum(v - CAMERA.cy, 1e-3)
    wall = np.where(u < 60, 2.0, 4.0)
    rgb = np.zeros((120, 160, 3), dtype=np.uint8)
    return Scene(rgb, CAMERA, np.where(v > CAMERA.cy, np.minimum(floor, wall), wall).astype(np.float32))


@pytest.mark.parametrize("name", ["50 points", "500 points", "left third", "16-beam pattern", "scan line"])
def test_what_is_given_is_the_truth_where_the_pattern_says(scene: Scene, name: str) -> None:
    given = patterns.PATTERNS[name](scene, np.random.default_rng(0))
    assert np.allclose(given.depth, scene.truth[given.rows, given.columns], rtol=1e-5)
    lines = len(np.unique(given.rows))
    if name == "left third":
        assert given.columns.max() < 160 // 3 and len(given) == 500
    elif name == "scan line":
        assert lines == 1 and len(given) > 100
    elif name == "16-beam pattern":
        assert len(given) > 500 and lines < 70, "level lines, bent a little"
    else:
        assert len(given) == int(name.split()[0])


def test_beams_are_whole_and_every_nth(scene: Scene) -> None:
    beams = np.repeat(np.arange(64), 40)
    z = np.full(len(beams), 3.0)
    points = np.stack((np.tile(np.linspace(-1, 1, 40), 64), np.repeat(np.linspace(-1, 1, 64), 40), z), axis=1)
    lidar = Scene(scene.rgb, CAMERA, scene.truth, points.astype(np.float32), beams, np.eye(4))
    given = patterns.beams(8)(lidar, np.random.default_rng(0))
    assert len(np.unique(given.rows)) == 8 and np.diff(np.unique(given.rows)).min() > 8


def test_kitti_file_order_gives_beams() -> None:
    azimuth = np.tile(np.linspace(0.01, 6.27, 100), 3)
    cloud = np.stack((np.cos(azimuth), np.sin(azimuth), np.zeros(300)), axis=1).astype(np.float32)
    assert np.array_equal(scenes.kitti_beams(cloud), np.repeat([0, 1, 2], 100))


def test_outliers_are_as_many_as_said_and_a_cluster_lies_together(scene: Scene) -> None:
    given = patterns.PATTERNS["500 points"](scene, np.random.default_rng(0))
    for cluster in (False, True):
        wrong = patterns.with_outliers(given, 0.3, cluster, np.random.default_rng(1))
        changed = wrong.depth != given.depth
        assert changed.sum() == 150
        spread = np.hypot(given.rows[changed].std(), given.columns[changed].std())
        assert (spread < 40) == cluster


def test_a_good_prior_is_near_the_truth_and_smooth(scene: Scene) -> None:
    found = scenes.good_prior(scene, 0)
    error = np.abs(found / scene.truth - 1)
    assert 0.02 < np.median(error) < 0.15 and (error < 0.16).mean() > 0.9


def test_every_judged_pixel_counts_and_unknown_ones_are_far(scene: Scene) -> None:
    line = real.Judged("x", "tiny", "500 points")
    assert line.add("ours", np.float32([np.inf, 2.0]), np.float32([2.0, 2.0])) == pytest.approx(24.5)
    assert line.plain()["abs_rel"]["ours"] == pytest.approx(24.5)


@pytest.mark.parametrize(("error", "printed", "held"), [(0.0509, 0.05, [True, True, True]), (0.06, 0.01, [False] * 3)])
def test_what_is_asked(error: float, printed: float, held: list[bool]) -> None:
    line = real.Judged("x", "tiny", "500 points", true=[error], printed=[printed])
    truth = np.full(100, 2.0, dtype=np.float32)
    for method, off in (("nearest", 0.07), ("linear", 0.05), ("linear 1/d", 0.06), ("ratio", 0.01), ("ours", error)):
        line.add(method, truth * np.float32(1 + off), truth)
    found = real.rows([line])
    assert [row["holds"] for row in found] == held and all(set(row) == KEYS for row in found)


def test_real_frames(real_data) -> None:
    """One frame of NYUv2: as table and as rows; corrected, it is better than what no image helps."""
    judged = list(real.lines(real_data, ["nyu_depth"], ["500 points"], frames=1))
    kinds = ("500 points", *(f"500 points, {kind}" for kind in real.SPOILT))
    assert [(line.prior, line.pattern) for line in judged] == [(p, kind) for p in real.PRIORS for kind in kinds]
    errors = judged[0].plain()["abs_rel"]
    assert 0.02 < errors["linear 1/d"] <= errors["nearest"] < 0.06 and errors["ours"] < 0.3 * errors["global"]
    assert judged[4].plain()["abs_rel"]["ours"] < 0.7 * errors["linear 1/d"], "a good prior"
    assert len(real.rows(judged)) > 8


def test_lidar_frames_are_read_with_their_calibration(real_data) -> None:
    if not (real_data / "kitti_lidar").is_dir():
        pytest.skip(f"no kitti_lidar in {real_data}")
    found = list(scenes.READERS["kitti_lidar"](real_data / "kitti_lidar"))
    assert len(found) == 2
    for scene in found:
        assert scene.beams is not None and len(np.unique(scene.beams)) == 64
        rows, columns = np.nonzero(np.isfinite(scene.truth))
        road = (rows > 340) & (abs(columns - scene.camera.cx) < 60)
        height = scene.truth[rows, columns][road] * (rows[road] - scene.camera.cy) / scene.camera.fy
        assert 15_000 < len(rows) < 25_000
        assert np.median(height) == pytest.approx(1.6, abs=0.15), "1.65 m above a road that need not be level"


def test_no_data_no_lines(tmp_path) -> None:
    assert not list(real.lines(None)) and not list(real.lines(tmp_path))


def test_time_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    from alignment_parts import timing

    monkeypatch.setattr(timing, "REPEATS", 1)
    assert [set(row) for row in timing.rows()] == [KEYS, KEYS]


def test_samples_stay_samples() -> None:
    given = Samples(np.arange(9), np.arange(9), np.full(9, 2.0, dtype=np.float32), (10, 10))
    assert patterns._drawn(given, 20, np.random.default_rng(0)).depth.size == 9
