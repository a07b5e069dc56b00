# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models prove`: what is right, wrong or could not be done; a run that goes on; two machines."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from mono_depth_ros.cache import sha256
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.networks.unidepth_v2 import UniDepthV2Network
from mono_depth_ros.models.parity import check as parity
from mono_depth_ros.models.parity import deterministic as made
from mono_depth_ros.models.weights.known import parameters_in
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools import cli
from mono_depth_ros.tools.models.prove import accuracy, depth, results, run, stages
from mono_depth_ros.tools.models.prove.page import page
from mono_depth_ros.tools.models.prove.results import FAILED, NOT_DONE, PROVED, UNPROVED, Proof, Proofs, Row

TORCH = ("--engine", "torch", "--device", "cpu")


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(stages, "median_ms", lambda *_: 12.5)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def fp32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(stages.ENGINES["torch"], precisions={"cpu": ("fp32",)})
    monkeypatch.setattr(stages, "ENGINES", {"torch": row})


def prove(*words: str | Path) -> int:
    return cli.main(["models", "prove", *map(str, words)])


def states(path: Path, name: str) -> dict[str, str]:
    return {f"{row.stage} {row.what}": row.state for row in Proofs.read(path).models[name].rows}


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """One frame of each data set, in layouts with and without a camera."""
    for name, (height, width), numbers in (("kitti", (375, 1242), 256), ("nyu", (480, 640), 1000)):
        for kind, picture in (
            ("rgb", np.full((height, width, 3), 90, np.uint8)),
            ("depth", np.full((height, width), 4 * numbers, np.uint16)),
        ):
            (tmp_path / "data" / name / kind).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / "data" / name / kind / "1.png"), picture)
    return tmp_path / "data"


def test_tiny_the_whole_way(tmp_path: Path, frames: Path, capsys, documented) -> None:
    out = tmp_path / "proof"
    words = ["tiny", *TORCH, "--data", frames, "--camera", "700,700,600,180", "--out", out, "--json"]
    assert prove(*words) == 0
    found = json.loads(capsys.readouterr().out)
    documented("models prove", found)
    (proof,) = Proofs.read(out / "prove.json").models.values()
    assert proof.state == PROVED and found["models"]["tiny"] == proof.plain()
    assert states(out / "prove.json", "tiny") == {
        "files tiny.safetensors": "right",
        "files licence": "measured",
        "parity tiny on cpu": "not done",
        "depth built-in pictures on cpu": "measured",
        "depth on cpu as at its release": "right",
        "engine torch bf16 on cpu": "right",
        "engine torch fp32 on cpu": "right",
        "accuracy kitti": "measured",
        "accuracy nyu": "measured",
    }
    scores = {row.what: row for row in proof.rows if row.stage == "accuracy"}
    assert "of 1 images, a sample of the split's 652; no published figure is known here" in scores["kitti"].words
    html = (out / "prove.html").read_text()
    assert Proofs.read(out / "prove.html").plain() == found
    assert "http://" not in html and "https://" not in html and "1 of 1 models proved" in html


def test_a_published_figure_stands_beside(frames: Path, monkeypatch) -> None:
    monkeypatch.setitem(accuracy.PUBLISHED, "tiny", {"nyu": ({"abs_rel": 0.5}, "somebody")})
    model = stages._load("tiny", "cpu")
    found = {row.what: row for row in accuracy.rows("tiny", model.spec, "cpu", accuracy.find(frames, None))}
    assert found["nyu"].words.endswith("published AbsRel 0.500 (somebody)")
    assert found["kitti"].state == NOT_DONE and found["kitti"].asked and "give --camera" in found["kitti"].words
    (frames / "kitti" / "rgb" / "1.png").write_bytes(b"no picture")
    shutil.rmtree(frames / "nyu")
    from mono_depth_ros.media.camera_argument import CameraArgument

    samples = accuracy.find(frames, CameraArgument.parse("700,700,600,180"))
    found = {row.what: row for row in accuracy.rows("tiny", model.spec, "cpu", samples)}
    assert found["kitti"].state == FAILED and "1 of 1 images failed" in found["kitti"].words
    assert found["nyu"].state == NOT_DONE and not found["nyu"].asked and "holds none of nyu/" in found["nyu"].words


def test_data_that_are_not_there_are_no_success(tmp_path: Path, capsys) -> None:
    assert prove("tiny", *TORCH, "--data", tmp_path) == 1
    printed = capsys.readouterr()
    assert "1 of 1 are not proved, such as tiny: accuracy kitti: " in printed.err
    assert printed.out.startswith("tiny  not proved")


def unidepth(folder: Path) -> Path:
    from mono_depth_ros.models.families.unidepth_v2 import _sizes

    (folder / "config.json").write_text(json.dumps(made.UNIDEPTH_V2))
    with torch.device("meta"):
        network = UniDepthV2Network(_sizes(folder / "config.json")[0])
    save_file(
        {name: made.unidepth_weight(name, shape) for name, shape in made.shapes_of(network).items()},
        folder / "model.safetensors",
    )
    return folder


