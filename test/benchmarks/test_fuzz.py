# SPDX-License-Identifier: Apache-2.0
"""Short forms of fuzz.py and soak.py: nothing crashes, hangs or raises what is not ours, and memory stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import fuzz

FOLDER = Path(fuzz.__file__).parent


def result(tmp_path: Path, name: str, *words: str) -> dict:
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--out", str(tmp_path), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENCV_LOG_LEVEL": "OFF"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((tmp_path / f"{name}.json").read_text())


def test_fuzzed_messages_through_the_decoders(tmp_path):
    found = result(tmp_path, "fuzz", "--messages", "4000", "--node-messages", "0", "--seed", "3")["decoders"]
    assert found["messages"] == 4000 and found["foreign_errors"] == 0, found
    assert found["resident_mb"]["peak"] < found["resident_mb"]["after_500"] + 60, "no header is believed"
    kinds = {name.partition(":")[0] for name in found["outcomes"]}
    assert kinds == {"image", "compressed", "depth", "cloud", "scan", "range", "disparity", "camera_info"}
    assert all(found["outcomes"][f"{kind}: read"] > 20 for kind in kinds), "some of each kind are good"


def test_fuzzed_messages_through_a_live_node():
    script = [sys.executable, str(FOLDER / "fuzz_nodes.py"), "lidar", "120", "3"]
    done = subprocess.run(script, capture_output=True, text=True, env={**os.environ, "OPENCV_LOG_LEVEL": "OFF"})
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["messages"] == 120 and found["foreign_errors"] == 0, found
    assert found["outcomes"]["lidar: read"] > 10


def test_a_short_soak(tmp_path):
    found = result(tmp_path, "soak", "--minutes", "0.05", "--warm", "2", "--rate", "20")
    assert found["results"] > 10 and found["dropped: image_payload"] > 3
    assert found["resident_mb_end"] < found["resident_mb_begin"] + 20
