# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models list` and `info`, and what all its subcommands refuse."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from huggingface_hub import constants

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.tools.models import command
from mono_depth_ros.tools.parser import Parser


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def call(*words: str) -> int:
    parser = Parser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_list_has_one_line_for_each_model(capsys) -> None:
    assert call("list") == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "kind", "licence", "commercial", "MB", "cached", "checked"]
    assert [line.split()[0] for line in lines] == [*CATALOGUE, "*"]
    assert max(map(len, lines)) <= 120
    large = " ".join(lines[list(CATALOGUE).index("depth_anything_v2_large")].split())
    assert large == "depth_anything_v2_large relative CC-BY-NC-4.0 no 1341 no SHA-256"
    indoor = " ".join(lines[list(CATALOGUE).index("depth_anything_v2_metric_indoor_small")].split())
    assert indoor == "depth_anything_v2_metric_indoor_small metric to 20 m Apache-2.0 yes 99 no SHA-256"
    assert lines[0].endswith("3  shipped  shipped")
    giant = "metric3d_v2_giant metric BSD-2-Clause* not stated 5511 no commit, shapes"
    assert lines[-2].split() == giant.split()
    assert lines[-1] == "* the code's; none is stated for the weights"


def test_list_of_what_gives_metres_and_may_be_sold(capsys) -> None:
    assert call("list", "--metric", "--commercial", "--json") == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert {"tiny", "depth_anything_v2_metric_indoor_small", "zoedepth_nyu"} <= set(names)
    assert not {"depth_pro", "metric3d_v2_small", "depth_anything_v2_metric_indoor_base", "dpt_large"} & set(names)
    assert call("list", "--metric") == 0
    assert "metric3d_v2_small" in capsys.readouterr().out


def test_list_as_json(capsys, documented) -> None:
    assert call("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    documented("models list", rows)
    assert [row["name"] for row in rows] == list(CATALOGUE)
    assert rows[0]["kind"] == "metric" and rows[0]["max_depth_m"] is None and rows[0]["needs_camera"] is True
    assert [row["name"] for row in rows if row["cached"]] == ["tiny"]


def test_info_says_everything(capsys) -> None:
    name = "depth_anything_v2_metric_indoor_small"
    assert call("info", name, "--json") == 0
    known = json.loads(capsys.readouterr().out)
    assert known["max_depth_m"] == 20.0 and known["licence"] == "Apache-2.0" and known["cached"] is False
    assert known["revision"] == "8078d68a9c75a972131914f6afd0c1723be0da7f"
    assert known["sha256"]["model.safetensors"].startswith("e990eb82")
    assert call("info", name) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if not line.startswith(" "))
    assert lines["reads"] == "shorter side 518, sides to multiples of 14"
    assert lines["official"] == "file   depth_anything_v2_metric_hypersim_vits.pth, by its path"
    assert lines["per"] == "image       115 GFLOP" and lines["focal"] == "length    not used"
    assert lines["cached"].startswith(f"no; `mono_depth models fetch {name}` puts it into ")


def test_info_says_what_is_not_known(capsys) -> None:
    assert call("info", "dpt_large") == 0
    shown = capsys.readouterr().out
    assert "revision        not known, the newest is fetched\n" in shown and "SHA-256         not known\n" in shown
    assert call("info", "tiny") == 0
    shown = capsys.readouterr().out
    assert "cached          ships with the package\n" in shown and "focal length    needed\n" in shown


@pytest.mark.parametrize("action", ["info", "fetch", "verify", "export"])
def test_unknown_models(action: str) -> None:
    with pytest.raises(ModelError, match="did you mean tiny"):
        call(action, "tinny")


def test_hub_names_are_not_of_the_catalogue() -> None:
    with pytest.raises(ModelError, match="'someone/their-depth' is not in the catalogue"):
        call("info", "someone/their-depth")


def test_verify_recognises_the_weights_of_a_model_by_their_content(tmp_path, monkeypatch, capsys) -> None:
    path = tmp_path / "renamed.pth"
    path.write_bytes(b"as if these were the authors' weights")
    entry = CATALOGUE["depth_anything_v2_large"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert call("verify", str(path)) == 0
    assert capsys.readouterr().out == f"no digest           {path}\n"
    monkeypatch.setitem(CATALOGUE, entry.name, replace(entry, files={entry.official: digest}))
    assert call("verify", str(path)) == 0
    assert capsys.readouterr().out == f"ok by the catalogue, depth_anything_v2_large  {path}\n"


def test_without_an_action_there_is_help(capsys) -> None:
    assert call() == 0 and "usage:" in capsys.readouterr().out


def test_an_error_is_one_line_and_exit_1(tmp_path) -> None:
    code = "import sys; from mono_depth_ros.tools.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "models", "info", "zoedepth"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("mono_depth models: model 'zoedepth' is not known; did you mean zoedepth_")
    assert done.stderr.count("\n") == 1
