# SPDX-License-Identifier: Apache-2.0
"""The measurement of killed and double conversions sees what it looks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import writers


def test_a_byte_a_file_or_a_state_that_differs_is_a_problem(tmp_path):
    out = tmp_path / "many"
    (out / "deep").mkdir(parents=True)
    (out / "a").write_bytes(b"1")
    (out / "deep" / "b").write_bytes(b"2")
    (out / "manifest.json").write_text(json.dumps({"bags": {"a": {"state": "done"}, "b": {"state": "anew"}}}))
    whole = writers.digests(out)
    assert sorted(whole) == ["many/a", "many/deep/b"] and writers._same(out, whole) == ""
    (out / "a").write_bytes(b"3")
    (out / "deep" / "c").write_bytes(b"")
    assert writers._same(out, whole) == "other than left alone: many/a, many/deep/c"
    place = SimpleNamespace(bags={"a": 1, "b": 1, "c": 1})
    assert writers._undone(place, out) == "in the manifest: b anew, c None"
    (tmp_path / ".a.lock").touch()
    assert writers._left(out) == "left lying about: .a.lock"


TRIALS = """
import random, sys
from pathlib import Path
import writers
from mono_depth_ros.tools.bag import lock

place = writers.Place(Path(sys.argv[1]), random.Random(1), images=30, bags={"a": 1})
assert writers.refused(place, 0) == "" == writers.killed(place, 1)
lock._is_free = lambda *_: True
lock.holder = lambda _: True
assert "--resume ends with" in writers.refused(place, 0)
"""


@pytest.mark.slow
def test_without_the_lock_a_second_run_ends_the_first(tmp_path):
    """The trial fails where the lock is taken out, and holds with it; in a process that forks without threads."""
    folder = Path(writers.__file__).parent
    done = subprocess.run([sys.executable, "-c", TRIALS, str(tmp_path)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
