# SPDX-License-Identifier: Apache-2.0
"""`mono_depth adapt` as a user runs it, on a folder of toy frames that shows nothing `tiny` was trained on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.tools.adapt import progress, run
from mono_depth_ros.tools.cli import main
from mono_depth_ros.training.adapt.judge import Gain
from mono_depth_ros.training.adapt.tiny import TinyLearner

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
from toy import toy_frame

CAMERA = Camera.from_fov((64, 48), 70.0)
FAST = ["--steps", "16", "--batch", "4", "--learning-rate", "1e-3", "--replay", "0", "--workers", "1"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small views, and no synthetic world, which takes its time to render."""
    monkeypatch.setattr(TinyLearner, "sizes", lambda self, width, height: ((64, 64),))
    monkeypatch.setattr(progress, "synthetic", lambda config, learner: ((), ()))


def folder(where: Path, count: int = 36, scale: float = 1000.0, seed: int = 0, alike: bool = False) -> Path:
    """A folder of images with depth in millimetres, of which the file with the camera says `scale` numbers a metre."""
    rng = np.random.default_rng(seed)
    for name in ("rgb", "depth"):
        (where / name).mkdir(parents=True)
    for k in range(count):
        rgb, depth = toy_frame(CAMERA, np.random.default_rng(0) if alike else rng)
        cv2.imwrite(str(where / "rgb" / f"{k:04d}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        known = np.where(depth < 20, depth, 0)
        cv2.imwrite(str(where / "depth" / f"{k:04d}.png"), (1000 * known).astype(np.uint16))
    CAMERA.to_yaml(where / "camera.yaml")
    with (where / "camera.yaml").open("a") as file:
        file.write(f"depth_scale: {scale:g}\n")
    return where


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    return folder(tmp_path_factory.mktemp("frames"))


def test_a_better_model_with_its_card_and_report(frames, tmp_path, capsys, documented) -> None:
    out = tmp_path / "mine"
    assert main(["adapt", f"folder={frames}", "--out", str(out), "--json", *FAST]) == 0
    found = json.loads(capsys.readouterr().out)
    documented("adapt", found)
    assert found["after"]["abs_rel"] < 0.8 * found["before"]["abs_rel"]
    assert found["gain"]["sure"]
    names = {"config.json", "model.safetensors", "preprocessor.yaml", "README.md", "report.html"}
    assert {item.name for item in out.iterdir()} == names
    config = json.loads((out / "config.json").read_text())
    assert (config["family"], config["base"], config["kind"]) == ("tiny", "tiny", "metric")
    card = (out / "README.md").read_text()
    assert f"{found['after']['abs_rel']:.3f}" in card and "Apache-2.0" in card
    page = (out / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and page.count("<img") >= 6
    assert [item.name for item in tmp_path.iterdir()] == ["mine"]  # nothing is left beside it

    assert main(["models", "info", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["base_sha256"] == config["base_sha256"]
    model = load_model(ModelConfig(model=str(out), device="cpu"))
    assert model.spec.family == "tiny" and model.spec.needs_camera
    rgb, depth = toy_frame(CAMERA, np.random.default_rng(99))
    known = depth < 20
    errors = [
        float(
            np.mean(
                np.abs(one.predict(torch.from_numpy(rgb)[None], [CAMERA])[0].values.numpy()[known] / depth[known] - 1)
            )
        )
        for one in (load_model(ModelConfig(model="tiny", device="cpu")), model)
    ]
    assert errors[1] < errors[0]

    assert main(["adapt", f"folder={frames}", "--out", str(out), *FAST]) == 1
    assert "is there already" in capsys.readouterr().err


def test_without_a_sure_gain_there_is_only_the_report(frames, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(run, "gain", lambda judged: Gain(0.001, -0.001, 0.003, 5))
    assert main(["adapt", f"folder={frames}", "--out", str(tmp_path / "mine"), *FAST, "--steps", "1"]) == 3
    assert [item.name for item in (tmp_path / "mine").iterdir()] == ["report.html"]
    assert "no gain that is more than chance" in capsys.readouterr().err
    assert "no gain that is more than chance" in (tmp_path / "mine" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--frames", "0:9"], "found 10 frames with a reference, expected at least", 1),
        (["--split", "0:20,25:30"], "expected three blocks", 2),
        (["--reference", "lidar"], "folder has ground truth, expected depth or motion", 1),
        (["--reference", "motion"], "folder has no poses", 1),
        (["--model", "dpt_large"], "family dpt, expected one that can be adapted", 1),
        (["--model", "nothing_of_that_name"], "is not known", 1),
    ],
)
def test_bad_input_is_told_in_one_sentence_and_nothing_is_written(frames, tmp_path, capsys, words, said, code) -> None:
    assert main(["adapt", f"folder={frames}", "--out", str(tmp_path / "mine"), *FAST, *words]) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_depth_in_millimetres_that_is_read_as_metres_is_seen(tmp_path, capsys) -> None:
    data = folder(tmp_path / "data", 30, scale=1.0)
    assert main(["adapt", f"folder={data}", "--out", str(tmp_path / "mine"), *FAST]) == 1
    assert "are its numbers millimetres?" in capsys.readouterr().err


def test_images_that_are_all_alike_are_refused(tmp_path, capsys) -> None:
    data = folder(tmp_path / "data", 30, alike=True)
    assert main(["adapt", f"folder={data}", "--out", str(tmp_path / "mine"), *FAST]) == 1
    assert "all 30 images are alike" in capsys.readouterr().err


def test_a_full_disk_is_seen_before_the_training(frames, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    assert main(["adapt", f"folder={frames}", "--out", str(tmp_path / "mine"), *FAST]) == 1
    assert "has 1 MiB left, expected" in capsys.readouterr().err


def test_a_disk_that_fills_up_meanwhile_costs_nothing(frames, tmp_path, capsys, monkeypatch) -> None:
    save, calls = TinyLearner.save, []

    def full(self, state, where):
        calls.append(where)
        if len(calls) == 1:
            raise OSError(28, "No space left on device", str(where))
        return save(self, state, where)

    monkeypatch.setattr(TinyLearner, "save", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["adapt", f"folder={frames}", "--out", str(tmp_path / "mine"), *FAST, "--steps", "2"]) == 1
    said = capsys.readouterr().err
    assert "cannot be written (No space left on device): the result is in " in said
    assert (Path(said.rsplit("the result is in ", 1)[1].strip()) / "model.safetensors").is_file()


def test_weights_of_another_network_are_named(tmp_path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_text('{"model_type": "mono_depth_tiny"}')
    save_file({"other": torch.zeros(3)}, str(tmp_path / "model.safetensors"))
    with pytest.raises(ModelError, match="does not fit the network"):
        load_model(ModelConfig(model=str(tmp_path), device="cpu"))
