# SPDX-License-Identifier: Apache-2.0
"""Databases of every release of ROS 2, of recorders that were killed, and with broken pages."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.errors import DataError

PAGE = 4096


def read(path):
    with BagReader(path) as reader:
        found = [(item.topic, item.kind, item.log_ns, item.data) for item in reader.messages(reader.topics)]
        return found, reader.damage, reader.notes


def run(path, code):
    """Statements in a process that dies before it closes the database."""
    head = (
        f"import os, sqlite3\ndatabase = sqlite3.connect({str(path)!r}, isolation_level=None)\nrun = database.execute\n"
    )
    subprocess.run([sys.executable, "-c", f"{head}{code}\nos.kill(os.getpid(), 9)"], check=False)


@pytest.fixture
def recorded(tmp_path, maker):
    path = tmp_path / "in.db3"
    rows = maker.frames(20).write(path).messages
    return path, rows


@pytest.mark.parametrize("release", ["Dashing", "Foxy", "Humble", "Iron"])
def test_every_release_of_the_schema(recorded, release):
    path, rows = recorded
    with sqlite3.connect(path) as database:
        columns = "id, name, type, serialization_format" + ", offered_qos_profiles" * (release != "Dashing")
        if release != "Iron":
            for table in ("message_definitions", "metadata", "schema"):
                database.execute(f"DROP TABLE {table}")
        database.execute(f"CREATE TABLE t AS SELECT {columns} FROM topics")
        database.execute("DROP TABLE topics")
        database.execute("ALTER TABLE t RENAME TO topics")
    assert read(path) == (rows, "", [])


def test_messages_that_sqlite_has_not_merged_in_are_read_and_nothing_is_written(recorded):
    path, rows = recorded
    run(
        path,
        "run('PRAGMA journal_mode=WAL')\nrun('PRAGMA wal_autocheckpoint=0')\n"
        "rows = run('SELECT topic_id, timestamp, data FROM messages ORDER BY id').fetchall()\n"
        "run('DELETE FROM messages WHERE id > 3')\nrun('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()\n"
        "[run('INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)', row) for row in rows[3:]]\n",
    )
    log = path.with_name("in.db3-wal")
    assert log.stat().st_size > 10_000
    path.with_name("in.db3-shm").unlink(missing_ok=True)
    before = {item: (item.stat().st_mtime_ns, item.read_bytes()) for item in path.parent.iterdir() if item.is_file()}
    path.parent.chmod(0o555)  # as on a disk that nobody may write
    found, damage, notes = read(path)
    path.parent.chmod(0o755)
    assert (found, damage) == (rows, "") and "the messages in in.db3-wal are read with it" in notes[0]
    after = {item: (item.stat().st_mtime_ns, item.read_bytes()) for item in path.parent.iterdir() if item.is_file()}
    assert before == after
    log.write_bytes(b"x" * 100)
    found, damage, _ = read(path)
    assert found == rows[:3] and "in.db3 is damaged: its in.db3-wal is broken: the messages in it are lost" in damage


def test_what_was_not_finished_when_the_recorder_was_killed_is_taken_back(recorded):
    path, rows = recorded
    run(
        path,
        "run('PRAGMA cache_size=1')\nrun('PRAGMA cache_spill=1')\nrun('BEGIN')\n"
        "run('UPDATE messages SET data = zeroblob(5000)')\n",
    )
    assert path.with_name("in.db3-journal").stat().st_size > PAGE
    before = path.read_bytes()
    found, damage, notes = read(path)
    assert (found, damage) == (rows, "") and "was not closed by its recorder" in notes[0]
    assert path.read_bytes() == before


def pages(path, text):
    """Pages (numbered from 0) of a database that hold a text."""
    data = path.read_bytes()
    return [at // PAGE for at in range(0, len(data), PAGE) if text in data[at : at + PAGE]]


def test_a_broken_page_costs_its_own_messages(recorded):
    path, rows = recorded
    data = bytearray(path.read_bytes())
    first, *_, last = pages(path, b"rgb8")
    page = (first + last) // 2
    data[page * PAGE : (page + 1) * PAGE] = b"\xff" * PAGE
    path.write_bytes(data)
    found, damage, _ = read(path)
    assert len(rows) - 8 < len(found) < len(rows) and found[0] == rows[0] and found[-1] == rows[-1]
    assert f"in.db3 is damaged: {len(rows) - len(found)} messages, recorded from " in damage
    assert "on broken pages" in damage


def test_messages_that_vanish_from_the_table_are_missed_by_its_index(recorded):
    path, rows = recorded
    data = bytearray(path.read_bytes())
    page = pages(path, b"rgb8")[2]
    data[page * PAGE + 3 : page * PAGE + 5] = b"\0\0"  # the number of its rows: SQLite finds nothing wrong with it
    path.write_bytes(data)
    found, damage, _ = read(path)
    assert len(found) < len(rows) and f"{len(rows) - len(found)} messages, recorded " in damage


def test_rows_that_are_no_messages(recorded):
    path, rows = recorded
    with sqlite3.connect(path) as database:
        (last,) = database.execute("SELECT max(id) FROM messages").fetchone()
        database.execute("UPDATE messages SET data = 'text' WHERE id = ?", (last,))
        database.execute("UPDATE messages SET topic_id = 77 WHERE id = ?", (last - 1,))
        database.execute("INSERT INTO topics SELECT 9, x'ff', type, 'cdr', '', '' FROM topics LIMIT 1")
    found, damage, _ = read(path)
    assert found == rows[:-2]
    assert "damaged: 1 message of topics whose names are lost; " in damage and "lost: 1 of 20 messages" in damage


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"SQLite format 3\0", "it is no SQLite database"),
        (b"SQLite format 3\0" + b"\xff" * 9000, "it is no SQLite database|pages of the database are broken"),
        (bytes(9000), "it is no SQLite database"),
    ],
)
def test_files_in_which_nothing_can_be_read(tmp_path, content, words):
    (tmp_path / "in.db3").write_bytes(content)
    with pytest.raises(DataError, match=rf"in\.db3 cannot be read: ({words})"):
        BagReader(tmp_path / "in.db3")


def test_a_database_of_others_has_no_tables_of_a_recording(tmp_path):
    with sqlite3.connect(tmp_path / "in.db3") as database:
        database.execute("CREATE TABLE cars(name)")
    with pytest.raises(DataError, match="it has no tables of a recording"):
        BagReader(tmp_path / "in.db3")
