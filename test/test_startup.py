# SPDX-License-Identifier: Apache-2.0
"""Signals while something heavy is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from mono_depth_ros.startup import interrupts_between_imports, signals_later


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


def test_an_interrupt_comes_after_the_import_that_it_fell_into(tmp_path, monkeypatch):
    (tmp_path / "falls_into.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(0.2)\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), interrupts_between_imports():
        import falls_into

        assert falls_into.whole
        time.sleep(10.0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_outside_imports_comes_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_between_imports():
        signal.raise_signal(signal.SIGINT)
        done.append("never")
    assert not done


@pytest.mark.parametrize("name", ["depth", "alignment", "camera", "world", "play", "recorder"])
def test_ctrl_c_while_a_node_is_imported_ends_it_without_a_word(tmp_path, name):
    # The first of its heavy imports, which takes its time and swallows what is raised meanwhile, as callbacks do.
    (tmp_path / "numpy.py").write_text(
        "import os, signal, time\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(20)\nexcept BaseException:\n    pass\n"
    )
    path = os.pathsep.join((str(tmp_path), *filter(None, (os.environ.get("PYTHONPATH"),))))
    command = [sys.executable, "-m", f"mono_depth_ros.nodes.{name}_node"]
    process = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, timeout=60)
    assert (process.returncode, process.stdout, process.stderr) == (130, b"", b"")
