# SPDX-License-Identifier: Apache-2.0
"""A real `colcon build`: everything is where `ros2 run` and `ros2 launch` look."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "mono_depth_ros"
EXECUTABLES = ("mono_depth", "depth_node", "camera_node", "world_node")


def colcon(workspace: Path, *arguments: str) -> str:
    """Run colcon beside this interpreter, or the one on the path; returns what it said."""
    beside = Path(sys.executable).with_name("colcon")
    command = str(beside) if beside.is_file() else shutil.which("colcon")
    if command is None:
        pytest.skip("colcon is not installed")
    prefixes = [os.environ.get("AMENT_PREFIX_PATH", ""), sys.prefix]
    environment = os.environ | {
        "AMENT_PREFIX_PATH": os.pathsep.join(filter(None, prefixes)),
        # The package is built with the interpreter that runs the tests, in the wheels' prefix.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    done = subprocess.run(
        [command, *arguments], cwd=workspace, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def workspace(source_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A colcon workspace with the package built in it."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "src").mkdir()
    shutil.copytree(source_copy, folder / "src" / NAME)
    colcon(folder, "build", "--packages-select", NAME)
    return folder


@pytest.fixture(scope="module")
def prefix(workspace: Path) -> Path:
    """The install prefix of the package."""
    return workspace / "install" / NAME


def test_colcon_sees_an_ament_python_package(workspace: Path) -> None:
    # An invalid package.xml fails silently: colcon would say (python).
    assert colcon(workspace, "list").split() == [NAME, f"src/{NAME}", "(ros.ament_python)"]


@pytest.mark.parametrize("name", EXECUTABLES)
def test_ros2_run_finds_the_executable(prefix: Path, name: str) -> None:
    assert os.access(prefix / "lib" / NAME / name, os.X_OK)


def test_the_package_is_in_the_resource_index(prefix: Path) -> None:
    assert (prefix / "share/ament_index/resource_index/packages" / NAME).is_file()


@pytest.mark.parametrize("folder", ["launch", "config", "config/cameras", "rviz"])
def test_ros2_launch_finds_every_file(prefix: Path, repository: Path, folder: str) -> None:
    expected = {path.name for path in (repository / folder).iterdir() if path.is_file()}
    assert expected
    assert {path.name for path in (prefix / "share" / NAME / folder).iterdir() if path.is_file()} == expected


def test_every_module_and_data_file_is_installed(prefix: Path, source_copy: Path) -> None:
    # A room without __init__.py, or a suffix missing from package_data, would be left out without a word.
    (installed,) = prefix.glob(f"lib/python*/site-packages/{NAME}")
    expected = {path.relative_to(source_copy / NAME) for path in (source_copy / NAME).rglob("*") if path.is_file()}
    assert {path for path in expected if not (installed / path).is_file()} == set()


def run_installed(prefix: Path, name: str, *arguments: str) -> str:
    """Run an installed executable the way `ros2 run` does in a shell that sourced install/setup.bash."""
    (library,) = prefix.glob("lib/python*/site-packages")
    paths = {"PYTHONPATH": str(library), "AMENT_PREFIX_PATH": str(prefix)}
    done = subprocess.run(
        [str(prefix / "lib" / NAME / name), *arguments],
        env=os.environ | paths,
        cwd=prefix,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def test_the_installed_command_line_runs(prefix: Path) -> None:
    code, _, output = run_installed(prefix, "mono_depth", "--help").partition("\n")
    assert code == "0" and "usage: mono_depth" in output


def test_the_installed_node_runs_from_the_install_space(prefix: Path) -> None:
    pytest.importorskip("rclpy")
    arguments = ("--ros-args", "-p", "model:=no_such_model")
    code, _, output = run_installed(prefix, "depth_node", *arguments).partition("\n")
    assert code == "1" and "no_such_model" in output


def test_the_installed_package_finds_its_profile_without_ros(prefix: Path) -> None:
    (library,) = prefix.glob("lib/python*/site-packages")
    script = "from mono_depth_ros.resources import share_file; print(share_file('config/fastdds.xml'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(library), "PATH": os.environ["PATH"]},
        cwd=prefix,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == (prefix / "share" / NAME / "config" / "fastdds.xml").resolve()
