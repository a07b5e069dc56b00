# SPDX-License-Identifier: Apache-2.0
"""Damaged bags: all that can be read is converted, the sentence says what is lost and where, and the exit code is 1."""

from __future__ import annotations

import errno
import json
import re
import shutil

import lz4.frame
import numpy as np
import pytest
import zstandard
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from mono_depth_ros.bags.reader import TYPES, BagReader
from mono_depth_ros.bags.transforms import TF_STATIC, static_transform
from mono_depth_ros.errors import DataError
from mono_depth_ros.tools.bag.manifest import is_one_bag

COUNT = 40


def convert(kit, capsys, path, out, *words):
    """Exit code, summary, what was said, log times of the depth images."""
    code = kit.bag(path, "--out", out, "--json", *words)
    printed = capsys.readouterr()
    summary = json.loads(printed.out) if printed.out else None
    return code, summary, printed.err, [log for log, _ in kit.decoded(out, "/depth/image")] if summary else []


def is_a_beginning(kit, logs):
    expected = [kit.BEGIN_NS + kit.DELAY_NS + k * kit.STEP_NS for k in range(COUNT)]
    return 0 < len(logs) < COUNT and logs == expected[: len(logs)]


@pytest.mark.parametrize("share", [0.7, 0.3])
@pytest.mark.parametrize("compressed", [False, True])
def test_an_mcap_file_that_was_cut_off(tmp_path, maker, use, kit, capsys, share, compressed):
    use()
    maker.frames(COUNT)
    path = kit.write_mcap(tmp_path / "whole", maker, compressed)
    data = path.read_bytes()
    cut = tmp_path / "cut.mcap"
    summary_begins = int.from_bytes(data[-28:-20], "little")
    cut.write_bytes(data[: int(summary_begins * share)])
    code, summary, said, logs = convert(kit, capsys, cut, tmp_path / "out.mcap")
    assert code == 1 and "cut.mcap is damaged: it is cut off in the record at byte " in said
    assert is_a_beginning(kit, logs)
    assert summary["written"] == len(logs) >= (COUNT - 1) * share * 0.5


