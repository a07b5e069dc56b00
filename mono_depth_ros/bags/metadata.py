# SPDX-License-Identifier: Apache-2.0
"""metadata.yaml of a bag folder, and the text that `mono_depth bag` keeps in a single file."""

from __future__ import annotations

import os
import sqlite3
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mcap.exceptions import McapError
from mcap.reader import make_reader
from rosbags.interfaces import Qos

from mono_depth_ros.bags.part import offered
from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import DataError

BUSY = ".writing"
"""Subfolder of a bag for what is not finished."""

_NAME = "metadata.yaml"


def write_metadata(folder: Path, metadata: dict[str, Any]) -> None:
    """metadata.yaml of a bag folder, whole or not at all; no kill leaves anything beside it that stays."""
    temporary = folder / BUSY / _NAME
    temporary.parent.mkdir(exist_ok=True)
    with temporary.open("w", encoding="utf-8") as stream:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        yaml.dump({"rosbag2_bagfile_information": metadata}, stream, dumper, sort_keys=False, allow_unicode=True)
    os.replace(temporary, folder / _NAME)


def read_metadata(folder: Path) -> dict[str, Any] | None:
    """The contents of metadata.yaml, or None where there is none.

    Raises:
        DataError: it is not that of a bag.
    """
    try:
        found = _parse((folder / _NAME).read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
        if isinstance(found, dict):
            return found
        why = "its rosbag2_bagfile_information is empty"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        why = _in_words(error)
    raise DataError(f"{folder / _NAME} is not that of a bag: {why}")


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"it cannot be read: {(error.strerror or '').lower()}"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"it is no YAML, in line {error.problem_mark.line + 1}"
    if isinstance(error, KeyError | TypeError):
        return "it has no rosbag2_bagfile_information"
    return "it is no YAML"


@dataclass(frozen=True)
class BagMetadata:
    """What metadata.yaml says of a bag, as far as it makes sense; the files themselves know better.

    Attributes:
        files: their names, in its order. counts: of messages, by topic and type. qos: as offered, by topic.
        file_counts: of messages, by file.
    """

    files: tuple[str, ...] = ()
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    qos: dict[str, tuple[Qos, ...]] = field(default_factory=dict)
    file_counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, values: dict[str, Any]) -> BagMetadata:
        """Of its contents; what is of another type than it should be is not there."""
        topics: list[tuple[str, str, Any, Any]] = []
        for item in _list(values, "topics_with_message_count"):
            about = item.get("topic_metadata") if isinstance(item, dict) else None
            if isinstance(about, dict) and isinstance(about.get("name"), str):
                kind, qos = str(about.get("type")), about.get("offered_qos_profiles")
                topics.append((about["name"], kind, item.get("message_count"), qos))
        files = [item for item in _list(values, "files") if isinstance(item, dict)]
        return cls(
            tuple(Path(item).name for item in _list(values, "relative_file_paths") if isinstance(item, str)),
            {(name, kind): count for name, kind, count, _ in topics if isinstance(count, int)},
            {name: offered(qos) for name, _, _, qos in topics},
            {Path(str(item.get("path"))).name: n for item in files if isinstance(n := item.get("message_count"), int)},
        )


def _list(values: dict[str, Any], key: str) -> list[Any]:
    found = values.get(key)
    return found if isinstance(found, list) else []


def joined(before: dict[str, Any] | None, fresh: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a bag with one more file: see rosbag2_storage/BagMetadata."""
    if before is None:
        return fresh
    counts = {item["topic_metadata"]["name"]: item["message_count"] for item in before["topics_with_message_count"]}
    topics = [
        {**item, "message_count": item["message_count"] + counts[item["topic_metadata"]["name"]]}
        for item in fresh["topics_with_message_count"]
    ]
    files = before["files"] + fresh["files"]
    held = [item for item in files if item["message_count"]] or files
    start = min(item["starting_time"]["nanoseconds_since_epoch"] for item in held)
    end = max(item["starting_time"]["nanoseconds_since_epoch"] + item["duration"]["nanoseconds"] for item in held)
    return {
        **fresh,
        "relative_file_paths": before["relative_file_paths"] + fresh["relative_file_paths"],
        "files": files,
        "topics_with_message_count": topics,
        "message_count": before["message_count"] + fresh["message_count"],
        "starting_time": {"nanoseconds_since_epoch": start},
        "duration": {"nanoseconds": end - start},
    }


def kept_text(file: Path, key: str) -> str | None:
    """What is kept under `key` in a finished .mcap or .db3 file; None where there is nothing, or no such file."""
    try:
        text = _of_mcap(file) if file.suffix == ".mcap" else _of_sqlite(file)
        return str(_parse(text)["custom_data"][key])
    except (McapError, struct.error, sqlite3.Error, OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None


def _of_mcap(file: Path) -> str:
    with file.open("rb") as stream:
        found = {item.name: item.metadata for item in make_reader(stream).iter_metadata()}
    return found["rosbag2"]["serialized_metadata"]


def _of_sqlite(file: Path) -> str:
    database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return str(database.execute("SELECT metadata FROM metadata ORDER BY id DESC").fetchone()[0])
    finally:
        database.close()


def _parse(text: str) -> Any:
    return load_yaml(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader), 10_000_000)
