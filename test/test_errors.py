# SPDX-License-Identifier: Apache-2.0
"""Text from outside is data: it forges no line of a log, and floods nothing."""

from __future__ import annotations

import pickle

import pytest

from mono_depth_ros.errors import SENTENCE, DataError, ImageError, MonoDepthError, shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rgb8", "rgb8"),
        ("Kamera vorne, Ärger 深度", "Kamera vorne, Ärger 深度"),
        ("rgb8\n[ERROR] [depth]: all is lost", "rgb8\\n[ERROR] [depth]: all is lost"),
        ("\r\x1b[2J\x07\x00\x9b", "\\r\\x1b[2J\\x07\\x00\\x9b"),
        ("\u202egnp.\u2028x\ud800", "\\u202egnp.\\u2028x\\ud800"),
        (b"\n", "b'\\n'"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text, words):
    assert shown(text) == words


def test_long_text_is_cut_and_its_length_said():
    assert shown("x" * 5000) == "x" * 80 + "... (5000 characters)"
    assert shown("x" * 80) == "x" * 80 and len(shown("\n" * 5000, 10)) < 50


@pytest.mark.parametrize("make", [MonoDepthError, DataError, lambda text: ImageError(text, "reason")])
def test_every_error_is_one_line_of_bounded_length(make):
    error = make("found\n[FATAL] forged\x1b[31m, expected " + "y" * 100_000)
    assert str(error).startswith("found\\n[FATAL] forged\\x1b[31m, expected yyy") and len(str(error)) < SENTENCE + 50
    assert str(make("plain")) == "plain" == str(pickle.loads(pickle.dumps(DataError("plain"))))
