# SPDX-License-Identifier: Apache-2.0
"""A storage file of SQLite, with what its recorder had not merged in, and row by row where pages are broken.

Nothing is written, neither into the file nor beside it: https://sqlite.org/wal.html, https://sqlite.org/uri.html
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from array import array
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat

from mono_depth_ros.bags.part import FORMATS, Damage, messages, offered, recorded

MAGIC = b"SQLite format 3\0"

_LOG, _JOURNAL = b"\x37\x7f\x06", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_UNKNOWN = -1  # topic of a row that the table does not show
_WORDS = {"not a database": "it is no SQLite database", "no such table": "it has no tables of a recording"}


class SqliteFile:
    """See Part.

    Raises:
        Damage: nothing in it can be read. OSError: it cannot be opened.
    """

    counted: bool = False

    def __init__(self, file: Path) -> None:
        self.places: dict[Hashable, str] = {}
        self.notes: list[str] = []
        self._stack = ExitStack()
        with file.open("rb"):  # for the reason why not, which SQLite does not know
            pass
        if not file.stat().st_size:
            raise Damage("it is empty (0 bytes): its recorder was ended before it wrote anything")
        try:
            self._database = self._connect(file)
            self._stack.callback(self._database.close)
            # SQLite refuses a file shorter than it says, unless it may assume a damaged schema (btree.c, lockBtree).
            self._database.execute("PRAGMA writable_schema=ON")
            self._database.text_factory = lambda text: text.decode(errors="replace")
            topics = self._topics()
            self._rows = self._enumerate()
            nameless = int(np.count_nonzero(~np.isin(self._rows[1], [_UNKNOWN, *(item.id for item in topics)])))
            if nameless:
                self.places["topics"] = f"{messages(nameless)} of topics whose names are lost"
        except sqlite3.Error as error:
            self._stack.close()
            raise Damage(_in_words(error)) from error
        except BaseException:
            self._stack.close()
            raise
        self.claimed: Mapping[int, int] = Counter(self._rows[1].tolist())
        self.connections = [item._replace(msgcount=self.claimed.get(item.id, 0)) for item in topics]
        stamps = self._rows[2]
        self.start_time = int(stamps.min()) if len(stamps) else 2**63 - 1
        self.end_time = int(stamps.max()) + 1 if len(stamps) else 0

    def close(self) -> None:
        """Close the database."""
        self._stack.close()

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """The messages in the order of their times; of equal ones, in that in which they were written."""
        wanted = {item.id: item for item in connections}
        ids, topics, stamps = self._rows
        chosen = np.isin(topics, [*wanted, _UNKNOWN])
        chosen &= (stamps >= (start or 0)) & (stamps < (2**63 - 1 if stop is None else stop))
        order = np.flatnonzero(chosen)
        lost: list[int] = []
        for row in order[np.argsort(stamps[order], kind="stable")]:
            topic, data = self._row(int(ids[row]))
            if not isinstance(data, bytes):
                lost.append(int(stamps[row]))
            elif topic in wanted:
                yield wanted[topic], int(stamps[row]), data
        if lost:
            words = f"{messages(len(lost))}, {recorded(lost[0], lost[-1])}, on broken pages"
            self.places[tuple(sorted(wanted))] = words

    def _row(self, number: int) -> tuple[Any, Any]:
        """Topic and bytes of a message; None where they cannot be read."""
        with suppress(sqlite3.Error, OverflowError):
            found = self._database.execute("SELECT topic_id, data FROM messages WHERE id=?", (number,)).fetchone()
            return found or (None, None)
        return None, None

    def _connect(self, file: Path) -> sqlite3.Connection:
        log, journal = (file.with_name(f"{file.name}-{end}") for end in ("wal", "journal"))
        uri = file.absolute().as_uri()
        if log.is_file() and log.stat().st_size and log.open("rb").read(3) != _LOG:
            self.places["log"] = f"its {log.name} is broken: the messages in it are lost"
        elif log.is_file() and log.stat().st_size:
            # In memory alone: no lock, no index beside the file, which may lie where nobody can write.
            with suppress(sqlite3.Error):
                database = sqlite3.connect(f"{uri}?mode=ro&vfs=unix-none", uri=True, check_same_thread=False)
                database.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
                database.execute("SELECT count(*) FROM sqlite_master").fetchall()
                self.notes.append(f"was not closed by its recorder: the messages in {log.name} are read with it")
                return database
            self.notes.append(f"is read without {log.name}, which SQLite cannot read")
        elif journal.is_file() and journal.open("rb").read(8) == _JOURNAL:
            # A transaction that was not finished has to be taken back, in a copy.
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            for item in (file, journal):
                shutil.copyfile(item, folder / item.name)
            self.notes.append("was not closed by its recorder: what it had begun to write is left out")
            return sqlite3.connect(folder / file.name, check_same_thread=False)
        return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, check_same_thread=False)

    def _topics(self) -> list[Connection]:
        """See rosbag2_storage_sqlite3: topics have a column more since Foxy, types a table of their own since Iron."""
        columns = {str(row[1]) for row in self._database.execute("PRAGMA table_info(topics)")}
        names = ["id", "name", "type", "serialization_format", "offered_qos_profiles"]
        chosen = ", ".join(name if name in columns else "''" for name in names)
        definitions = {}
        with suppress(sqlite3.Error):
            for kind, encoding, text in self._database.execute(
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            ):
                how = FORMATS.get(encoding, MessageDefinitionFormat.NONE)
                definitions[kind] = MessageDefinition(how, str(text))
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, "")
        return [
            Connection(
                number,
                topic,
                str(kind),
                definitions.get(kind, nothing),
                "",
                0,
                ConnectionExtRosbag2(str(how or "cdr"), list(offered(qos))),
                self,
            )
            for number, topic, kind, how, qos in self._database.execute(f"SELECT {chosen} FROM topics ORDER BY id")
            if isinstance(number, int) and isinstance(topic, str)
        ]

    def _enumerate(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Id, topic and time of every message, each (N,) int64, without touching their bytes."""
        found = array("q")
        try:
            for row in self._database.execute("SELECT id, topic_id, timestamp FROM messages ORDER BY id"):
                _extend(found, row)
        except sqlite3.Error as error:
            if "no such table" in str(error):
                raise
            self.places["table"] = f"after message {len(found) // 3} a page is broken"
        # The index of times lies on other pages, and knows of every message: those that the table lacks are looked for
        # one by one.
        with suppress(sqlite3.Error):
            (count,) = self._database.execute("SELECT count(*) FROM messages").fetchone()
            if self.places or count > len(found) // 3:
                known = set(found[::3])
                for number, stamp in self._database.execute("SELECT id, timestamp FROM messages ORDER BY timestamp"):
                    if number not in known:
                        _extend(found, (number, _UNKNOWN, stamp))
                if len(found) // 3 > len(known):
                    self.places.pop("table", None)
        rows = np.array(found, dtype=np.int64).reshape(-1, 3).T
        return rows[0], rows[1], rows[2]


def _extend(found: array[int], row: tuple[Any, ...]) -> None:
    with suppress(TypeError, OverflowError):  # what is no number is no message
        found.extend(array("q", row))


def _in_words(error: sqlite3.Error) -> str:
    text = str(error)
    return next((words for known, words in _WORDS.items() if known in text), "pages of the database are broken")
