# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from dataclasses import dataclass, fields

import pytest

from mono_depth_ros.config import Config, DepthConfig, DepthNodeConfig, ModelConfig, option
from mono_depth_ros.tools.options import add_options, config_from


def parse(cls, *words, names=None):
    parser = argparse.ArgumentParser()
    add_options(parser, cls, names)
    return config_from(parser.parse_args(words), cls, names)


@pytest.mark.parametrize("cls", [DepthConfig, DepthNodeConfig, ModelConfig])
def test_without_options_every_default_is_the_class_s(cls):
    assert parse(cls) == cls()


def test_every_kind_of_field():
    config = parse(DepthConfig, "--max-depth", "7.5", "--stride", "3")
    assert config == DepthConfig(max_depth=7.5, stride=3)
    assert parse(DepthNodeConfig, "--rectify", "--no-lazy") == DepthNodeConfig(rectify=True, lazy=False)
    assert parse(ModelConfig, "--model", "1") == ModelConfig(model="1")


def test_only_the_named_fields_are_options(capsys):
    assert parse(DepthConfig, "--stride", "2", names=("stride",)) == DepthConfig(stride=2)
    with pytest.raises(SystemExit):
        parse(DepthConfig, "--max-depth", "2", names=("stride",))
    assert "--max-depth" in capsys.readouterr().err


def test_out_of_range_is_refused_with_the_range(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(DepthConfig, "--stride", "65")
    assert ended.value.code == 2 and "--stride: found '65', expected 1 to 64 px" in capsys.readouterr().err


def test_earlier_names_of_a_field_are_hidden_options():
    @dataclass(frozen=True)
    class Renamed(Config):
        new_name: str = option("a", "The words.", choices=("a", "b"), aliases=("old_name", "older_name"))

    assert parse(Renamed) == Renamed() and parse(Renamed, "--new-name", "b") == Renamed("b")
    assert parse(Renamed, "--old-name", "b") == parse(Renamed, "--older-name", "b") == Renamed("b")
    parser = argparse.ArgumentParser()
    add_options(parser.add_argument_group("g"), Renamed)
    assert "old" not in parser.format_help()


def test_help_says_doc_range_and_default():
    parser = argparse.ArgumentParser()
    add_options(parser, DepthConfig)
    text = " ".join(parser.format_help().split())
    for item in fields(DepthConfig):
        assert item.metadata["doc"] in text
    assert "1 to 64 px (default: 1)" in text
