# SPDX-License-Identifier: Apache-2.0
"""The manners of the command line: wrong words and values, aliases, examples, completion, `--config`."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest

from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.tools import parser as parser_module
from mono_depth_ros.tools.cli import build_parser, main
from mono_depth_ros.tools.parser import Parser


def parsers(parser: argparse.ArgumentParser, name: str = "mono_depth") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from parsers(child, f"{name} {word}")


ALL = dict(parsers(build_parser()))


def refused(capsys, *words):
    """The one line that a wrong command gets."""
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(words)
    out, line = capsys.readouterr()
    assert ended.value.code == 2 and not out and line.count("\n") == 1, line
    return line


@pytest.mark.parametrize("name", ALL)
def test_help_opens_with_two_examples_that_the_parser_reads(name):
    parser = ALL[name]
    lines = parser.format_help().splitlines()
    assert lines[0] == "examples:" and lines[3] == "" and lines[4].startswith("usage: ")
    assert parser.description and parser.description.endswith(".")
    for line in lines[1:3]:
        words = shlex.split(line)
        assert line.strip().startswith(name) and build_parser().parse_args(words[1:])
        assert len(line) <= 100
        assert {after for flag, after in pairwise(words) if flag == "--model"} <= CATALOGUE.keys()


@pytest.mark.parametrize("name", ALL)
def test_no_parser_guesses_flags(name):
    assert not ALL[name].allow_abbrev and isinstance(ALL[name], Parser)


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["image", "a.png", "--strid", "3"], "mono_depth image: there is no --strid: did you mean --stride?"),
        (["image", "a.png", "--nothing=3"], "mono_depth image: '--nothing=3' is not expected"),
        (["play", "a", "b"], "mono_depth play: 'b' is not expected"),
        (["bag", "a", "--stride", "0"], "--stride: found '0', expected 1 to 64 px"),
        (["bag", "a", "--stride", "9" * 5000], "expected 1 to 64 px"),
        (
            ["bag", "a", "--curve", "invers"],
            "--curve: found 'invers', expected one of: auto, best, inverse, log, scale",
        ),
        (["bag", "a", "--max-depth", "nan"], "--max-depth: found 'nan', expected 0.01 m or more"),
        (["eval", "nyi", "b"], "invalid choice: 'nyi'"),
        (["demo", "--domain-id", "102"], "--domain-id: found '102', expected 0 to 101"),
        (["demo", "--out", "~nobody_of_this_name/a"], "and there is no user 'nobody_of_this_name' here"),
        (["demo", "--out", ""], "--out: found '', expected a path"),
        (["image", "a\nb", "--stride", "\n\x1b[2J"], r"found '\n\x1b[2J', expected 1 to 64 px"),
        (["nothing\nat all"], r"invalid choice: 'nothing\nat all'"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_2(words, sentence, capsys):
    assert sentence in refused(capsys, *words)


def test_values_that_do_not_go_together_exit_2(capsys):
    assert main(["image", "a.png", "--out", "o", "--min-depth", "3", "--max-depth", "2"]) == 2
    assert "expected less than max_depth" in capsys.readouterr().err


def test_a_home_folder_is_expanded_after_an_equals_sign():
    assert build_parser().parse_args(["demo", "--out=~/a"]).out == parser_module.path("~/a")
    assert str(parser_module.path("~/a")) == os.path.expanduser("~/a")


def test_earlier_names_work_and_are_hidden():
    found = build_parser().parse_args(["models", "fetch", "tiny", "--to", "weights"])
    assert str(found.out) == "weights" and "--to" not in ALL["mono_depth models fetch"].format_help()


@pytest.mark.parametrize("words", [[], ["models"]])
def test_without_a_tool_there_is_help(words, capsys):
    assert main(words) == 0
    assert "usage: mono_depth" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line, expected",
    [
        ("mono_depth b", {"bag", "bench"}),
        ("mono_depth bag x --curve ", {"affine", "auto", "best", "inverse", "log", "scale"}),
        ("mono_depth image x --model depth_anything_v2_b", {"depth_anything_v2_base"}),
        ("mono_depth models export tiny --engine o", {"onnx", "openvino"}),
    ],
)
def test_the_shell_completes(line, expected):
    pytest.importorskip("argcomplete")
    environment = {**os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "IFS": "\n"}
    code = "import os; os.dup2(1, 8); from mono_depth_ros.tools.cli import main; main([])"
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert {word.strip() for word in found.stdout.replace("\v", "\n").split()} == expected, found.stderr
