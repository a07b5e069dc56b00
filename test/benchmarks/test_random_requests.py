# SPDX-License-Identifier: Apache-2.0
"""The short form of benchmarks/random_requests.py: a node over DDS that is asked for all kinds of things."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "random_requests.py"
COUNTS = {"lifecycle": 30, "parameters": 60, "kills": 1, "clocks": 4}


@pytest.mark.slow
def test_a_node_survives_requests_at_random_killed_drivers_and_clocks_that_jump(tmp_path):
    words = [word for name, count in COUNTS.items() for word in (f"--{name}", str(count))]
    done = subprocess.run([sys.executable, str(SCRIPT), *words, "--out", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "random_requests.json").read_text())
    assert found["lifecycle_requests"]["made"] > 5 and found["lifecycle_requests"]["refused"] > 5
    assert found["parameter_requests"]["set"] > 10 and found["parameter_requests"]["refused"] > 10
    assert found["internal_errors"] == 0
    for name in ("threads", "files"):
        assert found["at_end"][name] <= found["at_start"][name], found
