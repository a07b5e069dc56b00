# SPDX-License-Identifier: Apache-2.0
"""`play` publishes what `bag` converts, also of recordings that were killed, packed, reindexed or made by others."""

from __future__ import annotations

import json
import shutil

import pytest
import zstandard
from mcap.writer import Writer as McapWriter
from rosbags import rosbag1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

rclpy = pytest.importorskip("rclpy")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from mono_depth_ros.bags.reader import TYPES, BagReader  # noqa: E402
from mono_depth_ros.nodes.ros.guard import Fatal  # noqa: E402
from mono_depth_ros.nodes.sources import play_node  # noqa: E402

COUNT = 12
IMAGE, INFO = "/camera/image_raw", "/camera/camera_info"


def parts(maker, folder, storage=StoragePlugin.MCAP):
    """Three files of four images each, NAME_0 to NAME_2, whole and without metadata.yaml."""
    folder.mkdir()
    for index in range(3):
        work = folder / "work"
        with Writer(work, version=9, storage_plugin=storage) as writer:
            known = {}
            for topic, kind, log_ns, data in maker.messages[index * 8 : index * 8 + 8]:
                if topic not in known:
                    known[topic] = writer.add_connection(topic, kind, typestore=TYPES)
                writer.write(known[topic], log_ns, data)
        (file,) = (item for item in work.iterdir() if item.suffix in (".mcap", ".db3"))
        file.rename(folder / f"rec_{index}{file.suffix}")
        shutil.rmtree(work)
    return folder


def packed(maker, folder, storage):
    """The recorder was killed while it packed the second file."""
    for index, file in enumerate(sorted(parts(maker, folder, storage).iterdir())):
        if index < 2:
            file.with_name(f"{file.name}.zstd").write_bytes(zstandard.compress(file.read_bytes()))
            file.unlink()
    return folder


def cut(kit, maker, path):
    """At 7 parts of 10 of its messages, about."""
    if path.suffix == ".db3":
        maker.write(path)
        end = path.stat().st_size * 9 // 10 // 4096 * 4096
    else:
        kit.write_mcap(path.with_suffix(""), maker, True).rename(path)
        end = int.from_bytes(path.read_bytes()[-28:-20], "little") * 7 // 10  # where its summary begins
    path.write_bytes(path.read_bytes()[:end])
    return path


def reindexed(maker, folder):
    """As `ros2 bag reindex` of Humble leaves it."""
    maker.write(folder)
    text = (folder / "metadata.yaml").read_text().replace("storage_identifier: mcap", "storage_identifier: ''")
    assert "''" in text
    (folder / "metadata.yaml").write_text(text)
    return folder


def foreign(maker, path, encoding="cdr", schema="ros2msg", profile="ros2"):
    """An MCAP file of another writer, with JSON beside the messages of ROS."""
    ros1 = get_typestore(Stores.ROS1_NOETIC)
    with path.open("wb") as stream:
        writer = McapWriter(stream)
        writer.start(profile)
        log = writer.register_channel("/log", "json", writer.register_schema("log", "jsonschema", b"{}"))
        bare = writer.register_channel("/bare", "json", 0)
        channels = {}
        for topic, kind, log_ns, data in sorted(maker.messages, key=lambda item: item[2]):
            if encoding == "ros1":
                data = as_ros1(ros1, TYPES.deserialize_cdr(data, kind), kind)
                kind = kind.replace("/msg/", "/")
            if topic not in channels:
                number = writer.register_schema(kind, schema, b"")
                channels[topic] = writer.register_channel(topic, encoding, number)
            writer.add_message(channels[topic], log_ns, data, log_ns)
            writer.add_message(log, log_ns, b"{}", log_ns)
            writer.add_message(bare, log_ns, b"{}", log_ns)
        writer.finish()
    return path


def as_ros1(store, message, kind):
    make = store.types
    old = make["std_msgs/msg/Header"](
        7, make["builtin_interfaces/msg/Time"](*vars(message.header.stamp).values()), "camera"
    )
    values = [value for name, value in vars(message).items() if name not in ("header", "__msgtype__")]
    return bytes(store.serialize_ros1(make[kind](old, *values), kind))


def ros1_bag(maker, path):
    types = get_typestore(Stores.ROS1_NOETIC)
    with rosbag1.Writer(path) as writer:
        known = {}
        for topic, kind, log_ns, data in maker.messages:
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=types)
            writer.write(known[topic], log_ns, as_ros1(types, TYPES.deserialize_cdr(data, kind), kind))
    return path


