# SPDX-License-Identifier: Apache-2.0
"""`mono_depth doctor` as a whole."""

from __future__ import annotations

import json

import pytest

from mono_depth_ros.tools.cli import main
from mono_depth_ros.tools.doctor import checks
from mono_depth_ros.tools.doctor.checks import Check


def test_this_machine_can_compute_depth(capsys, documented):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    documented("doctor", found)
    names = [check["name"] for check in found["checks"]]
    assert found["good"] and len(set(names)) == len(names)
    assert {"Python", "torch", "GPU", "OpenCV", "ROS 2", "profile", "shared memory", "models", "webcam"} <= set(names)
    assert {check["state"] for check in found["checks"]} <= {"ok", "absent", "warning"}


@pytest.mark.parametrize("state, code", [("ok", 0), ("absent", 0), ("warning", 0), ("broken", 1)])
def test_only_what_everything_needs_is_an_error(monkeypatch, capsys, state, code):
    monkeypatch.setattr(checks, "examine", lambda: [Check("torch", state, "found", "do this")])
    assert main(["doctor"]) == code
    out = capsys.readouterr().out
    assert out.startswith(f"{state:8}torch          found\n{' ' * 23}-> do this\n")
    assert out.endswith("see what is broken above\n") == bool(code)
