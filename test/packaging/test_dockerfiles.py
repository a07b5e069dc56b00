# SPDX-License-Identifier: Apache-2.0
"""What a Dockerfile names is there: files, extras, packages, launch file. They are not built here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
IMAGES = {"gpu": ("jazzy", "ros:jazzy-ros-base"), "jetson": ("humble", "nvcr.io/nvidia/l4t-jetpack:r36.4.0")}
INSTRUCTIONS = {"FROM", "ENV", "ARG", "RUN", "COPY", "ENTRYPOINT", "CMD"}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def lines(path: Path) -> list[str]:
    """The instructions, each in one line, comments left out."""
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [line for line in re.sub(r"\\\n\s*", "", "\n".join(kept)).splitlines() if line.strip()]


def test_there_are_two() -> None:
    assert {path.name.partition(".")[0] for path in FILES} == set(IMAGES)


def test_instructions_and_base_image(path: Path, lines: list[str]) -> None:
    assert {line.split()[0] for line in lines} <= INSTRUCTIONS
    distribution, image = IMAGES[path.name.partition(".")[0]]
    assert lines[0] == f"FROM {image}"
    text = "\n".join(lines)
    assert set(re.findall(r"/opt/ros/(\w+)|ros-(humble|jazzy|kilted)-", text)) <= {
        (distribution, ""),
        ("", distribution),
    }
    assert "NOT BUILT YET" in path.read_text(encoding="utf-8")


def test_what_is_copied_is_there_and_enough(lines: list[str]) -> None:
    copied: set[str] = set()
    for line in lines:
        if line.startswith("COPY"):
            *sources, target = line.split()[1:]
            assert target.startswith("/ws/src/mono_depth_ros/")
            assert len(sources) > 1 or (ROOT / sources[0]).is_dir() == (not target.endswith("/"))
            copied |= set(sources)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    needed = set(re.findall(r"^(?:graft|include) (.+)$", (ROOT / "MANIFEST.in").read_text(), re.MULTILINE))
    assert {name for names in needed for name in names.split()} | {"setup.py", "setup.cfg", "mono_depth_ros"} <= copied


def test_extras_exist_and_never_bring_both_wheels(lines: list[str]) -> None:
    text = "\n".join(lines)
    (extras,) = re.findall(r"mono_depth_ros\[([\w,-]+)\]", text)
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert all(f'"{name}": ' in setup for name in extras.split(","))
    assert "onnx-gpu" in extras.split(",") and not {"onnx", "dev"} & set(extras.split(","))
    assert not re.search(r"\bonnxruntime\b(?!-gpu)", text)
    assert text.index("torch") < text.index(extras)  # or pip takes PyPI's


def test_ros_packages_are_those_of_package_xml(path: Path, lines: list[str]) -> None:
    wanted = {item.text for item in ElementTree.parse(ROOT / "package.xml").getroot().iter("exec_depend")}
    distribution = IMAGES[path.name.partition(".")[0]][0]
    named = set(re.findall(rf"ros-{distribution}-([\w-]+)", "\n".join(lines))) - {"ros-base"}
    assert {name.replace("-", "_") for name in named} <= wanted


def test_what_is_started_exists(lines: list[str]) -> None:
    (command,) = (line for line in lines if line.startswith("CMD"))
    launch = re.findall(r'"([\w.]+\.launch\.py)"', command)
    assert launch and all((ROOT / "launch" / name).exists() for name in launch)
    arguments = re.findall(r'"(\w+):=', command)
    known = (ROOT / "config" / "depth.yaml").read_text(encoding="utf-8") + (ROOT / "launch" / launch[0]).read_text()
    assert all(name in known for name in arguments)
    assert lines[-2].startswith('ENTRYPOINT ["/entry.sh"]') and "> /entry.sh" in "\n".join(lines)
