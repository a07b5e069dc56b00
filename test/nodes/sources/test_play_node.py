# SPDX-License-Identifier: Apache-2.0
"""A recording on its topics: every message, in order, in its time, and /clock with it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time

import pytest
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import SetBool

from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.nodes.sources.play_node import PlayNode

STORE = get_typestore(Stores.ROS2_JAZZY)
START_NS = 1_700_000_000_000_000_000
TEXT = "std_msgs/msg/String"
FOREIGN = "nowhere_msgs/msg/Nothing"
STORE.register(get_types_from_msg("string data", FOREIGN))


def string(text: str) -> bytes:
    return bytes(STORE.serialize_cdr(STORE.types[TEXT](text), TEXT))


@pytest.fixture
def bag(tmp_path):
    """Ten words on /words 50 ms apart, one on /latched/tf_static before, one of a type that nobody has installed."""
    path = tmp_path / "bag"
    with Writer(path, version=Writer.VERSION_LATEST) as writer:
        words = writer.add_connection("/words", TEXT, typestore=STORE)
        static = writer.add_connection("/latched/tf_static", TEXT, typestore=STORE)
        foreign = writer.add_connection("/foreign", FOREIGN, typestore=STORE)
        writer.write(static, START_NS, string("frames"))
        for k in range(10):
            writer.write(words, START_NS + k * 50_000_000, string(str(k)))
        writer.write(foreign, START_NS + 1, bytes(STORE.serialize_cdr(STORE.types[FOREIGN](""), FOREIGN)))
    return path


@pytest.fixture
def play(ros):
    def start(path, **parameters) -> PlayNode:
        given = {"bag": str(path), **parameters}
        node = PlayNode(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
        return ros.add(node)

    return start


def test_every_message_comes_in_order_and_in_its_time(ros, play, bag, monkeypatch):
    ended = []
    monkeypatch.setattr(
        "mono_depth_ros.nodes.sources.play_node.rclpy.try_shutdown", lambda: ended.append(time.monotonic())
    )
    heard, ticks = [], ros.listen(Clock, "/clock", 100)
    ros.outsider.create_subscription(String, "/words", lambda m: heard.append((m.data, time.monotonic())), 20)
    play(bag, wait_for="/words", clock=100.0)
    ros.wait(lambda: ended)
    ros.wait(lambda: len(heard) == 10)
    assert [text for text, _ in heard] == [str(k) for k in range(10)]
    assert 0.4 < heard[-1][1] - heard[0][1] < 2.0
    times = [tick.clock.sec * 10**9 + tick.clock.nanosec - START_NS for tick in ticks]
    assert len(times) > 10 and times == sorted(times) and all(time_ns % 10_000_000 == 0 for time_ns in times)


def test_rate_topics_start_and_duration(ros, play, bag, monkeypatch):
    monkeypatch.setattr("mono_depth_ros.nodes.sources.play_node.rclpy.try_shutdown", lambda: None)
    heard = []
    ros.outsider.create_subscription(String, "/words", lambda m: heard.append((m.data, time.monotonic())), 20)
    node = play(bag, wait_for="/words", topics="/words", start=0.1, duration=0.25, rate=0.5)
    ros.wait(lambda: len(heard) == 6)
    assert [text for text, _ in heard] == list("234567") and heard[-1][1] - heard[0][1] > 0.45
    assert node.count_publishers("/latched/tf_static") == 0


@pytest.mark.parametrize("loop", [False, True])
def test_nothing_played_is_an_error(ros, play, tmp_path, loop):
    with Writer(tmp_path / "bag", version=Writer.VERSION_LATEST) as writer:
        for topic in ("/words", "/silent"):
            connection = writer.add_connection(topic, TEXT, typestore=STORE)
        writer.write(connection, START_NS, string("loud"))
    node = play(tmp_path / "bag", topics="/words", loop=loop)
    ros.wait(lambda: node._error is not None)
    assert isinstance(node._error, DataError)
    assert "no message was played; its topics have none in this part of the recording" in str(node._error)


def test_what_was_latched_is_latched_again_for_those_who_come_late(ros, play, bag):
    play(bag, loop=True, rate=0.1)
    heard = []
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    time.sleep(0.2)
    ros.outsider.create_subscription(String, "/latched/tf_static", heard.append, qos)
    ros.wait(lambda: heard)
    assert heard[0].data == "frames"


@pytest.mark.parametrize("version", [8, 9])  # QoS as a text of YAML, as until Iron, and as its contents
def test_a_camera_info_that_was_latched_is_so_again(ros, play, tmp_path, version):
    plain = QosTime(0, 0)
    latched = Qos(QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, plain, plain,
                  QosLiveliness.AUTOMATIC, plain, False)  # fmt: skip
    with Writer(tmp_path / "bag", version=version) as writer:
        info = writer.add_connection("/camera_info", TEXT, typestore=STORE, offered_qos_profiles=(latched,))
        words = writer.add_connection("/words", TEXT, typestore=STORE)
        writer.write(info, START_NS, string("camera"))
        for k in range(40):
            writer.write(words, START_NS + k * 50_000_000, string(str(k)))
    database = next((tmp_path / "bag").glob("*.db3"))
    with sqlite3.connect(database) as changed:  # a recorder that tells it in metadata.yaml alone
        changed.execute("UPDATE topics SET offered_qos_profiles=''")
    node = play(tmp_path / "bag", start=1.0, wait_for="/words")
    (offer,) = node.get_publishers_info_by_topic("/camera_info")
    assert offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    heard = ros.listen(String, "/words", 20)
    ros.wait(lambda: heard)
    late = []
    ros.outsider.create_subscription(
        String, "/camera_info", late.append, QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    )
    ros.wait(lambda: late)  # although it was recorded a second before the part that is played
    assert late[0].data == "camera" and int(heard[0].data) >= 20


def test_no_message_is_an_error(ros, bag):
    words = ["--topics", "/latched/tf_static", "--start", "0.1"]
    command = [sys.executable, "-m", "mono_depth_ros.tools.cli", "play", str(bag), *words]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 1 and "no message was played; its topics have none in this part" in found.stderr


def test_pause_and_loop(ros, play, bag):
    heard = ros.listen(String, "/words", 100)
    play(bag, paused=True, loop=True, rate=4.0, wait_for="/words", topics="/words")
    client = ros.outsider.create_client(SetBool, "/play/pause")
    ros.wait(client.service_is_ready)
    assert not heard
    client.call_async(SetBool.Request(data=False))
    ros.wait(lambda: len(heard) >= 15)
    assert [m.data for m in heard[:15]] == [str(k % 10) for k in range(15)]
    done = client.call_async(SetBool.Request(data=True))
    ros.wait(done.done)
    time.sleep(0.1)
    count = len(heard)
    time.sleep(0.2)
    assert len(heard) == count


def test_the_command_line_becomes_the_node(ros, bag):
    heard = ros.listen(String, "/speech", 100)
    command = [sys.executable, "-m", "mono_depth_ros.tools.cli", "play", str(bag), "--wait-for", "/words"]
    words = ["--rate", "5", "--remap", "/words:=/speech"]
    found = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert [message.data for message in heard] == [str(k) for k in range(10)]
    assert "/foreign is not played" in found.stdout + found.stderr
    for words, code in ((["--rate", "0"], 2), (["--topics", "/wrods"], 1)):
        found = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60)
        assert found.returncode == code and "Traceback" not in found.stderr


def test_a_ros_1_recording(ros, play, tmp_path, monkeypatch):
    monkeypatch.setattr("mono_depth_ros.nodes.sources.play_node.rclpy.try_shutdown", lambda: None)
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer1(tmp_path / "old.bag") as writer:
        words = writer.add_connection("/words", TEXT, typestore=store)
        writer.write(words, START_NS, bytes(store.serialize_ros1(store.types[TEXT]("old"), TEXT)))
        writer.write(words, START_NS + 1, bytes(store.serialize_ros1(store.types[TEXT]("words"), TEXT)))
    heard = ros.listen(String, "/words", 10)
    play(tmp_path / "old.bag", wait_for="/words")
    ros.wait(lambda: len(heard) == 2)
    assert [message.data for message in heard] == ["old", "words"]


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"bag": ""}, ConfigError, "bag is empty"),
        ({"topics": "/wrods"}, ConfigError, "has no topic /wrods; it has: /foreign, /latched/tf_static, /words"),
        ({"topics": "/foreign"}, DataError, "nowhere_msgs/msg/Nothing is not installed"),
        ({"start": 5.0}, ConfigError, "start is 5 s, expected less than the recording's length, 0.45"),
        ({"wait_for": "/nobody"}, ConfigError, "wait_for names /nobody"),
    ],
)
def test_bad_input_is_told_at_the_start(play, bag, parameters, error, words):
    with pytest.raises(error, match=words):
        play(parameters.pop("bag", bag), **parameters)


def test_a_file_that_is_no_recording(play, tmp_path):
    (tmp_path / "broken.mcap").write_bytes(b"\x89MCAP0\r\n and then nothing")
    with pytest.raises(DataError, match=r"broken\.mcap cannot be read: from byte 8 on it holds no records"):
        play(tmp_path / "broken.mcap")
