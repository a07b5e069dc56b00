# SPDX-License-Identifier: Apache-2.0
"""Signals while something heavy is imported."""

from __future__ import annotations

import signal

import pytest

from mono_depth_ros.tools.startup import signals_later


def test_ctrl_c_waits_for_the_end_of_the_import():
    done = []
    with pytest.raises(KeyboardInterrupt), signals_later():
        signal.raise_signal(signal.SIGINT)
        done.append("the import goes on")
    assert done and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_that_was_there_gets_the_signal():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with signals_later():
            signal.raise_signal(signal.SIGTERM)
            assert not came
        assert came == [signal.SIGTERM]
        with signals_later():
            pass
        assert len(came) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