def test_a_chunk_that_is_broken_in_the_middle(tmp_path, maker, use, kit, capsys):
    use()
    path = kit.write_mcap(tmp_path / "whole", maker.frames(COUNT), compressed=True)
    data = bytearray(path.read_bytes())
    at = -1
    for _ in range(9):  # the ninth chunk: it begins as all that zstd packs
        at = data.index(b"\x28\xb5\x2f\xfd", at + 1)
    data[at + 6 : at + 40] = bytes(34)
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(data)
    code, summary, _, logs = convert(kit, capsys, broken, tmp_path / "out.mcap")
    lost = COUNT - len(logs)
    assert code == 1 and 0 < lost < 5
    place = r"broken.mcap is damaged: the chunk at byte \d+, recorded from 170000000\d\.\d+ to 170000000\d\.\d+ s"
    counts = rf"lost: 5 of 80 messages \(/camera/camera_info {5 - lost} of 40, /camera/image_raw {lost} of 40\)"
    assert re.search(f"{place}, is broken: [^;]+; {counts}$", summary["damage"])
    # It is as damaged when it is resumed, and nothing is converted twice.
    again, summary, _, same = convert(kit, capsys, broken, tmp_path / "out.mcap", "--resume")
    assert again == 1 and same == logs and summary["resumed_after"] == len(logs)


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_a_database_that_was_cut_off(tmp_path, maker, use, kit, capsys, share):
    use()
    maker.frames(COUNT).write(tmp_path / "in.db3")
    data = (tmp_path / "in.db3").read_bytes()
    (tmp_path / "cut.db3").write_bytes(data[: int(len(data) * share) // 4096 * 4096])
    code, _, said, logs = convert(kit, capsys, tmp_path / "cut.db3", tmp_path / "out.mcap")
    assert code == 1 and is_a_beginning(kit, logs)
    assert re.search(r"cut.db3 is damaged: \d+ messages, recorded from \S+ to \S+ s, on broken pages", said)


def test_a_split_bag_is_read_around_its_broken_file_and_without_its_metadata(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(COUNT).write(tmp_path / "in.mcap")
    words = ("--merge", "--segment-frames", "3", "--namespace", "first")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "split", *words) == 0
    assert len(list((tmp_path / "split").glob("*.mcap"))) >= 13
    part = tmp_path / "split" / "split_11.mcap"
    part.write_bytes(b"")
    for metadata in (True, False):
        if not metadata:
            (tmp_path / "split" / "metadata.yaml").unlink()
        out = tmp_path / f"out{metadata}.mcap"
        code, summary, _, logs = convert(
            kit, capsys, tmp_path / "split", out, "--namespace", "b", "--image-topic", "/camera/image_raw"
        )
        logs = [log for log, _ in kit.decoded(out, "/b/depth/image")]
        assert code == 1 and "split_11.mcap is damaged" in summary["damage"]
        assert len(logs) == COUNT - 3 and bool("and 12 messages in it lost" in summary["damage"]) == metadata


def test_a_bag_without_metadata_is_whole_all_the_same(tmp_path, maker, kit):
    recorded = maker.frames(3).write(tmp_path / "in")
    (tmp_path / "in" / "metadata.yaml").unlink()
    with BagReader(tmp_path / "in") as reader:
        found = [(message.topic, message.log_ns, message.data) for message in reader.messages(reader.topics)]
        assert found == [(topic, log, data) for topic, _, log, data in recorded.messages]


@pytest.mark.parametrize("name", ["empty.mcap", "noise.mcap", "noise.db3", "noise.bag"])
def test_files_in_which_nothing_can_be_read(tmp_path, kit, capsys, name):
    (tmp_path / name).write_bytes(b"" if "empty" in name else bytes(range(256)) * 40)
    assert kit.bag(tmp_path / name, "--out", tmp_path / "out.mcap") == 1
    said = capsys.readouterr().err
    assert name in said and "Traceback" not in said and not (tmp_path / "out.mcap").exists()


def test_what_is_no_bag(tmp_path, kit):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for path, words in (("none.mcap", "there is no bag"), ("folder", "holds no .mcap"), ("notes.txt", "is no bag")):
        with pytest.raises(DataError, match=words):
            BagReader(tmp_path / path)


def test_an_unindexed_file_is_read_too(tmp_path, maker, kit):
    """No summary, as a writer without an index leaves it: readers scan it."""
    path = kit.write_mcap(tmp_path / "whole", maker.frames(6), compressed=False)
    with Reader(path) as reader:
        assert reader.message_count == 12
    with BagReader(path) as reader:
        assert reader.topics["/camera/image_raw"].count == 6 and not reader.damage


def images(path):
    """How many messages can be read, and the damage."""
    with BagReader(path) as reader:
        return len(list(reader.messages(reader.topics))), reader.damage


def split(tmp_path, maker, kit, use):
    """A folder of four files with six messages each."""
    use()
    maker.frames(9).write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "split", "--segment-frames", "3") == 0
    assert len(list((tmp_path / "split").glob("*.mcap"))) == 4
    return tmp_path / "split"


def test_metadata_that_does_not_fit_its_folder(tmp_path, maker, use, kit):
    folder = split(tmp_path, maker, kit, use)

    def read():
        with BagReader(folder) as reader:
            stamps = [message.log_ns for message in reader.messages(reader.topics)]
            assert stamps == sorted(stamps)
            return len(stamps), reader.damage, [note.replace(str(folder), "split") for note in reader.notes]

    assert read() == (18, "", [])
    metadata = (folder / "metadata.yaml").read_text()
    names = [f"split_{index}.mcap" for index in range(4)]
    for text, notes in (
        (metadata.replace("split_0", "x").replace("split_3", "split_0").replace("x.", "split_3."), []),
        (metadata.replace("split_2.mcap", "recorded_2.mcap"), ["split does not hold recorded_2.mcap, with 6 messages"]),
        (metadata.replace("- split_3.mcap", ""), ["split/metadata.yaml does not name split_3.mcap"]),
        ("{", ["split/metadata.yaml is not that of a bag: it is no YAML, in line 2; the files are read without it"]),
        ("a: 1", ["split/metadata.yaml is not that of a bag: it has no rosbag2_bagfile_information"]),
        ("rosbag2_bagfile_information: {files: 7, relative_file_paths: {a: b}, topics_with_message_count: [3]}", []),
        (metadata.replace("message_count: 6", "message_count: many"), []),
    ):
        (folder / "metadata.yaml").write_text(text)
        count, damage, found = read()
        assert (count, damage, len(found)) == (18, "", len(notes)), (count, damage, found)
        assert all(note in other for note, other in zip(notes, found, strict=True)), found
    # Another recording in the same folder is none of this one's.
    (folder / "metadata.yaml").write_text(metadata)
    shutil.copy(folder / names[0], folder / "other.mcap")
    assert read() == (18, "", ["split holds other.mcap, which its metadata.yaml does not name: not read"])
    (folder / "other.mcap").unlink()
    (folder / names[1]).unlink()
    count, damage, _ = read()
    assert count == 12 and damage.replace(str(folder), "split").startswith(
        "split does not hold split_1.mcap, with 6 messages, unlike its metadata.yaml says; lost: 6 of 18 messages ("
    )
    (folder / "metadata.yaml").unlink()
    assert read() == (12, "", ["split has no metadata.yaml, as when its recorder was killed: read without it"])


def test_packed_files_and_packed_messages(tmp_path, maker, kit):
    recorded = maker.frames(4).write(tmp_path / "in.mcap")
    for mode in (CompressionMode.FILE, CompressionMode.MESSAGE):
        folder = tmp_path / mode.name
        writer = Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3)
        writer.set_compression(mode, CompressionFormat.ZSTD)
        with writer:
            known = {}
            for topic, kind, log_ns, data in recorded.messages:
                if topic not in known:
                    known[topic] = writer.add_connection(topic, kind, typestore=TYPES)
                writer.write(known[topic], log_ns, data)
        for metadata in (True, False):
            if not metadata:
                (folder / "metadata.yaml").unlink()
            with BagReader(folder) as reader:
                found = [(message.topic, message.log_ns, message.data) for message in reader.messages(reader.topics)]
                assert not reader.damage and bool(reader.notes) != metadata
            assert found == [(topic, log, data) for topic, _, log, data in recorded.messages]


