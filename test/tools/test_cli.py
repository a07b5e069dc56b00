# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.tools import cli

MODULE = [sys.executable, "-m", "mono_depth_ros.tools.cli"]


class Tool:
    def __init__(self, run):
        self.run = run

    def add_parser(self, subparsers):
        subparsers.add_parser("image").set_defaults(run=self.run)


@pytest.fixture
def call(monkeypatch):
    def call(run):
        monkeypatch.setattr(cli, "_TOOLS", (Tool(run),))
        return cli.main(["image"])

    return call


def test_every_tool_has_help(capsys):
    for tool in ("demo", "image", "models", "bench", "train"):
        assert cli.main([tool, "--help"]) == 0
        assert f"mono_depth {tool}" in capsys.readouterr().out


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from mono_depth_ros.tools import cli; cli.build_parser().format_help(); print(sorted(sys.modules))"
    )
    start_s = time.perf_counter()
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    elapsed_s = time.perf_counter() - start_s
    for heavy in ("torch", "numpy", "cv2", "numba", "rclpy", "rosbags", "transformers"):
        assert f"'{heavy}'" not in found
    assert elapsed_s < 2.5  # 0.1 s on an idle machine


def test_version():
    found = subprocess.run([*MODULE, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.startswith("mono_depth_ros ")


def test_result_of_the_tool_is_the_exit_code(call):
    assert call(lambda args: 0) == 0
    assert call(lambda args: 3) == 3


def test_an_error_is_one_line(call, capsys):
    def fail(args: argparse.Namespace) -> int:
        raise MonoDepthError("found this, expected that")

    assert call(fail) == 1
    assert capsys.readouterr().err == "mono_depth image: found this, expected that\n"


def test_ctrl_c(call, capsys):
    def interrupted(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert call(interrupted) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, sentence",
    [
        (PermissionError(errno.EACCES, "Permission denied", "a\nb"), r"a\nb: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ],
)
def test_a_file_or_a_disk_is_no_defect(call, capsys, error, sentence):
    def fail(args: argparse.Namespace) -> int:
        raise error

    assert call(fail) == 1
    assert capsys.readouterr().err == f"mono_depth image: {sentence}\n"


@pytest.mark.parametrize("error", [OSError("no number"), OSError(errno.EBADF, "Bad file descriptor", 3)])
def test_an_error_of_no_file_is_one(call, error):
    def fail(args: argparse.Namespace) -> int:
        raise error

    with pytest.raises(OSError):
        call(fail)


def test_a_defect_is_not_hidden(call):
    with pytest.raises(ZeroDivisionError):
        call(lambda args: 1 // 0)


@pytest.mark.parametrize("words", [["nothing"], ["image"], ["image", "a.png", "--out", "o", "--strid", "x"]])
def test_usage_errors_exit_2(words, capsys):
    assert cli.main(words) == 2


def test_output_into_a_closed_pipe_is_no_traceback():
    process = subprocess.Popen(
        [*MODULE, "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    )
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait(60) == 1
    assert "Traceback" not in errors and "BrokenPipe" not in errors


def test_sigterm_runs_the_clean_up():
    code = (
        "import sys, time\n"
        "from mono_depth_ros.tools import cli\n"
        "class Tool:\n"
        "    def add_parser(self, subparsers): subparsers.add_parser('wait').set_defaults(run=self.run)\n"
        "    def run(self, args):\n"
        "        try:\n"
        "            print('ready', flush=True); time.sleep(60)\n"
        "        finally:\n"
        "            print('cleaned', flush=True)\n"
        "cli._TOOLS = (Tool(),)\n"
        "sys.exit(cli.main(['wait']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "cleaned\n"
    assert process.wait(10) == 128 + signal.SIGTERM
