# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json

import pytest

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.tools import models


def call(*words: str) -> int:
    parser = argparse.ArgumentParser()
    models.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_list_has_one_line_for_each_model(capsys) -> None:
    assert call("list") == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "kind", "max_depth_m", "parameters_m", "licence", "hub"]
    assert [line.split()[0] for line in lines] == list(CATALOGUE)
    assert "CC-BY-NC-4.0" in lines[list(CATALOGUE).index("depth_anything_v2_large")]


def test_list_as_json(capsys) -> None:
    assert call("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(CATALOGUE)
    assert rows[0]["kind"] == "metric" and rows[0]["max_depth_m"] is None and rows[0]["needs_camera"] is True


def test_info(capsys) -> None:
    assert call("info", "depth_anything_v2_metric_indoor_small", "--json") == 0
    known = json.loads(capsys.readouterr().out)
    assert known["max_depth_m"] == 20.0 and known["licence"] == "Apache-2.0"
    assert call("info", "depth_anything_v2_metric_indoor_small") == 0
    assert "max_depth_m   20\n" in capsys.readouterr().out


def test_info_of_unknown_models() -> None:
    with pytest.raises(ModelError, match="did you mean tiny"):
        call("info", "tinny")
    with pytest.raises(ModelError, match="not in the catalogue"):
        call("info", "someone/their-depth")


def test_an_action_is_needed(capsys) -> None:
    with pytest.raises(SystemExit):
        call()
    assert "list|info" in capsys.readouterr().err