def test_a_file_that_was_cut_off_while_it_was_packed(tmp_path, maker, kit):
    path = kit.write_mcap(tmp_path / "whole", maker.frames(400), compressed=False)  # several blocks of zstd
    data = zstandard.compress(path.read_bytes(), 1)
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / "rec_0.mcap.zstd").write_bytes(data[: len(data) - 100])
    count, damage = images(tmp_path / "rec")
    assert 100 < count < 800 and "rec_0.mcap.zstd is damaged: " in damage


def test_zeros_at_the_end_as_a_disk_leaves_them(tmp_path, maker, kit):
    path = kit.write_mcap(tmp_path / "whole", maker.frames(6), compressed=False)
    data = path.read_bytes()
    end = int.from_bytes(data[-28:-20], "little") - 13  # of the data
    (tmp_path / "cut.mcap").write_bytes(data[:end] + bytes(10**7))
    assert images(tmp_path / "cut.mcap") == (
        12,
        f"{tmp_path}/cut.mcap is damaged: from byte {end} on it holds zeros",
    )


def test_a_topic_has_one_type(tmp_path, maker, kit):
    maker.frames(2)
    maker.add("/camera/image_raw", "std_msgs/msg/String", 7, TYPES.types["std_msgs/msg/String"]("not an image"))
    maker.messages.sort(key=lambda item: -item[2])  # the images come first in the file
    with Writer(tmp_path / "in", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {}
        for topic, kind, log_ns, data in maker.messages:
            if (topic, kind) not in known:
                known[topic, kind] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(known[topic, kind], log_ns, data)
    with BagReader(tmp_path / "in") as reader:
        assert reader.topics["/camera/image_raw"].count == 2
        assert {message.kind for message in reader.messages(("/camera/image_raw",))} == {"sensor_msgs/msg/Image"}


def test_a_killed_recording_keeps_the_quality_of_service_of_its_topics(tmp_path, maker):
    with Writer(tmp_path / "in", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kind = TF_STATIC.kind
        connection = writer.add_connection("/map", kind, typestore=TYPES, offered_qos_profiles=TF_STATIC.qos)
        writer.write(connection, 5, static_transform("map", "odom", np.eye(4), 7))
        writer.storage.close_chunk()
    data = (tmp_path / "in" / "in.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: int.from_bytes(data[-28:-20], "little") - 20])
    for path in (tmp_path / "in", tmp_path / "cut.mcap"):
        with BagReader(path) as reader:
            assert [qos.durability.name for qos in reader.topics["/map"].qos] == ["TRANSIENT_LOCAL"]
            assert (reader.start_ns, reader.end_ns, bool(reader.damage)) == (5, 5, path.suffix == ".mcap")


@pytest.mark.parametrize("suffix", ["zstd", "zst", "lz4", "bin"])
def test_packed_files_by_themselves(tmp_path, maker, kit, suffix):
    path = kit.write_mcap(tmp_path / "whole", maker.frames(400), compressed=False)  # several blocks
    pack = lz4.frame.compress if suffix == "lz4" else zstandard.compress
    packed = tmp_path / ("rec.mcap" if suffix == "bin" else f"rec.mcap.{suffix}")
    packed.write_bytes(pack(path.read_bytes()))
    assert images(packed) == (800, "")
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size * 3 // 4])
    count, damage = images(packed)
    assert 100 < count < 800 and f"{packed} is damaged: its {'lz4' if suffix == 'lz4' else 'zstd'} data " in damage
    packed.write_bytes(b"neither nor " * 100)
    with pytest.raises(DataError, match="it is no MCAP file, by its first bytes"):
        BagReader(packed)


def test_of_a_file_that_is_there_twice_the_unpacked_one_is_read(tmp_path, maker, kit):
    """The recorder was killed while it packed it."""
    path = kit.write_mcap(tmp_path / "whole", maker.frames(4), compressed=False)
    (tmp_path / "rec").mkdir()
    path.rename(tmp_path / "rec" / "rec_0.mcap")
    (tmp_path / "rec" / "rec_0.mcap.zstd").write_bytes(zstandard.compress(b"half")[:9])
    assert images(tmp_path / "rec") == (8, "") and is_one_bag(tmp_path / "rec")


def test_no_room_to_unpack(tmp_path, maker, kit, monkeypatch):
    path = kit.write_mcap(tmp_path / "whole", maker.frames(4), compressed=False)
    (tmp_path / "rec.mcap.zstd").write_bytes(zstandard.compress(path.read_bytes()))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mono_depth_ros.bags.packed._copy", full)
    with pytest.raises(DataError, match=r"has no room to unpack it: TMPDIR chooses another folder"):
        BagReader(tmp_path / "rec.mcap.zstd")


def test_paths_that_cannot_be_looked_at(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="cannot be read: file name too long"):
        BagReader(tmp_path / ("x" * 300))
    monkeypatch.setattr(
        type(tmp_path), "iterdir", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    with pytest.raises(DataError, match="cannot be read: permission denied"):
        BagReader(tmp_path)


def test_metadata_that_names_what_is_gone_beside_a_broken_file(tmp_path, maker, kit):
    maker.frames(2).write(tmp_path / "in")
    metadata = (tmp_path / "in" / "metadata.yaml").read_text()
    (tmp_path / "in" / "metadata.yaml").write_text(metadata.replace("in.mcap", "in_7.mcap"))
    (tmp_path / "in" / "in.mcap").write_bytes(b"")
    with pytest.raises(DataError, match="in cannot be read: it is empty"):
        BagReader(tmp_path / "in")
