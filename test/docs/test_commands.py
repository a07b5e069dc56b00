# SPDX-License-Identifier: Apache-2.0
"""Every `mono_depth` command in README and docs is read by the real parser; flags, extras and make targets exist."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from mono_depth_ros.tools.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
FOREIGN = {
    "--align": "evo_ape",
    "--enclave": "ros2 run",
    "--field": "ros2 topic echo",
    "--from-paths": "rosdep",
    "--gpus": "docker",
    "--help": "all",
    "--ignore-src": "rosdep",
    "--index-url": "pip",
    "--ipc": "docker",
    "--network": "docker",
    "--once": "ros2 topic echo",
    "--packages-select": "colcon",
    "--rm": "docker",
    "--ros-args": "ros2 run",
    "--runtime": "docker",
    "--show-args": "ros2 launch",
    "--shm-size": "docker",
    "--skip-keys": "rosdep",
    "--system-site-packages": "venv",
}
"""Flags of other programs."""


def commands(text: str, program: str = "mono_depth") -> list[list[str]]:
    """The arguments of each call of a program in the ```sh blocks of a page."""
    found = []
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words:
                end = next((k for k, word in enumerate(words) if word in ("&&", "|", ";")), len(words))
                if words[0].rpartition("/")[2] == program:
                    found.append(words[1:end])
                words = words[end + 1 :]
    return found


def quoted(text: str) -> list[list[str]]:
    """The words of each `mono_depth ...` in the running text, which may leave arguments out."""
    spans = re.findall(r"`(?:\.venv/bin/)?mono_depth ([^`]*)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
    return [span.split() for span in spans]


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices) if actions else {}


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for child in subparsers(parser).values():
        yield from parsers(child)


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_accepted(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in commands(PAGES[page]):
        try:
            build_parser().parse_args(arguments)
        except SystemExit as end:  # --help exits with 0
            assert end.code == 0, f"mono_depth {' '.join(arguments)}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_name_tools_and_flags_that_exist(page: str) -> None:
    for words in quoted(PAGES[page]):
        parser = build_parser()
        while words and words[0] in subparsers(parser):
            parser = subparsers(parser)[words.pop(0)]
        if words and subparsers(parser):
            assert words[0] in {"TOOL", "--help", "--version"}, words
        flags = {word for word in words if word.startswith("--")}
        assert flags <= parser._option_string_actions.keys() | {"--help"}, f"{parser.prog}: {flags}"


def test_flags_in_the_text_exist() -> None:
    known = {flag for parser in parsers(build_parser()) for flag in parser._option_string_actions} | FOREIGN.keys()
    for page, text in PAGES.items():
        flags = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))
        assert flags <= known, f"{page}: {sorted(flags - known)}"


def test_extras_and_make_targets_exist() -> None:
    setup, makefile = (ROOT / "setup.py").read_text(), (ROOT / "Makefile").read_text()
    text = "\n".join(PAGES.values())
    extras = set(",".join(re.findall(r"pip install (?:-e )?'\.\[([\w,-]+)\]'", text)).split(","))
    assert all(f'"{name}": ' in setup for name in extras), extras
    targets = {words[0] for words in commands(text, "make")} | set(re.findall(r"`make (\w+)", text))
    assert targets >= {"demo", "test"} and all(f"\n{name}:" in makefile for name in targets), targets


def test_the_pages_have_commands() -> None:
    assert sum(len(commands(text)) for text in PAGES.values()) > 30
    assert sum(len(quoted(text)) for text in PAGES.values()) > 20
    assert commands("```sh\nmake demo && .venv/bin/mono_depth image 'a b' --out x  # c\n```") == [
        ["image", "a b", "--out", "x"]
    ]
