# SPDX-License-Identifier: Apache-2.0
"""A plain `pip install .`: the wheel has the code, the weights, the share folder and the commands."""

from __future__ import annotations

import configparser
import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("pip") and importlib.util.find_spec("setuptools")),
    reason="pip and setuptools are not installed",
)


@pytest.fixture(scope="module")
def wheel(source_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done = subprocess.run([*command, str(source_copy)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("mono_depth_ros-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile, source_copy: Path) -> None:
    package = source_copy / "mono_depth_ros"
    expected = {str(path.relative_to(source_copy)) for path in package.rglob("*") if path.is_file()}
    assert expected - set(wheel.namelist()) == set()


@pytest.mark.parametrize("folder", ["launch", "config", "config/cameras", "rviz"])
def test_the_wheel_has_the_share_folder(wheel: zipfile.ZipFile, source_copy: Path, folder: str) -> None:
    (data,) = {name.partition("/")[0] for name in wheel.namelist() if ".data/" in name}
    share = f"{data}/data/share/mono_depth_ros"
    expected = {f"{share}/{folder}/{path.name}" for path in (source_copy / folder).iterdir() if path.is_file()}
    assert expected and expected - set(wheel.namelist()) == set()
    assert f"{data}/data/share/ament_index/resource_index/packages/mono_depth_ros" in wheel.namelist()


def test_the_commands_name_functions_that_exist(wheel: zipfile.ZipFile, repository: Path) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    parser = configparser.ConfigParser()
    parser.read_string(wheel.read(name).decode())
    commands = dict(parser["console_scripts"])
    assert set(commands) == {
        "mono_depth",
        "alignment_node",
        "camera_node",
        "depth_node",
        "play_node",
        "rviz_node",
        "world_node",
    }
    for target in commands.values():
        module, _, function = target.partition(":")
        source = repository / (module.replace(".", "/") + ".py")
        assert re.search(
            rf"^(def {function}\(| *from .* import {function}$|{function} = )", source.read_text(), re.MULTILINE
        )
