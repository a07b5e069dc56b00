# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from mono_depth_ros.tools import bench, cli


def test_the_cloud_is_measured_and_right(tmp_path, capsys):
    assert cli.main(["bench", "cloud", "--out", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["cloud"]
    assert printed == json.loads((tmp_path / "cloud.json").read_text())
    assert printed["largest_relative_error"] < 1e-5 and printed["unproject_colour_pack_ms"] > 0


def test_an_unknown_measurement_is_refused(tmp_path, capsys):
    assert cli.main(["bench", "clouds", "--out", str(tmp_path)]) == 1
    assert "there is no measurement 'clouds'" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("which", ["overhead", "overload"])
def test_a_measurement_of_the_node_that_fails_is_an_error(which, monkeypatch):
    monkeypatch.setattr(bench.sys, "executable", "/bin/false")
    with pytest.raises(bench.MonoDepthError, match="exit code 1"):
        bench.node(which)
