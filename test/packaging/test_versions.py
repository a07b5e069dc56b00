# SPDX-License-Identifier: Apache-2.0
"""One version, one licence, and dependencies that package.xml, setup.py and the lock agree about."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import mono_depth_ros

# Imports whose rosdep key or wheel has another name.
KEYS = {
    "cv2": "python3-opencv",
    "mcap": "mcap-ros2-support",
    "numpy": "python3-numpy",
    "rosbags": "python3-rosbags-pip",
    "safetensors": "python3-transformers-pip",
    "huggingface_hub": "python3-transformers-pip",
    "torch": "python3-pytorch-pip",
    "tqdm": "python3-tqdm",
    "transformers": "python3-transformers-pip",
    "yaml": "python3-yaml",
    "lz4": "mcap-ros2-support",  # mcap needs it, as zstandard
    "zstandard": "mcap-ros2-support",
}
# Wanted only where they are: an error or another path where they are not.
OPTIONAL = {
    "argcomplete",
    "certifi",
    "evo",
    "onnx",
    "onnxruntime",
    "open3d",
    "matplotlib",
    "numba",
    "psutil",
    "ray",
}


@pytest.fixture(scope="module")
def manifest(repository: Path) -> ElementTree.Element:
    return ElementTree.parse(repository / "package.xml").getroot()


def imports(folder: Path) -> set[str]:
    """The top-level names that the Python files below a folder import, at any depth of the code."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return {name for name in names if name not in sys.stdlib_module_names and name != "mono_depth_ros"}


def test_one_version(repository: Path, manifest: ElementTree.Element) -> None:
    version = manifest.findtext("version")
    said = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=repository, capture_output=True, text=True, check=True
    )
    top = re.search(r"^(\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)\n-+$", (repository / "CHANGELOG.rst").read_text(), re.M)
    assert version == mono_depth_ros.__version__ == said.stdout.split()[-1] == (top and top[1])


def test_one_licence(repository: Path, manifest: ElementTree.Element) -> None:
    assert manifest.findtext("license") == "Apache-2.0"
    assert "Apache License" in (repository / "LICENSE").read_text()


def test_package_xml_is_valid(repository: Path) -> None:
    package = pytest.importorskip("catkin_pkg.package", reason="catkin_pkg is not installed")
    warnings: list[str] = []
    parsed = package.parse_package(str(repository / "package.xml"), warnings=warnings)
    assert (parsed.package_format, parsed.get_build_type(), warnings) == (3, "ament_python", [])


@pytest.mark.parametrize("folder", ["mono_depth_ros", "launch"])
def test_package_xml_declares_every_import(repository: Path, manifest: ElementTree.Element, folder: str) -> None:
    declared = {item.text for item in manifest if item.tag.endswith("depend")}
    needed = {KEYS.get(name, name) for name in imports(repository / folder) - OPTIONAL}
    assert needed - declared == set()


def test_the_lock_pins_what_setup_py_asks_for(repository: Path) -> None:
    requirements = pytest.importorskip("packaging.requirements")
    lines = [line for line in (repository / "requirements.lock").read_text().splitlines() if line[0] != "#"]
    pins = [requirements.Requirement(line) for line in lines]
    pinned = {re.sub(r"[-_.]+", "-", pin.name).lower(): pin.specifier for pin in pins}
    assert str(pinned["torch"]) == "==2.13.0"
    done = subprocess.run(
        [sys.executable, "-c", _SHOW], cwd=repository, capture_output=True, text=True, check=True, timeout=60
    )
    for text in done.stdout.split("\n"):
        if text:
            wanted = requirements.Requirement(text)
            (pin,) = pinned[re.sub(r"[-_.]+", "-", wanted.name).lower()]
            assert wanted.specifier.contains(pin.version), f"{wanted} is locked at {pin.version}"


def test_every_distribution_is_supported_by_name_and_its_packages_are_new_enough(repository, manifest) -> None:
    names = "Humble, Jazzy, Kilted and Rolling"
    assert names in manifest.findtext("description")
    for page in ("README.md", "docs/ros2.md"):
        assert f"ROS 2 {names}" in (repository / page).read_text()
    requirements = pytest.importorskip("packaging.requirements")
    done = subprocess.run([sys.executable, "-c", _SHOW], cwd=repository, capture_output=True, text=True, check=True)
    asked = {item.name: item.specifier for item in map(requirements.Requirement, filter(None, done.stdout.split("\n")))}
    for name, version in UBUNTU_22_04.items():
        assert asked[name].contains(version), f"{name}{asked[name]}, but Humble's Ubuntu has {version}"


# What the keys of package.xml install there.
UBUNTU_22_04 = {"numpy": "1.21.5", "numba": "0.55.1", "opencv-python": "4.5.4", "PyYAML": "5.4.1", "tqdm": "4.57.0"}


# setup.py with a setup() that prints what `make` installs.
_SHOW = """
import runpy, setuptools
def show(**known):
    extras = known["extras_require"]
    print("\\n".join(known["install_requires"] + extras["jazzy"] + extras["dev"]))
setuptools.setup = show
runpy.run_path("setup.py")
"""
