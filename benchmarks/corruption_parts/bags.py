# SPDX-License-Identifier: Apache-2.0
"""Recordings: MCAP with and without chunks and index, packed, SQLite, and metadata.yaml beside whole files.

A reader that loses messages and does not say so is as wrong as one that fails.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import lz4.frame
import numpy as np
import zstandard
from mcap.records import Chunk, Message
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer

from corruption_parts.kind import Kind, Target, command, unclear
from mono_depth_ros.bags.messages import empty, header_of, info_from
from mono_depth_ros.bags.reader import TYPES, BagReader
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, IMAGE
from mono_depth_ros.messages.stamps import sec_nanosec
from mono_depth_ros.tools.info.survey import survey

_COUNT = 30  # images, and as many camera_info
_CAMERA = Camera(16, 12, 20.0, 20.0, 7.5, 5.5)
_BEGIN_NS, _STEP_NS = 1_700_000_000_000_000_000, 100_000_000
_PAGE = 4096

Row = tuple[str, str, int, bytes]
"""Topic, type, time, bytes."""


def _rows() -> list[Row]:
    noise = np.random.default_rng(1)
    rows: list[Row] = []
    for index in range(_COUNT):
        time_ns = _BEGIN_NS + index * _STEP_NS
        header = header_of(_Header(time_ns))
        image = empty(IMAGE, header)
        fill_image(image, noise.integers(0, 256, (12, 16, 3), dtype=np.uint8), "rgb8")
        for topic, kind, message in (
            ("image_raw", IMAGE, image),
            ("camera_info", CAMERA_INFO, info_from(_CAMERA, header)),
        ):
            rows.append((f"/camera/{topic}", kind, time_ns, bytes(TYPES.serialize_cdr(message, kind))))
    return rows


class _Header:
    frame_id = "camera"

    def __init__(self, time_ns: int) -> None:
        self.stamp = TYPES.types["builtin_interfaces/msg/Time"](*sec_nanosec(time_ns))


def _folder(path: Path, rows: Sequence[Row], storage: StoragePlugin) -> Path:
    """A bag folder as recorders write it; returns its storage file."""
    with Writer(path, version=8, storage_plugin=storage) as writer:
        known = {}
        for topic, kind, time_ns, data in rows:
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(known[topic], time_ns, data)
    return next(item for item in path.iterdir() if item.suffix in (".mcap", ".db3"))


def _mcap_file(
    path: Path, compression: CompressionType, chunks: bool = True, index: bool = True, rows: Sequence[Row] = ()
) -> Path:
    """One of another writer, with JSON beside the messages of ROS; chunks of about five messages."""
    with path.open("wb") as stream:
        writer = McapWriter(
            stream, 4096, compression, index_types=IndexType.ALL if index else IndexType.NONE, use_chunking=chunks
        )
        writer.start("ros2")
        log = writer.register_channel("/log", "json", 0)
        known: dict[str, int] = {}
        for topic, kind, time_ns, data in rows or _rows():
            if topic not in known:
                known[topic] = writer.register_channel(topic, "cdr", writer.register_schema(kind, "ros2msg", b""))
            writer.add_message(known[topic], time_ns, data, time_ns)
        writer.add_message(log, time_ns, b"{}", time_ns)
        writer.finish()
    return path


def _read(path: Path) -> int:
    """Messages of ROS. Raises RuntimeError where some are gone and nothing says so, or not in words."""
    with BagReader(path) as reader:
        times = [message.log_ns for message in reader.messages(reader.topics)]
        said = reader.damage
        elsewhere = sum(topic.count for topic in reader.left_out.values())
        if not reader.topics and not said:
            raise DataError(f"{path.name} holds no topics at all")  # as the commands say
    if said and (flaw := unclear(said, (path.name, path.parent.name))):
        raise RuntimeError(f"the damage {flaw}: {said[:300]}")
    if 0 < len(times) + elsewhere < 2 * _COUNT and not said:
        raise RuntimeError(f"{2 * _COUNT - len(times)} messages are lost without a word")
    return len(times)


def _beside(name: str) -> Callable[[Path], int]:
    """Reads the folder of a metadata.yaml, or of another file in it."""
    return lambda path: _read(path.parent if name == "folder" else path)


def _command(path: Path) -> None:
    out = path.parent / "out"
    try:
        command("bag", path, "--out", out, "--force", "--model", "tiny", "--engine", "torch", "--threads", "1")
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _info(path: Path) -> int:
    """What `mono_depth info --check --json` says of it: messages that the file claims."""
    found = survey(path, check=True)
    json.dumps(found, allow_nan=False)
    return int(found["messages"])


def _same(whole: bytes, damaged: bytes) -> int:
    """Bytes at the beginning that are as they were."""
    pairs = zip(memoryview(whole), memoryview(damaged), strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(whole), len(damaged)))


def _before(whole: bytes, damaged: bytes) -> int:
    """Of an MCAP file: messages of ROS in chunks, or by themselves, that end before the damage."""
    stream, count, same = io.BytesIO(whole), 0, _same(whole, damaged)
    for record in islice(StreamReader(stream, emit_chunks=True).records, 10_000):
        if stream.tell() > same:
            break
        inside = breakup_chunk(record) if isinstance(record, Chunk) else [record]
        count += sum(isinstance(item, Message) and len(item.data) > 2 for item in inside)
    return count


def _on_whole_pages(whole: bytes, damaged: bytes) -> int:
    """Of a database: messages on pages that are as they were, where all pages without messages are."""
    if len(whole) != len(damaged):
        return 0
    changed = {at for at in range(0, len(whole), _PAGE) if whole[at : at + _PAGE] != damaged[at : at + _PAGE]}
    found = [whole.find(data) // _PAGE * _PAGE for *_, data in _rows()]
    return sum(at not in changed for at in found) if changed <= set(found) else 0


def _all(_: bytes, __: bytes) -> int:
    return 2 * _COUNT


def _mcap(folder: Path) -> Sequence[Target]:
    recorded = _folder(folder / "recorded", _rows(), StoragePlugin.MCAP)
    files = [
        _mcap_file(folder / "zstd.mcap", CompressionType.ZSTD),
        _mcap_file(folder / "lz4.mcap", CompressionType.LZ4, index=False),
        _mcap_file(folder / "plain.mcap", CompressionType.NONE),
        _mcap_file(folder / "no_chunks.mcap", CompressionType.NONE, chunks=False),
    ]
    packed = folder / "packed.mcap.zstd"
    packed.write_bytes(zstandard.compress(files[2].read_bytes()))
    other = folder / "packed.mcap.lz4"
    other.write_bytes(lz4.frame.compress(files[2].read_bytes()))
    converted = _mcap_file(folder / "converted.mcap", CompressionType.ZSTD, rows=_rows()[:8])
    return [
        *(Target(file, _read, _before) for file in files),
        Target(recorded, _beside("folder")),
        Target(packed, _read),
        Target(other, _read),
        Target(converted, _command),
        Target(Path(shutil.copy(files[0], folder / "info.mcap")), _info),
    ]


def _db3(folder: Path) -> Sequence[Target]:
    recorded = _folder(folder / "recorded", _rows(), StoragePlugin.SQLITE3)
    alone = Path(shutil.copy(recorded, folder / "alone.db3"))
    packed = folder / "packed.db3.zstd"
    packed.write_bytes(zstandard.compress(recorded.read_bytes()))
    return [
        Target(alone, _read, _on_whole_pages),
        Target(recorded, _beside("folder"), _on_whole_pages),
        Target(packed, _read),
        Target(Path(shutil.copy(recorded, folder / "info.db3")), _info),
    ]


def _metadata(folder: Path) -> Sequence[Target]:
    targets = []
    rows = _rows()
    for name, storage, read in (
        ("mcap", StoragePlugin.MCAP, _beside("folder")),
        ("sqlite", StoragePlugin.SQLITE3, _beside("metadata.yaml")),
        ("info", StoragePlugin.SQLITE3, _info),
    ):
        file = _folder(folder / name, rows, storage)
        targets.append(Target(file.parent / "metadata.yaml", read, _all))
    return targets


KINDS = {"MCAP": Kind(_mcap), "db3": Kind(_db3), "metadata.yaml": Kind(_metadata, text=True)}
