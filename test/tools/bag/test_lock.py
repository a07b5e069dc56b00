# SPDX-License-Identifier: Apache-2.0
"""One process at a time: on one machine by flock, between machines and where there is no flock by the lease."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time

import pytest

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.tools.bag import lock
from mono_depth_ros.tools.bag.lock import BusyError, Holder, holder, lock_path, locked


@pytest.fixture
def no_flock(monkeypatch):
    """A file system as Lustre without its mount option."""

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", flock)


def child(work):
    """A forked process; its pid."""
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def of_another_machine(path, age_s):
    file = lock_path(path)
    file.write_bytes(Holder("7", "robot", "1700000000", "another-kernel", "t").record())
    os.utime(file, times=(time.time() - age_s,) * 2)
    return file


def test_the_second_is_told_who_and_since_when_and_kill_9_lets_go_at_once(tmp_path):
    path = tmp_path / "made" / "out.mcap"

    def work():
        with locked(path):
            time.sleep(60)

    pid = child(work)
    wait_for(lambda: holder(path))
    since = time.strftime("%Y-%m-%d %H:")
    said = f"process {pid} on {socket.gethostname()} is working on .*out.mcap since {since}.*: wait for it, or end it"
    with pytest.raises(BusyError, match=said), locked(path):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert lock_path(path).exists() and holder(path) is None
    begun = time.monotonic()
    with locked(path):
        assert holder(path).pid == str(os.getpid())
    assert time.monotonic() - begun < 1
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]  # which was there before, as it seems
    assert not list((tmp_path / "made").iterdir())


def test_folders_that_were_made_for_a_lock_alone_go_with_it(tmp_path):
    with locked(tmp_path / "a" / "b" / "out"):
        pass
    assert not list(tmp_path.iterdir())
    with locked(tmp_path / "a" / "b" / "out"):
        (tmp_path / "a" / "kept").write_text("")
    assert [item.name for item in tmp_path.rglob("*")] == ["a", "kept"]


def test_one_output_by_two_names_and_names_of_any_length(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "folder").mkdir()
    long = tmp_path / ("x" * 250)
    with locked(tmp_path / "folder", long, long):
        for path in (tmp_path / "link", tmp_path / "other" / ".." / "folder", long):
            with pytest.raises(BusyError), locked(path):
                pass
    assert {item.name for item in tmp_path.iterdir()} == {"link", "folder"}


def test_all_or_none(tmp_path):
    with locked(tmp_path / "b"), pytest.raises(BusyError), locked(tmp_path / "a", tmp_path / "b", tmp_path / "c"):
        pass
    assert holder(tmp_path / "a") is None and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MonoDepthError, match="cannot be locked: "), locked(tmp_path / "file" / "out.mcap"):
        pass


def test_a_full_disk_is_named_and_leaves_no_lock(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(lock.os, "pwrite", full)
        with pytest.raises(MonoDepthError, match="No space left on device"), locked(tmp_path / "out"):
            pass
    assert not list(tmp_path.iterdir())


def test_another_machine_is_believed_as_long_as_it_gives_signs(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_SETTLE_S", 0.01)
    path = tmp_path / "out"
    of_another_machine(path, lock.LEASE_S - 10)
    with pytest.raises(BusyError, match="process 7 on robot is working on"), locked(path):
        pass
    of_another_machine(path, lock.LEASE_S + 10)
    with locked(path):
        assert holder(path).host == socket.gethostname()


def test_of_two_machines_that_take_over_at_once_one_has_it(tmp_path, monkeypatch):
    path = tmp_path / "out"
    of_another_machine(path, lock.LEASE_S + 10)
    # In the moment of settling the other one writes its record too.
    monkeypatch.setattr(lock.time, "sleep", lambda _: of_another_machine(path, 0))
    with pytest.raises(BusyError, match="process 7 on robot"), locked(path):
        pass
    assert Holder.of(lock_path(path).read_bytes()).host == "robot"


def test_without_flock_the_lease_holds_as_long_as_its_holder_works(tmp_path, monkeypatch, no_flock):
    monkeypatch.setattr(lock, "BEAT_S", 0.05)
    monkeypatch.setattr(lock, "LEASE_S", 0.6)
    monkeypatch.setattr(lock, "_SETTLE_S", 0.01)
    path = tmp_path / "out"

    def work():
        with locked(path):
            time.sleep(60)

    pid = child(work)
    wait_for(lambda: holder(path))
    with pytest.raises(BusyError, match=f"process {pid} on"), locked(path, patience_s=1.2):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with locked(path, patience_s=5):
        pass
    assert not list(tmp_path.iterdir())


def test_who_was_taken_over_ends_without_touching_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.02)
    ended = []
    monkeypatch.setattr(lock, "_end", ended.append)
    with locked(tmp_path / "out"):
        of_another_machine(tmp_path / "out", 0)
        wait_for(lambda: ended)
    assert "process 7 on robot is working on" in ended[0] and "stood still" in ended[0]
    assert lock_path(tmp_path / "out").exists()  # the other one's


@pytest.mark.parametrize("flock", [True, False])
def test_nobody_is_ever_there_at_the_same_time(tmp_path, request, flock):
    if not flock:
        request.getfixturevalue("no_flock")
    path, counter = tmp_path / "out", tmp_path / "counter"
    counter.write_text("0")

    def work():
        for _ in range(10):
            with locked(path, patience_s=30):
                count = int(counter.read_text())
                time.sleep(0.001)
                counter.write_text(str(count + 1))

    for pid in [child(work) for _ in range(4)]:
        assert os.waitpid(pid, 0)[1] == 0
    assert counter.read_text() == "40"


def test_a_lock_that_is_let_go_in_time_is_waited_for(tmp_path):
    begin, held = threading.Event(), []

    def hold():
        with locked(tmp_path / "x"):
            begin.set()
            time.sleep(0.5)
            held.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    begin.wait()
    with locked(tmp_path / "x", patience_s=10.0):
        assert held == ["first"]
    thread.join()
