# SPDX-License-Identifier: Apache-2.0
"""stdout and stderr that are closed, full, a log or a pipe."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mono_depth_ros

MODULE = f"{sys.executable} -m mono_depth_ros.tools.cli"


def shell(words: str, **more: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    found = subprocess.run(
        ["sh", "-c", f"exec {MODULE} {words}"], capture_output=True, timeout=60, env={**os.environ, **more}
    )
    return found.returncode, found.stdout.decode(errors="surrogateescape"), found.stderr.decode()


@pytest.mark.parametrize("words", ["--help", "models list --json"])
@pytest.mark.parametrize("stream, reason", [(">&-", "it is closed"), (">/dev/full", "No space left on device")])
def test_results_that_nobody_gets_are_an_error(words, stream, reason):
    code, _, errors = shell(f"{words} {stream}")
    assert code == 1 and errors.count("\n") == 1 and errors.endswith(f"stdout cannot be written: {reason}\n")


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_words_that_nobody_gets_end_nothing(stream):
    code, out, errors = shell(f"models list {stream}")
    assert code == 0 and "tiny" in out and errors == ""
    assert shell(f"no_such_tool {stream}") == (2, "", "")


def test_no_file_gets_what_is_printed(tmp_path):
    code = (
        "import sys\n"
        "from mono_depth_ros.tools import standard_streams\n"
        "standard_streams.prepare()\n"
        "with open(sys.argv[1], 'w') as file:\n"
        "    print('results')\n"
        "    assert file.fileno() > 2\n"
        "    try:\n"
        "        sys.stdout.flush()\n"
        "    except standard_streams.OutputError:\n"
        "        standard_streams.give_up()\n"
    )
    (tmp_path / "a.py").write_text(code)
    command = f"exec {sys.executable} {tmp_path / 'a.py'} {tmp_path / 'out'} <&- >&-"
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (0, "") and (tmp_path / "out").read_bytes() == b""


def test_a_name_comes_out_as_the_bytes_that_it_is(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff\n"
    os.mkdir(folder)
    with open(folder + b"/weights.pth", "wb") as file:
        file.write(b"x")
    code, out, errors = shell('models verify --json "$NAME"', NAME=os.fsdecode(folder + b"/weights.pth"))
    assert (code, errors) == (0, "") and r"\udcff\n/weights.pth" in out
    code, out, errors = shell('models verify "$NAME"', NAME=os.fsdecode(folder + b"/weights.pth"))
    assert (code, errors) == (0, "") and "\udcff" in out


def test_progress_bars_are_for_terminals():
    """None is tqdm's word for: only where stderr is a terminal."""
    calls = []
    for file in Path(mono_depth_ros.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tqdm":
                disable = {word.arg: ast.unparse(word.value) for word in node.keywords}.get("disable", "")
                calls.append(file.name)
                assert disable.startswith("None") or "isatty" in disable, f"{file}:{node.lineno}"
    assert len(calls) >= 8
