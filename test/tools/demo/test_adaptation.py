# SPDX-License-Identifier: Apache-2.0
"""`mono_depth demo --adapt`: what it judges by, what it says, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.config import DemoConfig, RecorderConfig, WorldNodeConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.demo import adaptation, command
from mono_depth_ros.tools.demo.adaptation import Adaptation
from mono_depth_ros.tools.demo.session import Session, replace_results
from mono_depth_ros.training.adapt.judge import gain, judge

WORLD = WorldNodeConfig(width=64, height=48, seed=3)
SUMMARY = {
    "before": {"abs_rel": 0.2, "rmse_m": 0.5, "delta1": 0.7},
    "after": {"abs_rel": 0.1, "rmse_m": 0.3, "delta1": 0.9},
    "gain": {"mean": 0.1, "low": 0.05, "high": 0.15, "blocks": 5, "sure": True},
    "synthetic": {},
    "frames": {"training": 200, "validation": 20, "test": 50},
    "training": {"minutes": 1.0},
}


class Scaled:
    """Gives the true depth of the examples in their order, times a factor."""

    def __init__(self, examples, factor):
        self._depths = iter([example.dense for example in examples])
        self._factor = factor

    def predict(self, rgb, cameras):
        return [DepthPrediction(torch.from_numpy(self._factor * next(self._depths)), DepthKind.METRIC)]


@pytest.fixture(scope="module")
def views():
    return list(adaptation.unseen(WORLD))


@pytest.fixture(scope="module")
def found(views):
    judged = list(judge(Scaled(views, 1.3), Scaled(views, 1.1), views))
    return Adaptation(SUMMARY, judged, gain(judged))


def test_unseen_views_are_of_other_worlds_of_the_kind_and_of_the_same_camera(views):
    assert len(views) == 32 and len({view.name.split(",")[0] for view in views}) == 8
    assert "room 3," not in " ".join(view.name for view in views)
    for view in views:
        assert (view.camera.width, view.camera.height) == (64, 48) and view.dense.shape == (48, 64)
    assert not np.array_equal(views[0].dense, views[4].dense)


def test_the_gain_in_unseen_worlds_is_measured(found):
    as_json = found.as_json()
    unseen = as_json["unseen"]
    assert unseen["views"] == 32 and unseen["gain"]["sure"]
    assert unseen["before"]["abs_rel"] == pytest.approx(0.3, abs=1e-3)
    assert unseen["after"]["abs_rel"] == pytest.approx(0.1, abs=1e-3)
    assert as_json["drive"]["frames"]["training"] == 200


def test_the_page_shows_both_and_the_pictures(found):
    page = found.html()
    assert "200 frames of this drive" in page and "falls by 0.2000" in page and ": more than chance" in page
    assert page.count("<article") == 3 and page.count("<img") == 18
    assert 'href="adapted/report.html"' in page


def test_no_sure_gain_is_said_and_nothing_is_judged():
    none = Adaptation(SUMMARY | {"gain": SUMMARY["gain"] | {"sure": False}}, [], None)
    assert none.as_json()["unseen"] is None
    page = none.html()
    assert "no gain that is more than chance" in page and "<article" not in page


def test_a_model_that_is_worse_elsewhere_says_so(views):
    judged = list(judge(Scaled(views, 1.1), Scaled(views, 1.3), views))
    page = Adaptation(SUMMARY, judged, gain(judged)).html()
    assert (
        "rises by 0.2000" in page
        and "others worse" in page
        and depth_metrics(judged[0].after, judged[0].truth).abs_rel > 0.29
    )


@pytest.mark.parametrize(
    "config", [DemoConfig(adapt=True, source="photos"), DemoConfig(adapt=True, alignment="motion")]
)
def test_without_a_lidar_it_is_refused(config, tmp_path):
    pytest.importorskip("rclpy")
    with pytest.raises(ConfigError, match="--adapt learns by the lidar"):
        Session(config, WORLD, RecorderConfig()).run(tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "seconds"),
    [([], 10.0), (["--adapt"], 30.0), (["--adapt", "--duration", "12"], 12.0), (["--duration", "7"], 7.0)],
)
def test_the_recording_is_longer_where_something_is_learned(words, seconds, monkeypatch, tmp_path):
    from mono_depth_ros.tools.cli import main

    asked = []

    class Stub:
        def __init__(self, config, world, recorder, *rest):
            asked.append((config.adapt, recorder.duration))

        def run(self, out):
            raise ConfigError("enough")

    monkeypatch.setattr("mono_depth_ros.tools.demo.session.Session", Stub)
    assert main(["demo", "--out", str(tmp_path / "out"), *words]) != 0
    assert asked == [("--adapt" in words, seconds)]
    assert command.ADAPT_DURATION == 30.0


def test_the_adapted_model_of_another_run_gives_way(tmp_path):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    for folder, text in ((out, "old"), (fresh, "new")):
        (folder / "adapted").mkdir(parents=True)
        (folder / "adapted" / f"{text}.txt").write_text(text)
        (folder / "summary.json").write_text(text)
    replace_results(out, fresh)
    assert [file.name for file in (out / "adapted").iterdir()] == ["new.txt"]
    assert (out / "summary.json").read_text() == "new"
