# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from mono_depth_ros.tools.demo import processes
from mono_depth_ros.tools.demo.processes import Children, ProcessError

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
POLITE = (
    "import signal, sys, time\n"
    "def end(*_): print('bye', flush=True); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n" + SLEEP
)


def python(code):
    return [sys.executable, "-c", code]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, timeout_s=10.0):
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.02)


def test_output_comes_line_by_line_and_then_none():
    with Children(os.environ) as children:
        child = children.start("talker", python("print('a'); print('b')"))
        assert [child.stdout.get(timeout=10) for _ in range(3)] == ["a", "b", None]
        assert child.wait(10) and child.code() == 0


def test_environment_reaches_the_child():
    with Children({**os.environ, "WORD": "green"}) as children:
        child = children.start("talker", python("import os; print(os.environ['WORD'])"))
        assert child.stdout.get(timeout=10) == "green"


def test_a_child_that_ends_is_told_with_its_last_words():
    code = "import sys; [print('line', k, file=sys.stderr) for k in range(100)]; sys.exit(3)"
    with Children(os.environ) as children:
        child = children.start("depth node", python(code))
        assert child.wait(10)
        with pytest.raises(ProcessError) as error:
            children.check()
        assert str(error.value).startswith("depth node ended with exit code 3. Its last lines:\nline 70\n")
        assert str(error.value).endswith("line 99")
        children.check(child)  # excepted


def test_a_killed_child_is_told_with_the_signal():
    with Children(os.environ) as children:
        child = children.start("camera", python(SLEEP))
        assert child.stdout.get(timeout=10) == "up"
        children.check()
        child.signal(signal.SIGKILL)
        assert child.wait(10)
        with pytest.raises(ProcessError, match=r"(?s)camera was killed by signal 9.*\(it wrote nothing\)"):
            children.check()


def test_leaving_the_block_ends_all_politely():
    with Children(os.environ) as children:
        found = [children.start(f"child {k}", python(POLITE)) for k in range(3)]
        for child in found:
            assert child.stdout.get(timeout=10) == "up"
    for child in found:
        assert child.stdout.get(timeout=10) == "bye" and child.code() == 0


def test_one_that_does_not_listen_is_killed(monkeypatch):
    monkeypatch.setattr(processes, "_GRACE_S", 0.3)
    with pytest.raises(KeyboardInterrupt), Children(os.environ) as children:
        stubborn = children.start("stubborn", python(STUBBORN))
        assert stubborn.stdout.get(timeout=10) == "up"
        raise KeyboardInterrupt
    assert stubborn.code() == -signal.SIGKILL


def test_grandchildren_go_too():
    start = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])"
    code = f"{start}; print(p.pid, flush=True); p.wait()"
    with Children(os.environ) as children:
        parent = children.start("parent", python(code))
        # Both write to the same pipe, in an order of their own.
        lines = {parent.stdout.get(timeout=10), parent.stdout.get(timeout=10)}
        assert "up" in lines
        grandchild = int((lines - {"up"}).pop())
    wait_until(lambda: not alive(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends children of a killed parent")
def test_children_end_with_a_parent_that_is_killed():
    code = (
        "import os, sys, time\n"
        "from mono_depth_ros.tools.demo.processes import Children\n"
        "with Children(os.environ) as children:\n"
        f"    child = children.start('child', [sys.executable, '-c', {SLEEP!r}])\n"
        "    child.stdout.get()\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait(10)
    wait_until(lambda: not alive(child))


def test_a_second_interrupt_does_not_stop_the_clean_up():
    code = (
        "import os, sys\n"
        "from mono_depth_ros.tools.demo import processes\n"
        "processes._GRACE_S = 1.0\n"
        "try:\n"
        "    with processes.Children(os.environ) as children:\n"
        f"        child = children.start('child', [sys.executable, '-c', {STUBBORN!r}])\n"
        "        child.stdout.get()\n"
        "        print(child.pid, flush=True)\n"
        "        child.wait(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', child.code(), flush=True)\n"
    )
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGINT)
    time.sleep(0.3)
    parent.send_signal(signal.SIGINT)
    assert parent.stdout.readline() == f"interrupted {-signal.SIGKILL}\n"
    assert parent.wait(20) == 0 and not alive(child)
