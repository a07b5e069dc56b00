# SPDX-License-Identifier: Apache-2.0
"""MCAP files of every writer are read in full: no part of an index is needed, and none is believed against the data."""

from __future__ import annotations

import itertools
import struct
import zlib

import pytest
import zstandard
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter

from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.bags.topics import choose
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import DataError

FOOTER = 37
NONE, CHUNK, MESSAGE = IndexType.NONE, IndexType.CHUNK, IndexType.MESSAGE


def write(path, maker, chunk=3000, late=(), **options):
    """Chunks of about four messages; those of `late` are written last, whenever they were recorded."""
    with path.open("wb") as stream:
        writer = McapWriter(stream, chunk, **options)
        writer.start("ros2")
        channels = {}
        rows = sorted(maker.messages, key=lambda item: item[2])
        for topic, kind, log_ns, data in sorted(rows, key=lambda item: item[0] in late):
            if topic not in channels:
                schema = writer.register_schema(kind, "ros2msg", b"")
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], log_ns, data, log_ns)
        writer.finish()
    return rows


def read(path):
    """Topic, type, time and bytes of every message, the damage, the notes without the path, and the counts."""
    with BagReader(path) as reader:
        counts = {name: topic.count for name, topic in reader.topics.items()}
        span = reader.start_ns, reader.end_ns
        found = [(item.topic, item.kind, item.log_ns, item.data) for item in reader.messages(reader.topics)]
        if found:
            assert span == (found[0][2], found[-1][2])
        return found, reader.damage, [note.replace(f"{path} ", "") for note in reader.notes], counts


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
def test_no_part_of_an_index_is_needed(tmp_path, maker, compression):
    maker.frames(10)
    indexes = (NONE, CHUNK, MESSAGE, CHUNK | MESSAGE, IndexType.ALL)
    names = ("use_chunking", "use_statistics", "repeat_channels", "repeat_schemas", "use_summary_offsets")
    for index, flags in itertools.product(indexes, itertools.product((False, True), repeat=len(names))):
        options = dict(zip(names, flags, strict=True))
        rows = write(tmp_path / "in.mcap", maker, compression=compression, index_types=index, **options)
        counts = {"/camera/image_raw": 10, "/camera/camera_info": 10}
        assert read(tmp_path / "in.mcap") == (rows, "", [], counts), (index, options)
        with BagReader(tmp_path / "in.mcap") as reader:
            some = list(reader.messages(["/camera/camera_info"], rows[4][2], rows[12][2]))
            assert [item.log_ns for item in some] == [row[2] for row in rows[4:12] if "info" in row[0]]


def test_chunks_that_overlap_are_merged_in_the_order_of_their_times(tmp_path, maker):
    maker.frames(20)
    rows = write(tmp_path / "in.mcap", maker, late=("/camera/image_raw",))
    assert read(tmp_path / "in.mcap")[0] == rows


def changed_statistics(data, change):
    """The file with other counts of messages in its statistics, and a summary whose checksum is right."""
    start, offsets, _ = struct.unpack_from("<QQI", data, len(data) - FOOTER + 9)
    data = bytearray(data)
    at = start
    while data[at] != 0x0B:
        at += 9 + struct.unpack_from("<Q", data, at + 1)[0]
    (length,) = struct.unpack_from("<I", data, at + 9 + 42)
    for place in range(at + 9 + 46, at + 9 + 46 + length, 10):
        channel, count = struct.unpack_from("<HQ", data, place)
        struct.pack_into("<HQ", data, place, channel, change(count))
    end = len(data) - FOOTER
    struct.pack_into("<QQI", data, end + 9, start, offsets, zlib.crc32(data[start : end + 25]))
    return bytes(data)


@pytest.mark.parametrize("chunks", [False, True])
def test_statistics_that_are_wrong_lose_no_message_and_find_those_that_are_lost(tmp_path, maker, chunks):
    path = tmp_path / "in.mcap"
    rows = write(path, maker.frames(10), use_chunking=chunks)
    whole = path.read_bytes()
    assert changed_statistics(whole, lambda count: count) == whole
    path.write_bytes(changed_statistics(whole, lambda count: count - 4))
    assert read(path)[:2] == (rows, "")
    path.write_bytes(changed_statistics(whole, lambda count: count + 4))
    found, damage, *_ = read(path)
    lost = "lost: 8 of 28 messages (/camera/camera_info 4 of 14, /camera/image_raw 4 of 14)"
    assert found == rows and damage == f"{path} is damaged: it holds less than it says; {lost}"
    with BagReader(path) as reader:  # a part of it says nothing about that
        assert len(list(reader.messages(reader.topics, rows[5][2]))) == 15 and not reader.damage


def test_an_index_that_is_wrong_is_not_believed(tmp_path, maker):
    path = tmp_path / "in.mcap"
    rows = write(path, maker.frames(10))
    whole = path.read_bytes()
    (start,) = struct.unpack_from("<Q", whole, len(whole) - FOOTER + 9)
    at = whole.index(b"\x08", start)  # of the first chunk
    end = len(whole) - FOOTER
    for place, value in ((at + 9 + 16, 7), (at + 9 + 16, 2**63), (at + 9 + 24, 2**62), (at + 9 + 24, 3)):
        data = bytearray(whole)
        struct.pack_into("<Q", data, place, value)
        path.write_bytes(data)
        assert read(path)[:3] == (rows, "", ["has a broken index, and was read without it"])
        struct.pack_into("<I", data, end + 25, zlib.crc32(data[start : end + 25]))
        path.write_bytes(data)
        assert read(path)[:3] == (rows, "", ["has a wrong index, and was read without it"])


