# SPDX-License-Identifier: Apache-2.0
"""A robot has no numba: one sentence says what the synthetic world needs, and nothing else misses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mono_depth_ros
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.tools import cli
from mono_depth_ros.world import require_numba

SENTENCE = "numba, which is not installed: pip install numba, or apt install python3-numba"


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where numba cannot be imported."""
    (folder / "sitecustomize.py").write_text("import sys; sys.modules['numba'] = None\n")
    source = Path(mono_depth_ros.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(source)))}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_requirement_is_met_here_and_missed_where_it_is_not(hidden: None) -> None:
    with pytest.raises(ConfigError, match=SENTENCE):
        require_numba()


def test_the_renderer_says_what_it_needs(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", "from mono_depth_ros.world import World")
    assert done.returncode == 1 and f"ConfigError: the synthetic world needs {SENTENCE}" in done.stderr


@pytest.mark.parametrize("tool", ["demo", "train"])
def test_demo_and_train_end_with_the_sentence(tool: str, hidden: None, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([tool]) == 1
    assert capsys.readouterr().err == f"mono_depth {tool}: the synthetic world needs {SENTENCE}\n"
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_the_world_node_ends_with_the_sentence(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "mono_depth_ros.nodes.world_node")
    assert done.returncode == 1 and SENTENCE in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_everything_but_the_world_is_imported_without(tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, mono_depth_ros
for found in pkgutil.walk_packages(mono_depth_ros.__path__, "mono_depth_ros.", onerror=lambda _: None):
    if not found.name.startswith("mono_depth_ros.world."):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:  # ROS may not be installed either
            if error.name == "numba":
                raise
"""
    done = python(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
