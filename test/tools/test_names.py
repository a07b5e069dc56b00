# SPDX-License-Identifier: Apache-2.0
"""One name for one thing, in every tool and node; earlier names go on working."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields

import pytest

from mono_depth_ros import config
from mono_depth_ros.tools.cli import build_parser
from mono_depth_ros.training.config import TrainConfig

CLASSES = [*(getattr(config, name) for name in config.__all__ if name.endswith("Config")), TrainConfig]
OTHER_UNITS = {
    "rate": "of `play` it is a factor, as of `ros2 bag play`; else it is in Hz",
}
EARLIER = {
    "cloud_stride": "stride",
    "calibration": "camera",
    "extrinsic": "cam_from_reference",
    "hfov_deg": "hfov",
    "shown": "pictures",
}


def options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from options(child)
        elif action.help != argparse.SUPPRESS:
            yield action


def test_a_name_has_one_type_and_one_unit():
    known = defaultdict(set)
    for cls in CLASSES:
        for item in fields(cls):
            known[item.name].add((type(item.default), item.metadata["unit"]))
    several = {name for name, kinds in known.items() if len(kinds) > 1}
    assert several == OTHER_UNITS.keys()


def test_earlier_names_are_those_of_nothing_else():
    earlier = {old: item.name for cls in CLASSES for item in fields(cls) for old in item.metadata["aliases"]}
    assert earlier == EARLIER
    flags = {flag for action in options(build_parser()) for flag in action.option_strings}
    assert not {f"--{old.replace('_', '-')}" for old in earlier} & flags


@pytest.mark.parametrize(
    "words, name, value",
    [
        (["bag", "in", "--extrinsic", "a"], "cam_from_reference", "a"),
        (["image", "in", "--extrinsic", "a"], "cam_from_reference", "a"),
        (["demo", "--hfov-deg", "80"], "hfov", 80.0),
        (["eval", "nyu", "d", "--shown", "7"], "pictures", 7),
    ],
)
def test_earlier_flags_work(words, name, value):
    assert getattr(build_parser().parse_args(words), name) == value


def test_help_is_in_sentences():
    for action in options(build_parser()):
        if action.option_strings and action.dest != "help":
            assert action.help and not action.help[0].islower(), (action.option_strings, action.help)