def test_a_checkpoint_by_its_path(tmp_path: Path, capsys, fp32_alone) -> None:
    assert prove(unidepth(tmp_path), *TORCH, "--json", tmp_path / "found.json") == 0
    (proof,) = Proofs.read(tmp_path / "found.json").models.values()
    (row,) = [row for row in proof.rows if row.stage == "parity"]
    assert row.state == "right" and row.numbers["mean"] <= 1e-4 and "github.com/lpiccinelli-eth" in row.words
    assert proof.family == "unidepth_v2" and proof.files["model.safetensors"]


@pytest.mark.parametrize(("raw", "state"), [(float("nan"), FAILED), (2.0, "measured")])
def test_pictures_of_which_nothing_is_known(raw: float, state: str) -> None:
    """Right where a mask or a shift that does not fit says so; not where the network gives no number."""
    model = Mock(spec=EngineModel)
    model.spec, model.network = Mock(kind=DepthKind.METRIC), Mock(depth=lambda outputs: outputs[0])
    model.run, model.examples = lambda *inputs: inputs, lambda: [(torch.tensor(raw),)]
    row = depth.row_of("cpu", {"check": {"mean": None, "known": 0.0}}, model)
    assert row.state == state and ("gives no number" in row.words) is (state == FAILED)


def test_parity_beyond_its_tolerance_fails(monkeypatch) -> None:
    other = parity.stored()
    other["depth_anything_3"]["outputs"]["depth"]["values"][0][0] *= 1.01
    monkeypatch.setattr(parity, "stored", lambda: other)
    wrong, right = stages._parity("depth_anything_3", torch.device("cpu"))
    assert (wrong.state, right.state) == (FAILED, "right") and Proof("m", rows=[right, wrong]).state == FAILED
    assert wrong.what == "depth_anything_3 depth on cpu" and wrong.words.endswith(": expected 0.0001 and 0.001 at most")


def test_other_files_than_at_its_release_are_not_loaded(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setattr(depth, "shipped", lambda _: {"sha256": "0" * 64, "depth": {}})
    assert prove("tiny", *TORCH, "--json", tmp_path / "found.json") == 1
    assert list(states(tmp_path / "found.json", "tiny").values()) == [FAILED]
    assert "expected 0000" in capsys.readouterr().err


def test_a_wrong_engine_fails_and_the_rest_goes_on(monkeypatch, tmp_path: Path) -> None:
    def wrong(engine: Any, expected: Any) -> float:
        raise stages.MonoDepthError("engine 'torch' in bf16 is wrong at 640x480")

    monkeypatch.setattr(stages, "check", wrong)
    assert prove("tiny", *TORCH, "--json", tmp_path / "found.json") == 1
    found = states(tmp_path / "found.json", "tiny")
    assert found["engine torch bf16 on cpu"] == FAILED and found["engine torch fp32 on cpu"] == "right"


def test_an_engine_without_its_package_was_asked_for(monkeypatch, tmp_path: Path) -> None:
    def missing(*_: Any) -> None:
        raise stages.MonoDepthError("engine 'openvino' needs more packages")

    monkeypatch.setattr(stages, "cannot_run", missing)
    assert prove("tiny", "--engine", "openvino", "--device", "cpu", "--json", tmp_path / "found.json") == 1
    assert Proofs.read(tmp_path / "found.json").models["tiny"].state == UNPROVED


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["tinny"], 1, "model 'tinny' is not known; did you mean tiny"),
        ([], 2, "found no model, expected NAMEs or --all"),
        (["tiny", "--all"], 2, "found names beside --all"),
        (["tiny", "--compare", "none.json"], 1, "none.json cannot be read"),
    ],
)
def test_words_that_are_wrong(capsys, words, code, said) -> None:
    assert prove(*words) == code
    assert said in capsys.readouterr().err


def test_all_goes_on_and_says_what_was_not_done(tmp_path: Path, monkeypatch, capsys) -> None:
    """Each model in its process; one of them has no weights here, one dies."""
    monkeypatch.setattr(run, "CATALOGUE", {name: CATALOGUE[name] for name in ("dpt_large", "glpn_nyu", "tiny")})
    real, ran = run.subprocess.run, []

    def process(command: list[str], **more: Any) -> Any:
        ran.append(command[5])
        if command[5] == "tiny":
            return real(command, **more)
        return type("Dead", (), {"returncode": -9})()

    monkeypatch.setattr(run.subprocess, "run", process)
    monkeypatch.setattr(stages, "weights_are_here", lambda name: name != "dpt_large")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    out = tmp_path / "proof"
    assert prove("--all", *TORCH, "--out", out) == 1
    printed = capsys.readouterr()
    assert ran == ["glpn_nyu", "tiny"]
    assert "1 of 3 models FAILED, 1 of 3 are not proved" in printed.err and "3 of 3, about 1 min left" in printed.err
    assert "its process was ended by signal 9" in printed.out
    found = Proofs.read(out / "prove.json").models
    assert {name: proof.state for name, proof in found.items()} == {
        "dpt_large": UNPROVED,
        "glpn_nyu": FAILED,
        "tiny": PROVED,
    }
    assert "1372 MB" in found["dpt_large"].why and "--fetch" in found["dpt_large"].why

    # The same command again: what is proved stays, the rest is tried once more. Other options begin anew.
    ran.clear()
    assert prove("--all", *TORCH, "--out", out) == 1
    assert ran == ["glpn_nyu"] and "1 of 3 are in " in capsys.readouterr().err
    assert list(Proofs.read(out / "prove.json").models) == ["dpt_large", "glpn_nyu", "tiny"]
    assert not run._earlier(out, ["tiny"], {"data": "other"}, Proofs.read(out / "prove.json").machine)
    assert not run._earlier(out, ["tiny"], found["tiny"].settings, {"CPU": "another"})


