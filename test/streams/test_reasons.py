# SPDX-License-Identifier: Apache-2.0
"""Why things were left out: counts, first sentences, and the words of a summary."""

from __future__ import annotations

from mono_depth_ros.streams.reasons import Reasons


def test_the_first_sentence_of_each_reason_and_how_often():
    reasons = Reasons()
    for ms in (30, 40, 50):
        reasons.add(f"the scan is {ms} ms late", "late")
    reasons.add("only 3 samples, expected 20")
    reasons.add("only 7 samples, expected 20")  # the same but for its numbers
    assert len(reasons) == 5
    assert reasons.values() == {
        "late": [3, "the scan is 30 ms late"],
        "only # samples, expected #": [2, "only 3 samples, expected 20"],
    }
    said = "aligned 4 of 9 images: 3 because the scan is 30 ms late; 2 because only 3 samples, expected 20"
    assert reasons.sentence("aligned", 4, 9) == said
    again = Reasons(reasons.values())  # goes on where it was put down
    again.add("another", "late")
    assert again.values()["late"] == [4, "the scan is 30 ms late"]


def test_a_single_reason_for_all_needs_no_count():
    reasons = Reasons({"a": [9, "why"]})
    assert reasons.sentence("aligned", 0, 9) == "aligned 0 of 9 images: why"
    assert reasons.sentence("aligned", 0, 10) == "aligned 0 of 10 images: 9 because why"
    assert Reasons().sentence("aligned", 9, 9) == ""
    assert Reasons().sentence("depth of", 0, 0) == "depth of 0 of 0 images"


def test_many_reasons_are_told_up_to_five():
    reasons = Reasons({str(k): [1, f"reason {k}"] for k in "abcdefg"})
    assert reasons.sentence("aligned", 1, 8).endswith("1 because reason e; and 2 other reasons")