# name: how it is made, how many of its 12 images can be read, and whether it is damaged
RECORDINGS = {
    "whole": (lambda kit, maker, path: maker.write(path) and path, COUNT, False),
    "parts": (lambda kit, maker, path: parts(maker, path), COUNT, False),
    "packed parts": (lambda kit, maker, path: packed(maker, path, StoragePlugin.MCAP), COUNT, False),
    "packed databases": (lambda kit, maker, path: packed(maker, path, StoragePlugin.SQLITE3), COUNT, False),
    "cut.mcap": (cut, None, True),
    "cut.db3": (cut, None, True),
    "reindexed": (lambda kit, maker, path: reindexed(maker, path), COUNT, False),
    "foreign.mcap": (lambda kit, maker, path: foreign(maker, path), COUNT, False),
    "ros1.bag": (lambda kit, maker, path: ros1_bag(maker, path), COUNT, False),
    "ros1.mcap": (lambda kit, maker, path: foreign(maker, path, "ros1", "ros1msg", "ros1"), COUNT, False),
}


@pytest.fixture
def played(monkeypatch):
    """Plays a recording; returns stamps and sizes of what came on its topics, and the error at its end."""
    rclpy.init()
    outsider = Node("outsider")
    heard, ended = {IMAGE: [], INFO: []}, []
    for topic, kind in ((IMAGE, Image), (INFO, CameraInfo)):
        outsider.create_subscription(kind, topic, lambda message, topic=topic: heard[topic].append(message), 100)
    executor = SingleThreadedExecutor()
    executor.add_node(outsider)
    nodes = [outsider]
    monkeypatch.setattr(play_node.rclpy, "try_shutdown", lambda: ended.append(None))

    def play(path, count):
        values = {"bag": str(path), "rate": 100.0, "wait_for": f"{IMAGE},{INFO}"}
        node = play_node.PlayNode(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
        nodes.append(node)
        executor.add_node(node)
        error = None
        for _ in range(2000):
            try:
                executor.spin_once(timeout_sec=0.01)
            except Fatal as raised:
                error = raised.__cause__
                ended.append(None)
            if ended and len(heard[IMAGE]) >= count and len(heard[INFO]) >= count - 1:
                break
        return heard, error

    yield play
    monkeypatch.undo()
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.parametrize("name", RECORDINGS)
def test_both_read_the_same(tmp_path, maker, use, kit, capsys, played, name):
    use()
    make, count, damaged = RECORDINGS[name]
    path = make(kit, maker.frames(COUNT), tmp_path / name)
    code = kit.bag(path, "--out", tmp_path / "out.mcap", "--json")
    summary = json.loads(capsys.readouterr().out)
    assert summary["written"] == (count or summary["written"]) > 0 and code == (1 if damaged else 0)
    assert bool(summary["damage"]) == damaged
    heard, error = played(path, summary["frames"])
    assert (error is not None) == damaged and (not damaged or summary["damage"] in str(error))
    expected = [(message.header.stamp.sec, message.header.stamp.nanosec) for message in heard[IMAGE]]
    converted = kit.decoded(tmp_path / "out.mcap", "/depth/image")
    assert expected == [(message.header.stamp.sec, message.header.stamp.nanosec) for _, message in converted]
    # The bytes are those that were recorded.
    sent = [TYPES.deserialize_cdr(data, kind) for topic, kind, _, data in maker.messages if topic == IMAGE]
    assert [bytes(message.data) for message in heard[IMAGE]] == [item.data.tobytes() for item in sent][: len(converted)]
    assert all(list(message.k) == [20, 0, 7.5, 0, 20, 5.5, 0, 0, 1] for message in heard[INFO])


def test_topics_of_others_are_named_and_left_out(tmp_path, maker):
    foreign(maker.frames(2), tmp_path / "in.mcap")
    with BagReader(tmp_path / "in.mcap") as reader:
        assert {name: (topic.kind, topic.encoding, topic.count) for name, topic in reader.topics.items()} == {
            IMAGE: ("sensor_msgs/msg/Image", "cdr", 2),
            INFO: ("sensor_msgs/msg/CameraInfo", "cdr", 2),
        }
        assert {name: (topic.kind, topic.encoding, topic.count) for name, topic in reader.left_out.items()} == {
            "/log": ("log", "json", 4),
            "/bare": ("", "json", 4),
        }
        assert reader.notes == ["left out, since not of ROS: /log (json log, 4 messages), /bare (json, 4 messages)"]
        assert [play_node.message_class(kind) for kind in ("", "log", "a b", "..x", "sensor_msgs/msg/Imag")] == [
            None
        ] * 5