def one(mean: float = 2.0, digest: str = "a") -> Proof:
    rows = [[mean, 2 * mean, None], [3 * mean, mean, mean]]
    picture = {"mean": mean, "known": 0.8, "step": 16, "rows": rows}
    return Proof(
        "m", kind="metric", depth={"cpu": {"check": picture}}, files={"w": digest}, rows=[Row("a", "b", "right", "")]
    )


@pytest.mark.parametrize(
    ("mine", "other", "state", "said"),
    [
        (one(), one(2.001), "right", "mean difference 5.0e-04"),
        (one(), one(2.01), FAILED, "expected 0.001 at most in the mean"),
        (one(), one(digest="b"), FAILED, "w has another SHA-256 there"),
        (one(), None, NOT_DONE, "the other machine has not proved it"),
        (Proof("m"), one(), NOT_DONE, "it has no depth on this machine"),
    ],
)
def test_two_machines(mine: Proof, other: Proof | None, state: str, said: str) -> None:
    (row,) = depth.against(mine, other)
    assert row.state == state and said in row.words and row.asked


def test_compare_with_a_page_that_somebody_sent(tmp_path: Path, monkeypatch, capsys) -> None:
    """The page alone is enough; another depth there, and a model that is not there, are no success."""
    monkeypatch.setattr(run, "_here", lambda name, *_: one(2.02) if name == "m" else Proof(name))
    monkeypatch.setattr(run, "find", lambda _: None)
    monkeypatch.setattr(stages, "weights_are_here", lambda _: True)
    theirs = tmp_path / "prove.html"
    theirs.write_text(page(Proofs({"CPU": "theirs </script>"}, {"m": one()})))
    assert prove("m", "--compare", theirs, "--out", tmp_path / "mine") == 1
    assert "1 comparisons with the other machine are not right, such as m, cpu here" in capsys.readouterr().err
    mine = (tmp_path / "mine" / "prove.html").read_text()
    assert "Two machines" in mine and "theirs &lt;/script&gt;" in mine
    monkeypatch.setattr(run, "_here", lambda name, *_: one())
    assert prove("m", "--compare", theirs) == 0


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", '{"version": 2, "machine": {}, "models": {}}', "<html>", '{"version": 1, "models": {"m": 3}}'],
)
def test_what_is_no_proof(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(results.DataError, match="expected"):
        Proofs.read(tmp_path / "other.json")


def test_by_a_catalogue_name_from_a_hub(tmp_path: Path, monkeypatch, capsys, fp32_alone) -> None:
    """Fetched where that is asked for; other weights than the name promises, and another digest, are not proved."""
    path = Path(__file__).parents[2] / "models" / "weights" / "hub_server.py"
    spec = importlib.util.spec_from_file_location("hub_server_of_prove", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server, name, out = module.HubServer(), "unidepth_v2_small", tmp_path / "found.json"
    entry = CATALOGUE[name]
    files = {file.name: file.read_bytes() for file in unidepth(tmp_path).iterdir() if file.is_file()}
    server.repositories[entry.hub] = files
    monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    try:
        assert prove(name, *TORCH, "--json", out) == 1
        assert Proofs.read(out).models[name].state == UNPROVED and "--fetch fetches them" in capsys.readouterr().err
        assert prove(name, *TORCH, "--fetch", "--json", out) == 1
    finally:
        server.close()
    assert states(out, name)["files fetched"] == "measured" and states(out, name)["load cpu"] == FAILED
    assert "million weights, expected about 34.2 million" in capsys.readouterr().err

    right = replace(entry, parameters_m=parameters_in(tmp_path) / 1e6)
    monkeypatch.setitem(CATALOGUE, name, right)
    assert prove(name, *TORCH, "--json", out) == 0
    found = Proofs.read(out).models[name]
    assert found.state == PROVED and found.files["model.safetensors"] == sha256(tmp_path / "model.safetensors")
    assert [row.words for row in found.rows if row.what == "licence"] == ["CC-BY-NC-4.0: not for products"]

    monkeypatch.setitem(CATALOGUE, name, replace(right, files={"model.safetensors": "0" * 64}))
    assert prove(name, *TORCH, "--json", out) == 1
    assert states(out, name)["files model.safetensors"] == FAILED and "load cpu" not in states(out, name)
    assert {row.stage for row in Proofs.read(out).models[name].rows} == {"files"}
