# SPDX-License-Identifier: Apache-2.0
"""Imports go downwards only: import-linter says so, and it notices when they do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter is not installed")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the package in a folder."""
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_the_rooms_keep_their_contracts(repository: Path) -> None:
    done = lint(repository)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("geometry/camera.py", "from mono_depth_ros.models import contract"),  # up
        ("world/world.py", "from mono_depth_ros.models import contract"),  # sideways
        ("tools/cli.py", "import rclpy"),  # ROS outside nodes/
        ("messages/__init__.py", "import sensor_msgs.msg"),
    ],
)
def test_a_forbidden_import_is_noticed(source_copy: Path, file: str, line: str) -> None:
    path = source_copy / "mono_depth_ros" / file
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        done = lint(source_copy)
    finally:
        path.write_text(before)
    assert done.returncode == 1 and "BROKEN" in done.stdout
