# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import dataclass, fields

import pytest

from mono_depth_ros import config
from mono_depth_ros.config import Config, DepthConfig, DepthNodeConfig, ModelConfig, allowed, option
from mono_depth_ros.errors import ConfigError


@dataclass(frozen=True)
class Example(Config):
    count: int = option(3, "how many", unit="px", low=1, high=9)
    ratio: float = option(0.5, "how much", low=0.0)
    mode: str = option("a", "which", choices=("a", "b"))
    flag: bool = option(True, "whether")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 0}, "count is 0, expected 1 to 9 px"),
        ({"count": 10}, "1 to 9 px"),
        ({"count": 2.5}, "expected a int"),
        ({"count": True}, "expected a int"),
        ({"ratio": -0.1}, "0 or more"),
        ({"ratio": math.nan}, "ratio is nan"),
        ({"ratio": "much"}, "expected a float"),
        ({"mode": "c"}, "one of: a, b"),
        ({"flag": 1}, "true or false"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(changes, words):
    with pytest.raises(ConfigError, match=words):
        Example(**changes)


def test_limits_are_inclusive_and_integers_pass_for_floats():
    assert Example(count=1, ratio=0).ratio == 0 and Example(count=9).count == 9


def test_min_depth_must_be_below_max_depth():
    with pytest.raises(ConfigError, match="min_depth is 5 m, expected less than max_depth, 4 m"):
        DepthConfig(min_depth=5.0, max_depth=4.0)


def classes():
    found = [c for c in vars(config).values() if isinstance(c, type) and issubclass(c, Config) and c is not Config]
    assert {DepthConfig, ModelConfig} <= set(found)
    return found


@pytest.mark.parametrize("cls", classes(), ids=lambda c: c.__name__)
def test_every_option_is_documented_and_every_default_is_allowed(cls):
    cls()
    for item in fields(cls):
        assert len(item.metadata["doc"]) > 8 and allowed(item)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ("",)),
        ("front", ("front",)),
        ("[front, left]", ("front", "left")),
        ("['front', \"left\"]", ("front", "left")),
        ("front,roof/left_2", ("front", "roof/left_2")),
    ],
)
def test_cameras_are_a_list_of_names(text, names):
    assert DepthNodeConfig(cameras=text).camera_names == names


@pytest.mark.parametrize("text", ["front, front", "front,", "[front left]", "2nd", "/front", "front/", "a-b", ","])
def test_what_is_no_name_of_a_camera_is_refused(text):
    with pytest.raises(ConfigError, match="cameras holds"):
        DepthNodeConfig(cameras=text)
