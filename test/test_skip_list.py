# SPDX-License-Identifier: Apache-2.0
"""A skip that allowed_skips.txt does not allow fails a run that asks for it, and only that."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).with_name("skip_list.py")


@pytest.fixture(scope="module")
def skips() -> ModuleType:
    spec = importlib.util.spec_from_file_location("skip_list", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_reason_is_allowed_where_its_condition_holds(skips: ModuleType) -> None:
    lines = ["# comment", "no ray: Ray is not", "has tf2: tf2 is", "always: ^no data", ""]
    assert [item.pattern for item in skips.reasons(lines, lambda name: False)] == ["Ray is not", "^no data"]
    assert [item.pattern for item in skips.reasons(lines, lambda name: True)] == ["tf2 is", "^no data"]
    for wrong in ("ray: x", "no: x", "always ray: x", "no ray"):
        with pytest.raises(ValueError, match="expected 'no NAME: REASON'"):
            skips.reasons([wrong])


def test_the_list_can_be_read_and_this_machine_is_known(skips: ModuleType) -> None:
    assert len(skips.reasons(skips.LIST.read_text().splitlines())) > 5
    assert skips.has("python3") and skips.has("pytest") and not skips.has("no_such_thing")


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "two"])
def test_a_new_skip_is_a_failure_where_that_is_asked_for(tmp_path: Path, workers: list[str]) -> None:
    if workers:
        pytest.importorskip("xdist")
    hook = f"import runpy\npytest_sessionfinish = runpy.run_path({str(FILE)!r})['pytest_sessionfinish']\n"
    (tmp_path / "conftest.py").write_text(hook)
    (tmp_path / "test_new.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('k', [1, 2])\ndef test_allowed(k): pytest.skip('no real camera data in x')\n"
        "def test_new(): pytest.skip('it is Monday')\n"
    )
    report = tmp_path / "skips.txt"

    def run(**environment: str) -> int:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path), *workers]
        return subprocess.run(command, cwd=tmp_path, env={**os.environ, **environment}, timeout=60).returncode

    assert run(MONO_DEPTH_TEST_SKIPS=str(report)) == 1
    allowed, new = sorted(report.read_text().splitlines(), reverse=True)
    assert allowed == "skipped: no real camera data in x: test_new.py::test_allowed (2)"
    assert new == "SKIPPED, WHICH IS NOT ALLOWED HERE: it is Monday: test_new.py::test_new"
    if not workers:
        assert run(MONO_DEPTH_TEST_SKIPS="") == 0
