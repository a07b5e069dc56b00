# SPDX-License-Identifier: Apache-2.0
"""A bag written in segments: each storage file appears whole, and metadata.yaml, replaced after each, lists them.

So the folder is at any moment a bag of what is finished, as rosbag2 itself splits bags, whatever ends the process.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rosbags.interfaces import MessageDefinitionFormat
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from mono_depth_ros.bags.metadata import BUSY, joined, read_metadata, write_metadata
from mono_depth_ros.bags.reader import TYPES, TopicInfo

_VERSION: Literal[8] = 8  # of metadata.yaml; 9 is read by Jazzy and later only
_PLUGINS = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


@dataclass(frozen=True)
class Channel:
    """One topic of the bag that is written; without `definition` its type is one that we know."""

    topic: str
    kind: str
    definition: str = ""
    digest: str = ""
    qos: tuple[Any, ...] = ()


def copied_channel(item: TopicInfo) -> Channel | None:
    """The channel to copy a topic's messages into, or None where they are not those of a type that anybody defines."""
    if item.encoding != "cdr":
        return None
    definition, qos = item.definition, item.qos
    if definition is None or definition.format is MessageDefinitionFormat.NONE or not definition.data:
        return Channel(item.name, item.kind, qos=qos) if item.kind in TYPES.fielddefs else None
    types = get_typestore(Stores.EMPTY)
    try:
        idl = definition.format is MessageDefinitionFormat.IDL
        types.register(get_types_from_idl(definition.data) if idl else get_types_from_msg(definition.data, item.kind))
        return Channel(item.name, item.kind, definition.data, types.hash_rihs01(item.kind), qos)
    except Exception:  # rosbags raises what its parser meets
        return Channel(item.name, item.kind, qos=qos) if item.kind in TYPES.fielddefs else None


class BagFile:
    """One new storage file in a folder of its own, by rosbags.

    Args:
        folder: must not exist. channels: to begin with. storage: "mcap" or "sqlite3". compression: "none" or "zstd".
    """

    def __init__(self, folder: Path, channels: Iterable[Channel], storage: str, compression: str) -> None:
        self.folder = folder
        self._writer = Writer(folder, version=_VERSION, storage_plugin=_PLUGINS[storage])
        if compression == "zstd":
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._connections: dict[str, Any] = {}
        for item in channels:
            self.add(item)

    def add(self, item: Channel) -> None:
        """One more topic."""
        given = {"msgdef": item.definition, "rihs01": item.digest} if item.definition else {"typestore": TYPES}
        self._connections[item.topic] = self._writer.add_connection(
            item.topic, item.kind, offered_qos_profiles=item.qos, **given
        )

    def set_record(self, text: str) -> None:
        """Text kept with the bag."""
        self._writer.set_custom_data("mono_depth", text)

    def write(self, topic: str, log_ns: int, data: bytes | memoryview) -> None:
        self._writer.write(self._connections[topic], log_ns, data)

    def close(self) -> Path:
        """Finish it; returns the storage file, beside which lies its metadata.yaml."""
        self._writer.close()
        (file,) = (item for item in self.folder.iterdir() if item.suffix in (".mcap", ".db3"))
        return file

    def abort(self) -> None:
        """Leave it, unfinished, and remove it."""
        self._writer.abort()
        shutil.rmtree(self.folder, ignore_errors=True)


class SegmentWriter:
    """A bag folder that grows by whole files.

    Args:
        folder: of the bag; made if need be. name: of its files, which become NAME_0.mcap, NAME_1.mcap and so on.
        channels: everything that will be written. storage: "mcap" or "sqlite3". metadata: of the segments that are
            there already.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        channels: list[Channel],
        storage: str,
        compression: str,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.folder, self._name, self._channels = folder, name, channels
        self._storage, self._compression = storage, compression
        self.metadata = metadata
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / BUSY, ignore_errors=True)
        known = set(metadata["relative_file_paths"]) if metadata else set()
        for file in folder.glob(f"{name}_*"):
            if file.name not in known and file.suffix in (".mcap", ".db3"):
                file.unlink()  # finished, but the process ended before it was listed
        self._file: BagFile | None = None

    @property
    def count(self) -> int:
        """Finished segments."""
        return len(self.metadata["relative_file_paths"]) if self.metadata else 0

    def write(self, topic: str, log_ns: int, data: bytes | memoryview) -> None:
        """Into the current segment; the first message begins it."""
        self._open().write(topic, log_ns, data)

    def finish_segment(self, record: str) -> None:
        """Close the current segment and list it, together with `record`, in one step that happens or does not."""
        file = self._open()
        path = file.close()
        fresh = read_metadata(file.folder)
        assert fresh is not None, "rosbags has written it"
        os.replace(path, self.folder / path.name)
        self.metadata = joined(self.metadata, fresh)
        self.metadata["custom_data"] = {"mono_depth": record}
        self._file = None
        write_metadata(self.folder, self.metadata)
        shutil.rmtree(self.folder / BUSY, ignore_errors=True)

    def abort(self) -> None:
        """Leave the current segment; those before it stay."""
        if self._file is not None:
            self._file.abort()
            self._file = None
        shutil.rmtree(self.folder / BUSY, ignore_errors=True)

    def _open(self) -> BagFile:
        if self._file is None:
            folder = self.folder / BUSY / f"{self._name}_{self.count}"
            self._file = BagFile(folder, self._channels, self._storage, self._compression)
        return self._file