def test_a_chunk_that_is_in_the_index_twice_is_read_once(tmp_path, maker):
    path = tmp_path / "in.mcap"
    rows = write(path, maker.frames(10), use_statistics=False)
    whole = path.read_bytes()
    start, *_ = struct.unpack_from("<QQI", whole, len(whole) - FOOTER + 9)
    at = whole.index(b"\x08", start)
    length = 9 + struct.unpack_from("<Q", whole, at + 1)[0]
    end = len(whole) - FOOTER
    summary = whole[start : at + length] + whole[at:end]
    foot = whole[end : end + 9] + struct.pack("<QQ", start, 0)
    checksum = struct.pack("<I", zlib.crc32(summary + foot))
    path.write_bytes(whole[:start] + summary + foot + checksum + whole[-8:])
    assert read(path)[:3] == (rows, "", [])


def test_a_file_without_its_end_is_whole_up_to_its_last_message(tmp_path, maker):
    path = tmp_path / "in.mcap"
    rows = write(path, maker.frames(10))
    whole = path.read_bytes()
    (start,) = struct.unpack_from("<Q", whole, len(whole) - FOOTER + 9)
    for cut in (start, start + 20, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert read(path)[:3] == (rows, "", ["lacks its end, and has all of its messages"])
    path.write_bytes(whole[: start - 13])  # without the record that ends the data
    found, damage, *_ = read(path)
    assert found == rows and damage == (
        f"{path} is damaged: it ends at byte {start - 13} without an index: the recording was cut off"
    )


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
def test_a_chunk_that_was_cut_off_gives_what_is_there(tmp_path, maker, compression):
    path = tmp_path / "in.mcap"
    rows = write(path, maker.frames(800), chunk=10**7, compression=compression)  # one chunk
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found, damage, *_ = read(path)
    assert found == rows[: len(found)] and "is damaged: it is cut off in the record at byte " in damage
    assert len(found) > 500  # of 1600; zstd and lz4 give whole blocks


def test_topics_of_others_are_never_chosen(tmp_path, maker, kit):
    """Not even one that is called sensor_msgs/msg/Image, or has a topic with the name of one of ROS."""
    path = tmp_path / "in.mcap"
    rows = maker.frames(2).messages
    with path.open("wb") as stream:
        writer = McapWriter(stream)
        writer.start("")
        protobuf = writer.register_schema("sensor_msgs/msg/Image", "protobuf", b"\n\xff\xfe\x00binary")
        custom = writer.register_schema("mine", "mine", b"\xff")
        others = [
            writer.register_channel("/proto/image", "protobuf", protobuf),
            writer.register_channel("/camera/image_raw", "json", 0),
            writer.register_channel("/bare", "cdr", 0),
            writer.register_channel("/mine", "mine", custom),
        ]
        channels = {}
        for topic, kind, log_ns, data in rows:
            for other in others:
                writer.add_message(other, log_ns, b"\x00", log_ns)
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, "cdr", writer.register_schema(kind, "ros2msg", b""))
            writer.add_message(channels[topic], log_ns, data, log_ns)
        writer.finish()
    found, damage, notes, _ = read(path)
    assert (found, damage) == (rows, "") and notes == [
        "left out, since not of ROS: /proto/image (protobuf sensor_msgs/msg/Image, 4 messages), "
        "/camera/image_raw (json, 4 messages), /bare (cdr, 4 messages), /mine (mine mine, 4 messages)"
    ]
    with BagReader(path) as reader:
        assert choose(reader, BagConfig()).image == "/camera/image_raw"


def test_messages_that_are_packed_one_by_one_are_known_by_their_bytes(tmp_path, maker):
    path = tmp_path / "in.mcap"
    rows = maker.frames(4).messages
    maker.messages = [(topic, kind, log_ns, zstandard.compress(data)) for topic, kind, log_ns, data in rows]
    write(path, maker)
    assert read(path)[:2] == (sorted(rows, key=lambda item: item[2]), "")
    topic, kind, log_ns, data = maker.messages[2]
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress(rows[2][3])
    for broken, words in ((data[:30], "its zstd data is broken"), (streamed[:-3], "its zstd data ends too early")):
        maker.messages[2] = (topic, kind, log_ns, broken)
        write(path, maker)
        found, damage, *_ = read(path)
        assert len(found) == 7
        assert f"a message on /camera/image_raw is broken: {words}; lost: 1 of 4 messages" in damage
    maker.messages[2] = (topic, kind, log_ns, streamed)
    write(path, maker)
    assert read(path)[1] == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty \\(0 bytes\\): its recorder was ended before it wrote anything"),
        (b"\x89MCAP0\r\n", "it ends at byte 8 without an index"),
        (b"\x89MCAP0\r\n" + bytes(1000), "from byte 8 on it holds zeros"),
        (b"\x28\xb5\x2f\xfd" + bytes(range(200)), "it is empty"),
        (bytes(range(256)) * 20, "it is no MCAP file, by its first bytes"),
    ],
)
def test_files_in_which_nothing_can_be_read(tmp_path, content, words):
    (tmp_path / "in.mcap").write_bytes(content)
    with pytest.raises(DataError, match=rf"in\.mcap cannot be read: {words}"):
        BagReader(tmp_path / "in.mcap")
