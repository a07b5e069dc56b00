# SPDX-License-Identifier: Apache-2.0
"""Each check, where what it looks at is there, missing, broken or hanging."""

from __future__ import annotations

import fcntl
import os
import sys
import time

import pytest

from mono_depth_ros import transport
from mono_depth_ros.tools.doctor import checks, probe
from mono_depth_ros.tools.doctor.command import in_words


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts a module of this code before every other, for the processes that are asked."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    def fake(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.setattr(checks, "installed", lambda _: True)

    return fake


@pytest.mark.parametrize(
    "code, reason",
    [
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("import time; time.sleep(60)", "no answer within 0.5 s"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("1 +", "SyntaxError"),
    ],
)
@pytest.mark.parametrize(
    "module, check, state",
    [("torch", checks.torch, "broken"), ("rclpy", checks.ros, "warning"), ("openvino", None, "warning")],
)
def test_a_broken_package_is_named_and_nothing_hangs(fake, monkeypatch, code, reason, module, check, state):
    monkeypatch.setattr(probe, "PATIENCE_S", 0.5)
    fake(module, code)
    found = check() if check else checks.engine(module)
    assert (found.state, reason in found.found) == (state, True) and found.advice and "\n" not in found.found


def test_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(checks, "installed", lambda _: False)
    assert checks.torch().state == "broken"
    others = [checks.ros(), checks.cv_bridge(), checks.tf2(), checks.numba(), checks.engine("openvino")]
    assert {check.state for check in others} == {"absent"}


def test_a_check_that_fails_is_one_line(monkeypatch):
    def webcam():
        raise ZeroDivisionError("no")

    found = checks._safely(webcam)
    assert (found.name, found.state) == ("webcam", "warning") and "ZeroDivisionError: no" in found.found


@pytest.mark.parametrize(
    "answer, seen, state",
    [("NVIDIA H200, 550.1, 143771 MiB", "2.5\n12.4\nH200", "ok"), ("NVIDIA H200, 1, 2", "2.5+cpu\nnone", "warning")],
)
def test_a_gpu_and_a_torch_that_does_not_use_it(monkeypatch, answer, seen, state):
    monkeypatch.setattr(checks.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(checks, "ask", lambda *_: answer)
    monkeypatch.setattr(checks, "ask_python", lambda _: seen)
    found = checks.gpu()
    assert found.state == state and "H200" in found.found and bool(found.advice) == (state == "warning")


def test_segments_of_processes_that_are_gone_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "SHARED_MEMORY", tmp_path)
    for digit in "ab":
        (tmp_path / f"fastrtps_{digit * 16}").write_bytes(bytes(3_000_000))
        (tmp_path / f"fastrtps_{digit * 16}_el").touch()
    (tmp_path / "of_others").touch()
    with (tmp_path / f"fastrtps_{'a' * 16}_el").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [file.name for file in checks.stale_segments()] == ["fastrtps_" + "b" * 16]
        found = checks.shared_memory()
    assert found.state == "warning" and "1 segments of processes that are gone, 3 MB" in found.found
    assert "fastdds shm clean" in found.advice


def test_the_profile_in_force(monkeypatch, tmp_path):
    for name in (*transport.VARIABLES, transport.OWN_VARIABLE, "RMW_IMPLEMENTATION", "ROS_DISTRO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert "the nodes bring fastdds" in checks.profile().found
    monkeypatch.setenv(transport.VARIABLES[0], str(tmp_path / "nowhere.xml"))
    assert checks.profile().state == "warning" and "which is not there" in checks.profile().found
    monkeypatch.setenv(transport.VARIABLES[0], str(transport.profile()))
    assert "of this package" in checks.profile().found
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    assert "is no Fast DDS" in checks.profile().found and "CYCLONEDDS_URI" in checks.profile().advice


def test_lines_fit_a_screen():
    lines = in_words("warning", "shared memory", "found " * 40, "do " * 40).splitlines()
    assert max(map(len, lines)) <= 100 and lines[0].startswith("warning shared memory  found")
    assert sum("-> do" in line for line in lines) == 1 and all(line[:23].isspace() for line in lines[1:])


def test_nothing_heavy_is_imported_in_this_process():
    code = (
        "import sys; from mono_depth_ros.tools.doctor import checks; "
        "print(*[m for m in ('torch', 'numpy', 'cv2', 'rclpy', 'transformers') if m in sys.modules])"
    )
    assert probe.ask([sys.executable, "-c", code]) == ""


def test_an_interrupt_waits_for_no_answer(monkeypatch):
    def hanging():
        probe.ask([sys.executable, "-c", "import time; time.sleep(60)"])

    def interrupted():
        while not probe._RUNNING:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(checks, "python", interrupted)  # the first that the main thread waits for
    monkeypatch.setattr(checks, "torch", hanging)
    start_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        checks.examine()
    assert time.monotonic() - start_s < 10.0
