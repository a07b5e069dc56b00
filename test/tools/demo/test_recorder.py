# SPDX-License-Identifier: Apache-2.0
"""The recorder over real DDS, with publishers as an outsider writes them."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

rclpy = pytest.importorskip("rclpy")

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from mono_depth_ros.errors import ConfigError  # noqa: E402
from mono_depth_ros.messages.cdr import header_stamp_ns  # noqa: E402
from mono_depth_ros.nodes.sources import recorder_node  # noqa: E402
from mono_depth_ros.nodes.sources.recorder_node import RecorderNode  # noqa: E402

IMAGE, RESULT = "/image", "/result"


class Rig:
    def __init__(self, folder, image_qos=10, **parameters):
        rclpy.init()
        values = {"output": str(folder / "bag"), "topics": f"{IMAGE},{RESULT}", "image": IMAGE, "result": RESULT}
        overrides = [Parameter(name, value=value) for name, value in (values | parameters).items()]
        self.recorder = RecorderNode(parameter_overrides=overrides)
        self.outsider = Node("outsider")
        self.publishers = {
            IMAGE: self.outsider.create_publisher(Image, IMAGE, image_qos),
            RESULT: self.outsider.create_publisher(Image, RESULT, 10),
        }
        self.folder = folder
        self.stamp = 0
        executor = SingleThreadedExecutor()
        executor.add_node(self.recorder)

        def spin():
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()

        self.thread = threading.Thread(target=spin)
        self.thread.start()

    def send(self, result=True):
        """One image and, in general, its result; stamps are 1, 2, 3 ... seconds."""
        self.stamp += 1
        message = Image(height=1, width=1, step=1, encoding="mono8", data=np.zeros(1, np.uint8).tobytes())
        message.header.stamp.sec = self.stamp
        self.publishers[IMAGE].publish(message)
        if result:
            self.publishers[RESULT].publish(message)

    def matched(self):
        end_s = time.monotonic() + 20
        while not all(publisher.get_subscription_count() for publisher in self.publishers.values()):
            assert time.monotonic() < end_s, "the recorder does not subscribe"
            time.sleep(0.02)

    def ended(self, poll=lambda: None, timeout_s=30):
        end_s = time.monotonic() + timeout_s
        while self.thread.is_alive():
            assert time.monotonic() < end_s, "the recorder does not end"
            if rclpy.ok():
                poll()
            time.sleep(0.05)

    def recorded(self):
        """Stamps in seconds of each topic."""
        found = {IMAGE: [], RESULT: []}
        with Reader(self.folder / "bag" / "bag.mcap") as reader:
            for connection, arrival_ns, data in reader.messages():
                found[connection.topic].append(header_stamp_ns(bytes(data)) // 10**9)
                assert abs(arrival_ns - time.time_ns()) < 120e9, "arrivals are on the system clock"
        return found

    def close(self):
        rclpy.try_shutdown()
        self.thread.join(10)
        self.recorder.destroy_node()
        self.outsider.destroy_node()


@pytest.fixture
def rig(tmp_path):
    rigs = []

    def make(**parameters):
        rigs.append(Rig(tmp_path, **parameters))
        return rigs[0]

    yield make
    for made in rigs:
        made.close()


def events(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_waits_warms_up_records_and_ends(rig, capsys):
    made = rig(frames=4, warm_up=3, duration=60.0)
    made.matched()
    made.ended(poll=made.send)
    said = events(capsys)
    waiting = [event for event in said if event["event"] == "waiting"]
    assert any(
        sentence.startswith("/result: ") and "of 3 messages" in sentence for e in waiting for sentence in e["for"]
    )
    assert [event["count"] for event in said if event["event"] == "frame"] == [1, 2, 3, 4]
    assert said[-1] == {"event": "done", "images": 4}
    found = made.recorded()
    first = found[IMAGE][0]
    assert first > 3, "what came during the warm-up is not recorded"
    assert found[IMAGE] == found[RESULT] == [first, first + 1, first + 2, first + 3]


def test_dropped_results_are_missing_and_the_end_comes_all_the_same(rig, capsys):
    made = rig(frames=4, warm_up=1, duration=60.0)
    made.matched()
    made.ended(poll=lambda: made.send(result=made.stamp % 2 == 0))
    found = made.recorded()
    assert len(found[IMAGE]) == 4
    assert found[RESULT] == [stamp for stamp in found[IMAGE] if stamp % 2 == 1]


def test_a_source_that_ends(rig, capsys, monkeypatch):
    monkeypatch.setattr(recorder_node, "_DRAIN_S", 0.3)
    made = rig(warm_up=1, duration=60.0, source_timeout=0.5)
    made.matched()
    last = []

    def three_images_and_then_silence():
        if not made.recorder._window:
            made.send()
        elif not last:
            last.extend([made.stamp + 1, made.stamp + 2, made.stamp + 3])
            for _ in last:
                made.send()

    made.ended(poll=three_images_and_then_silence)
    assert made.recorded() == {IMAGE: last, RESULT: last}
    assert events(capsys)[-1] == {"event": "done", "images": 3}


def test_the_last_image_is_waited_for_as_long_as_a_slow_network_needs(rig, monkeypatch):
    """Results come 0.4 s after their image, which a limit of 0.1 s would cut off."""
    monkeypatch.setattr(recorder_node, "_DRAIN_S", 0.1)
    made = rig(frames=2, warm_up=1, duration=60.0)
    made.matched()
    late = []

    def send():
        message = Image(height=1, width=1, step=1, encoding="mono8", data=np.zeros(1, np.uint8).tobytes())
        now_ns = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 10**9)
        if not late or now_ns - late[-1] > 5e8:
            late.append(now_ns)
            made.publishers[IMAGE].publish(message)
            threading.Timer(0.4, made.publishers[RESULT].publish, [message]).start()

    made.ended(poll=send)
    with Reader(made.folder / "bag" / "bag.mcap") as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts == {IMAGE: 2, RESULT: 2}


def test_best_effort_publishers_are_heard(rig):
    made = rig(image_qos=qos_profile_sensor_data, frames=2, warm_up=1)
    made.matched()
    made.ended(poll=made.send)
    assert len(made.recorded()[IMAGE]) == 2


def test_nothing_to_do_is_an_error():
    rclpy.init()
    try:
        with pytest.raises(ConfigError, match="nothing to do"):
            RecorderNode()
    finally:
        rclpy.try_shutdown()


def test_static_transforms_are_recorded_though_nobody_publishes_them(tmp_path):
    rig = Rig(tmp_path, static_transform="camera lidar 0.5 0 0 0 0 0 1; base camera 0 0 1 0 0 0 1", duration=0.3)
    try:
        while rig.thread.is_alive():
            rig.send()
            time.sleep(0.02)
    finally:
        rig.close()
    with Reader(tmp_path / "bag" / "bag.mcap") as reader:
        found = [(c, data) for c, _, data in reader.messages() if c.topic == "/tf_static"]
        assert len(found) == 2 and found[0][0].ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"
        read = get_typestore(Stores.ROS2_JAZZY).deserialize_cdr
        (item,), (other,) = (read(data, connection.msgtype).transforms for connection, data in found)
    assert (other.header.frame_id, other.child_frame_id) == ("base", "camera")
    assert (item.header.frame_id, item.child_frame_id) == ("camera", "lidar")
    assert (item.transform.translation.x, item.transform.rotation.w) == (0.5, 1.0)


def test_what_cannot_be_written_is_raised_at_the_end(tmp_path):
    rclpy.init()
    try:
        values = {"output": str(tmp_path / "bag"), "topics": IMAGE, "image": IMAGE, "result": IMAGE}
        node = RecorderNode(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
        node._write("/never added", 1, b"")
        with pytest.raises(KeyError, match="/never added"):
            node._close()
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    assert (tmp_path / "bag" / "bag.mcap").exists()
