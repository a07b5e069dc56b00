# SPDX-License-Identifier: Apache-2.0
"""How processes end by signals: in imports, in callbacks, in the end of the interpreter, and with their launcher."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time

import pytest

from mono_depth_ros.startup import EXIT_WITH_PARENT, LEAVING_S, interruptible, uninterrupted

NODE = "import sys; from mono_depth_ros.startup import node_main; sys.exit(node_main('a_node')())"


def test_a_signal_waits_for_the_end_of_tidying_up():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_that_was_there_gets_the_signal():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            assert not came
        assert came == [signal.SIGTERM]
        with uninterrupted():
            pass
        assert len(came) == 1
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interrupt_comes_after_the_import_that_it_fell_into(tmp_path, monkeypatch):
    (tmp_path / "falls_into.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(0.2)\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), interruptible():
        import falls_into

        assert falls_into.whole
        time.sleep(10.0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_imports_it_comes_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
        done.append("never")
    with pytest.raises(SystemExit) as ended, interruptible():
        signal.raise_signal(signal.SIGTERM)
        done.append("never")
    assert not done and ended.value.code == 143


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_one_that_a_callback_swallows_comes_again(capfd, number, expected):
    class Deaf:
        def __del__(self) -> None:
            signal.raise_signal(number)  # what is raised in here is printed and forgotten

    with pytest.raises(expected), interruptible():
        Deaf()
        time.sleep(10.0)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["depth", "alignment", "camera", "world", "play", "recorder"])
def test_a_signal_while_a_node_is_imported_ends_it_without_a_word(tmp_path, name):
    # The first of its heavy imports, which takes its time and swallows what is raised meanwhile, as callbacks do.
    number = signal.SIGINT if name in ("depth", "camera") else signal.SIGTERM
    (tmp_path / "numpy.py").write_text(
        f"import os, time\ntry:\n    os.kill(os.getpid(), {number:d})\n    time.sleep(20)\n"
        "except BaseException:\n    pass\n"
    )
    process = started(tmp_path, "-m", f"mono_depth_ros.nodes.{name}_node")
    assert ended(process) == (128 + number, "")


@pytest.fixture
def node(tmp_path):
    """Starts a node whose module is this code; its body calls `up`, which this waits for."""

    def start(body: str, *words: str, **environment: str) -> subprocess.Popen[str]:
        (tmp_path / "a_node.py").write_text(
            "import os, signal, sys, threading, time\n"
            "from mono_depth_ros.startup import ending, exit_code\n"
            "def up(): print('up', flush=True)\n"
            f"def main():\n    {body}\n"
        )
        process = started(tmp_path, *(words or ("-c", NODE)), **environment)
        if process.stdout.readline() != "up\n":
            raise AssertionError(process.stderr.read())
        return process

    return start


def started(folder, *words, **environment):
    path = os.pathsep.join((str(folder), *filter(None, (os.environ.get("PYTHONPATH"),))))
    found = {name: value for name, value in os.environ.items() if name != EXIT_WITH_PARENT}
    return subprocess.Popen(
        [sys.executable, *words],
        env={**found, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # which nohup has the tests ignore
    )


def ended(process):
    """The exit code and all that was written."""
    out, errors = process.communicate(timeout=30)
    return process.returncode, out + errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_node_that_does_not_leave_is_gone_in_time_and_hears_no_second_signal(node, number):
    process = node("with ending(): up(); time.sleep(60)")
    start_s = time.monotonic()
    process.send_signal(number)
    time.sleep(0.2)
    process.send_signal(number)
    assert ended(process) == (128 + number, "")
    assert 0.8 * LEAVING_S < time.monotonic() - start_s < 3.0


def test_a_node_sees_the_signal_and_leaves_by_itself(node):
    wait = "with ending() as found:\n        up()\n        while found.number is None: time.sleep(0.01)\n"
    process = node(f"{wait}    return exit_code(found.number)")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "")


@pytest.mark.skipif(sys.platform != "linux", reason="what is ignored is read from /proc")
def test_a_signal_while_the_interpreter_ends_is_not_heard(node):
    late = "lambda: (print('late', flush=True), time.sleep(0.5))"
    process = node(f"up(); import atexit; atexit.register({late}); return 0")
    assert process.stdout.readline() == "late\n"
    process.send_signal(signal.SIGINT)
    # Handlers are the default again at its very end; what is ignored stays ignored.
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:
        (ignored,) = (int(line.split()[1], 16) for line in status if line.startswith("SigIgn"))
    assert ignored & 1 << signal.SIGINT - 1
    assert ended(process) == (0, "")


def test_the_interpreter_does_not_end_under_a_busy_thread(node):
    busy = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); up(); print('words'); "
    process = node(busy + "import atexit; atexit.register(print, 'it ends'); return 3")
    assert process.stdout.read() == "words\n" and process.wait(10) == 3


def test_a_node_ends_with_the_process_that_its_environment_names(node, tmp_path):
    launcher = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    # Another process may be between the two, as a debugger or a terminal is.
    between = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {NODE!r}]).returncode)"
    process = node("up(); time.sleep(60)", "-c", between, **{EXIT_WITH_PARENT: str(launcher.pid)})
    assert process.poll() is None
    launcher.kill()
    # Nothing died by itself: `ros2 launch` calls every other code a death.
    assert ended(process) == (0, "[mono_depth_ros] the process that started this node is gone: shutting down\n")
    launcher.wait()
    process = started(tmp_path, "-c", NODE, **{EXIT_WITH_PARENT: str(launcher.pid)})
    assert ended(process)[0] == 0


def test_without_the_id_of_a_process_it_ends_with_its_parent(node):
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {NODE!r}]); time.sleep(60)"
    process = node("up(); time.sleep(60)", "-c", code, **{EXIT_WITH_PARENT: "1"})
    process.kill()
    assert "is gone: shutting down" in ended(process)[1]  # which comes when the node has closed it


@pytest.mark.skipif("glibc" not in platform.libc_ver(), reason="only glibc has the setting")
@pytest.mark.parametrize(
    ("environment", "kept", "policy"),
    [({}, True, "PASSIVE"), ({"MALLOC_MMAP_THRESHOLD_": "1000000", "OMP_WAIT_POLICY": "ACTIVE"}, False, "ACTIVE")],
)
def test_a_node_keeps_freed_memory_and_lets_threads_sleep_unless_told_otherwise(tmp_path, environment, kept, policy):
    (tmp_path / "a_node.py").write_text(
        "import os, resource, threading\n"
        "def fill():\n"
        "    global before\n"
        "    for index in range(3):\n"
        "        bytearray(80_000_000)\n"
        "        now = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "        before = before if index else now\n"
        "    print(now - before)\n"
        "def main():\n"
        "    fill()\n"
        "    thread = threading.Thread(target=fill)\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    print(os.environ['OMP_WAIT_POLICY'])\n"
        "    return 0\n"
    )
    path = os.pathsep.join((str(tmp_path), *sys.path))
    ours = ("MALLOC_", "GLIBC_", "OMP_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-c", NODE],
        env={**clean, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    first, in_a_thread, said = done.stdout.split()
    assert [int(faults) < 1000 for faults in (first, in_a_thread)] == [kept, kept], "80 MB are some 20,000 pages"
    assert said == policy
