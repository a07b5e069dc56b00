# SPDX-License-Identifier: Apache-2.0
"""`mono_depth eval` with stand-in networks whose answer is known: depth = red / 10 m, times a factor."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.config import EvalConfig, ModelConfig
from mono_depth_ros.datasets import READERS
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main
from mono_depth_ros.tools.eval import run

WIDTH, HEIGHT = 32, 24


class RedModel:
    device = torch.device("cpu")
    engine = "none"

    def __init__(self, factor=1.0, kind=DepthKind.METRIC, needs_camera=False):
        self.spec = ModelSpec("red", "test", kind, "none", needs_camera=needs_camera)
        self.factor, self.batches = factor, []

    def predict(self, rgb, cameras):
        self.batches.append(len(rgb))
        return [DepthPrediction(image[..., 0].float() / 10 * self.factor, self.spec.kind) for image in rgb]


@pytest.fixture
def models(monkeypatch):
    """Names to models; to be filled."""
    known = {"red": RedModel(), "twice": RedModel(2.0), "relative": RedModel(3.0, DepthKind.INVERSE_AFFINE)}

    def load(config):
        if config.model not in known:
            raise ModelError(f"no model {config.model}")
        return known[config.model]

    monkeypatch.setattr("mono_depth_ros.tools.eval.run.load_model", load)
    return known


@pytest.fixture
def folder(tmp_path):
    """Three images, red 20, 30 and 40, of which the truth is 2, 3 and 5 m, in the upper half only."""
    place = tmp_path / "data"
    (place / "rgb").mkdir(parents=True)
    (place / "depth").mkdir()
    for name, red, metres in (("a", 20, 2.0), ("b", 30, 3.0), ("c", 40, 5.0)):
        bgr = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        bgr[..., 2] = red
        assert cv2.imwrite(str(place / f"rgb/{name}.png"), bgr)
        truth = np.zeros((HEIGHT, WIDTH), np.uint16)
        truth[: HEIGHT // 2] = round(1000 * metres)
        assert cv2.imwrite(str(place / f"depth/{name}.png"), truth)
    Camera(WIDTH, HEIGHT, 30.0, 30.0, 15.5, 11.5).to_yaml(place / "camera.yaml")
    with (place / "camera.yaml").open("a") as file:
        file.write("depth_scale: 1000\n")
    return place


def evaluate(*words):
    return main(["eval", *map(str, words)])


def result(capsys):
    return json.loads(capsys.readouterr().out)


def test_known_by_hand(folder, models, capsys):
    assert evaluate("folder", folder, "--model", "red", "--json") == 0
    found = result(capsys)
    (model,) = found["models"]
    assert model["mean"]["abs_rel"] == pytest.approx(0.2 / 3, abs=1e-6)  # 0, 0 and (5 - 4) / 5
    assert model["pooled"]["rmse_m"] == pytest.approx((1 / 3) ** 0.5, abs=1e-6)
    assert model["pooled"]["n"] == 3 * WIDTH * HEIGHT // 2 and model["coverage"] == 1.0
    assert model["mean"]["delta1"] == pytest.approx(2 / 3) and model["mean"]["delta2"] == 1.0  # 5 / 4 is not below 1.25
    assert [row["image"] for row in found["per_image"]] == ["a", "b", "c"]
    assert (found["images"], found["missing"], model["failed"]) == (3, [], [])


def test_alignment_range_and_limit_reach_the_comparison(folder, models, capsys, documented):
    assert evaluate("folder", folder, "--model", "twice", "--align", "median", "--json") == 0
    found = result(capsys)
    documented("eval", found)
    assert found["models"][0]["mean"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)
    assert [row["scale"] for row in found["per_image"]] == pytest.approx([0.5, 0.5, 0.625])
    assert evaluate("folder", folder, "--model", "twice", "--max-depth", "4", "--limit", "2", "--json") == 0
    found = result(capsys)
    # 4 m instead of 2, and 6 instead of 3, which is clamped to the end of the range
    assert found["models"][0]["mean"]["abs_rel"] == pytest.approx((1 + 1 / 3) / 2, abs=1e-6) and found["images"] == 2
    assert (
        evaluate("folder", folder, "--model", "twice", "--max-depth", "4", "--limit", "2", "--no-clamp", "--json") == 0
    )
    assert result(capsys)["models"][0]["mean"]["abs_rel"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("align", ["none", "affine_inverse"])
def test_beyond_range_is_compared_without_a_far_limit(folder, models, capsys, align):
    """A third of the pixels is beyond range, or made so by the fit: it counts as the farthest truth, 5 m."""
    model = models["red"]
    model.predict = lambda rgb, cameras: [
        DepthPrediction(
            torch.where(torch.arange(WIDTH) % 3 == 0, torch.inf, image[..., 0].float() / 10), model.spec.kind
        )
        for image in rgb
    ]
    steps = np.full((HEIGHT, WIDTH), 5000, np.uint16)
    steps[:, 1::3], steps[:, 2::3] = 100, 1000
    assert cv2.imwrite(str(folder / "depth/c.png"), steps)
    assert evaluate("folder", folder, "--model", "red", "--align", align, "--json", "--limit", "3") == 0
    found = result(capsys)
    last = found["per_image"][2]
    assert last["coverage"] == 1.0 and last["n"] == WIDTH * HEIGHT
    if align == "none":  # 5 m there, 4 m instead of .1 and 1
        assert last["abs_rel"] == pytest.approx((11 * 0 + 11 * 39 + 10 * 3) / 32)


def test_full_precision_is_the_default_and_said(folder, models, monkeypatch, capsys):
    asked = []
    known = models["red"]
    monkeypatch.setattr("mono_depth_ros.tools.eval.run.load_model", lambda config: asked.append(config) or known)
    assert evaluate("folder", folder, "--model", "red") == 0
    assert asked[-1].precision == "fp32" and "model red: metric, engine none, " in capsys.readouterr().out
    assert evaluate("folder", folder, "--model", "red", "--engine", "openvino", "--precision", "auto") == 0
    assert (asked[-1].engine, asked[-1].precision) == ("openvino", "auto")


def test_batches_are_as_large_as_asked_for(folder, models):
    assert evaluate("folder", folder, "--model", "red", "--batch", "2", "--read-ahead", "1") == 0
    assert models["red"].batches == [2, 1]


def test_table_files_and_page(folder, models, tmp_path, capsys):
    out = tmp_path / "out"
    assert evaluate("folder", folder, "--model", "red", "--model", "twice", "--out", out) == 0
    table = capsys.readouterr().out
    assert "no crop; true depth 0.001 m and more; predictions clamped to that, beyond range (+inf) counts as" in table
    assert re.search(r"^red +mean +0\.0667 ", table, re.M) and re.search(r"^twice +pooled ", table, re.M)
    assert re.search(r"^red +twice +abs_rel +\+0\.8000 .* 3 +0$", table, re.M)
    assert sorted(path.name for path in out.iterdir()) == ["eval.csv", "eval.json", "report.html"]
    rows = list(csv.DictReader((out / "eval.csv").open()))
    assert [(row["model"], row["image"]) for row in rows] == [(m, i) for m in ("red", "twice") for i in "abc"]
    assert float(rows[2]["abs_rel"]) == pytest.approx(0.2, abs=1e-6)
    page = (out / "report.html").read_text()
    assert "{{" not in page and "http" not in page.replace("http-equiv", "")
    assert page.count("<article") == 3 and page.count('<img src="data:image/jpeg;base64,') == 3 * (2 + 2 * 2)
    assert page.count("<svg") == 2 and "Side by side" in page and "Not compared" not in page
    comparison = json.loads((out / "eval.json").read_text())["comparisons"][0]
    assert (comparison["first_wins"], comparison["second_wins"]) == (3, 0)


def test_results_that_are_there_are_refused(folder, models, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("folder", folder, "--model", "red", "--out", out)
    assert evaluate(*words) == 0
    before = (out / "eval.csv").read_bytes()
    models["red"].batches.clear()
    assert evaluate(*words) == 1
    assert (
        "holds eval.json, eval.csv, report.html already: expected another --out, or --force" in capsys.readouterr().err
    )
    assert models["red"].batches == [] and (out / "eval.csv").read_bytes() == before
    assert evaluate(*words, "--force", "--limit", "1") == 0 and (out / "eval.csv").read_bytes() != before


def test_a_place_that_cannot_be_written_is_told_before_the_first_image(folder, models, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert evaluate("folder", folder, "--model", "red", "--out", tmp_path / "file") == 1
    assert "cannot write to " in capsys.readouterr().err and models["red"].batches == []


def test_all_files_or_none(folder, models, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.setattr("mono_depth_ros.tools.eval.output._csv", lambda _: "\udc00")  # cannot be encoded
    with pytest.raises(UnicodeEncodeError):
        evaluate("folder", folder, "--model", "red", "--out", out)
    assert list(out.iterdir()) == []


def test_missing_files_are_listed_and_counted(folder, models, capsys):
    (folder / "depth/b.png").unlink()
    assert evaluate("folder", folder, "--model", "red") == 0
    told = capsys.readouterr()
    assert "missing: " in told.err and "b.png has no ground truth" in told.err and "1 missing, 2 there" in told.err
    assert "2 images, 1 missing" in told.out
    assert evaluate("folder", folder, "--model", "red", "--complete") == 1
    assert "found 1 missing, 2 there, expected all" in capsys.readouterr().err
    for name in "ac":
        (folder / f"rgb/{name}.png").unlink()
    assert evaluate("folder", folder, "--model", "red") == 1
    assert "found 3 missing, 0 there, expected at least one" in capsys.readouterr().err


def test_images_that_cannot_be_compared_fail_and_the_rest_is_done(folder, models, tmp_path, capsys):
    assert cv2.imwrite(str(folder / "depth/a.png"), np.ones((10, 20), np.uint16))
    (folder / "rgb/b.png").write_bytes(b"no picture")
    assert evaluate("folder", folder, "--model", "red", "--out", tmp_path / "out") == 1
    told = capsys.readouterr()
    assert f"a.png is 20x10, expected {WIDTH}x{HEIGHT}, the size of a.png" in told.err and "failed: b: " in told.err
    assert "3 images, 2 failed" in told.out
    assert "red: compared 1 of 3 images: 1 because " in told.err
    assert "Not compared" in (tmp_path / "out/report.html").read_text()
    assert cv2.imwrite(str(folder / "depth/c.png"), np.zeros((HEIGHT, WIDTH), np.uint16))
    assert evaluate("folder", folder, "--model", "red") == 1
    told = capsys.readouterr().err
    assert "has no pixel that counts" in told and "none of 3 images could be compared" in told


def test_relative_models_need_the_affine_alignment(folder, models, capsys):
    assert evaluate("folder", folder, "--model", "relative") == 1
    assert "relative gives relative inverse depth, which has no metres" in capsys.readouterr().err
    assert evaluate("folder", folder, "--model", "relative", "--align", "affine_inverse") == 1
    assert "two distinct predictions" in capsys.readouterr().err  # each of these images is of one colour


def test_a_model_without_a_camera_is_told_so(folder, models, capsys):
    models["red"] = RedModel(needs_camera=True)
    assert evaluate("folder", folder, "--model", "red", "--limit", "1") == 0
    (folder / "camera.yaml").unlink()
    capsys.readouterr()
    assert evaluate("folder", folder, "--model", "red", "--depth-scale", "1000") == 1
    assert "the model red needs the camera" in capsys.readouterr().err
    words = ("--depth-scale", "1000", "--camera", "30,30,15.5,11.5")
    assert evaluate("folder", folder, "--model", "red", *words) == 0
    assert "camera: 30,30,15.5,11.5 (--camera); numbers of the ground truth: 1000 a metre" in capsys.readouterr().out


def test_bad_words_are_told_before_the_first_image(folder, models, capsys):
    for words, expected in (
        (("--model", "red", "--model", "red"), "--model red is given twice"),
        (("--model", "red", "--model", "wrong"), "no model wrong"),
        (("--model", "red", "--crop", "garg"), "crop is garg, expected one of those of this data set: none"),
        (("--model", "red", "--split", "x"), "--split is for nyu and kitti, found it with folder"),
        (("--model", "red", "--min-depth", "5", "--max-depth", "2"), "min_depth is 5 m, expected less than max_depth"),
        (
            ("--model", "red", "--align", "both"),
            "--align: found 'both', expected one of: none, median, scale, affine, affine_inverse",
        ),
    ):
        words_alone = any(flag in words for flag in ("--split", "--align"))
        assert evaluate("folder", folder, *words) == (2 if words_alone or words.count("red") > 1 else 1)
        assert expected in capsys.readouterr().err
        assert models["red"].batches == []


@pytest.mark.parametrize(
    ("words", "delta3"),
    [
        (("nyu", "nyu_depth"), 0.6),
        (("kitti", "kitti_depth", "--camera", "707.0493,707.0493,604.0814,180.5066"), 0.6),
        (("seven_scenes", "seven_scenes", "--limit", "3", "--align", "median"), 0.8),
    ],
)
def test_tiny_on_the_real_samples(real_data, capsys, words, delta3):
    name, place, *more = words
    assert evaluate(name, real_data / place, "--model", "tiny", "--json", *more) == 0
    (model,) = result(capsys)["models"]
    assert model["images"] == 3 and model["mean"]["delta3"] > delta3 and model["coverage"] > 0.99
    assert len(model["flicker"]) == (1 if name == "seven_scenes" else 0)


def test_a_depth_scale_that_is_wrong_by_1000_is_named(models, folder, capsys):
    assert evaluate("folder", folder, "--model", "red", "--depth-scale", "1") == 1
    said = capsys.readouterr().err
    assert "a.png: the median of the known depths is 2e+03 m" in said and "--depth-scale says how many" in said


def test_a_video_model_has_a_stream_for_each_sequence(folder, counting_model, monkeypatch):
    monkeypatch.setattr("mono_depth_ros.tools.eval.run.load_model", lambda _: counting_model)
    dataset = READERS["folder"](Wanted(folder))
    (a, b, c) = dataset.items
    config = EvalConfig(align="none")

    def scales(*items):
        (score,) = run.evaluate(replace(dataset, items=items), dataset.protocol, config, [ModelConfig(model="x")])
        errors = [row.abs_rel for row in score.per_image().values()]
        return errors, score.note

    one, two = replace(a, sequence="one", index=0), replace(b, sequence="one", index=1)
    errors, note = scales(one, two, replace(c, sequence="two"))
    assert errors == pytest.approx([1 / 2, 1 / 3, 4 / 5], abs=1e-5) and note == ""  # 1 of 2 m, 2 of 3, 1 of 5
    errors, note = scales(a, b, c)
    assert errors == pytest.approx([1 / 2, 2 / 3, 4 / 5], abs=1e-5) and "is a video model" in note
    errors, _ = scales(replace(one, stamp_s=9.0), replace(two, stamp_s=19.0))
    assert errors == pytest.approx([1 / 2, 2 / 3], abs=1e-5), "a long gap"
