# SPDX-License-Identifier: Apache-2.0
"""Files that would take the stack, the memory or the time of the process that reads them are refused in a sentence."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
import yaml

from mono_depth_ros.alignment.scale_file import read_scale
from mono_depth_ros.bags.metadata import kept_text
from mono_depth_ros.config.strict_yaml import read_yaml
from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.geometry.calibration import read_calibration
from mono_depth_ros.models.families.depth_anything_v2 import _by_sidecar
from mono_depth_ros.models.weights.files import read_json

_LAUGHS = "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
BOMBS = {
    "deep": "a: " + "[" * 100_000 + "]" * 100_000,
    "aliases": f"a: &a [{', '.join('x' * 9)}]\n{_LAUGHS}",
    "itself": "a: &a [*a]",
    "long": "- 1\n" * 200_000,
    "digits": "a: 0x" + "f" * 100_000,
    "no date": "a: 2001-99-99",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_a_bomb_is_a_yaml_error_at_once(text, loader):
    began = time.monotonic()
    with pytest.raises(yaml.YAMLError):
        load_yaml(text, loader)
    assert time.monotonic() - began < 5


def test_what_people_write_is_read():
    assert load_yaml("k: &k [1, 2]\np: *k\nq: {r: *k}\nnote: '12" + "0" * 500 + "'\n")["q"] == {"r": [1, 2]}
    assert load_yaml("") is None


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("read", [read_calibration, read_scale, read_yaml, _by_sidecar])
def test_every_reader_refuses_it_in_a_sentence(tmp_path, text, read):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(MonoDepthError) as refused:
        read(path, "scene") if read is read_scale else read(path)
    assert len(str(refused.value)) < 500 and "\n" not in str(refused.value)


def test_a_deep_json_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("[" * 100_000)
    with pytest.raises(MonoDepthError, match="cannot be read as JSON"):
        read_json(path)


def test_metadata_that_is_a_bomb_is_none(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "bag.db3") as database:
        database.execute("CREATE TABLE metadata (id INTEGER, metadata TEXT)")
        database.execute("INSERT INTO metadata VALUES (1, ?)", (BOMBS["deep"],))
    assert kept_text(tmp_path / "bag.db3", "key") is None
