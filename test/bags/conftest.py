# SPDX-License-Identifier: Apache-2.0
"""Small bags, and a stand-in network whose answer is known: depth = red / 10 m."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from mono_depth_ros.bags.messages import empty, header_of, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main

WIDTH, HEIGHT = 16, 12
CAMERA = Camera(WIDTH, HEIGHT, 20.0, 20.0, 7.5, 5.5)
STEP_NS = 100_000_000
BEGIN_NS = 1_700_000_000_000_000_000
DELAY_NS = 7_000_000  # of recording after the stamp
TF = "tf2_msgs/msg/TFMessage"

# The lidar looks along x, z up; the camera along z, y down: x = -y, y = -z, z = x, 0.1 m above and 0.2 m behind.
LIDAR_TURN = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
LIDAR_AT = np.array([0.0, -0.1, -0.2])
CHAIN = (
    ("base", "mast", (0, 0, 1), (0, 0, 0, 1)),
    ("mast", "lidar", (0, 0, 0.1), (0, 0, 0, 1)),
    ("mast", "camera", (0.2, 0, 0), (-0.5, 0.5, -0.5, 0.5)),
)


class RedModel:
    """Depth of a pixel is its red / 10 m; a red of 0 is unknown."""

    device = torch.device("cpu")
    engine = "stand-in"

    def __init__(self, kind=DepthKind.METRIC, wait=lambda: None, **spec):
        self.spec = ModelSpec("red", "test", kind, "none", needs_camera=True, **spec)
        self.batches, self._wait = [], wait

    def predict(self, rgb, cameras):
        self._wait()
        self.batches.append(len(rgb))
        values = rgb[..., 0].float() / 10
        return [DepthPrediction(torch.where(item > 0, item, torch.nan), self.spec.kind) for item in values]


@pytest.fixture
def use(monkeypatch):
    """Makes the tool load a RedModel."""

    def use(**changes):
        model = RedModel(**changes)
        monkeypatch.setattr("mono_depth_ros.models.loading.load_model", lambda *_: model)
        return model

    return use


def header(stamp_ns, frame="camera"):
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return header_of(SimpleNamespace(stamp=stamp, frame_id=frame))


def red_image(index, stamp_ns, red=None):
    """Red grows with the index; the first pixel is 0."""
    rgb = np.full((HEIGHT, WIDTH, 3), 9, np.uint8)
    rgb[..., 0] = 10 + index % 200 if red is None else red
    rgb[0, 0, 0] = 0
    message = empty(IMAGE, header(stamp_ns))
    fill_image(message, rgb, "rgb8")
    return message


@dataclass
class Recorded:
    """What the test has written: (topic, type, log time, bytes) in order."""

    messages: list

    def of(self, topic):
        return [(log, data) for name, _, log, data in self.messages if name == topic]


class BagMaker:
    """Collects messages and writes them as a bag."""

    def __init__(self):
        self.messages = []
        self.qos = {}

    def add(self, topic, kind, log_ns, message):
        self.messages.append((topic, kind, log_ns, bytes(TYPES.serialize_cdr(message, kind))))

    def frames(self, count, info="/camera/camera_info", image="/camera/image_raw", first=0, red=None):
        for index in range(first, first + count):
            stamp = BEGIN_NS + index * STEP_NS
            self.add(image, IMAGE, stamp + DELAY_NS, red_image(index, stamp, red))
            if info:  # recorded after its image, as drivers do it
                self.add(info, CAMERA_INFO, stamp + DELAY_NS + 1000, info_from(CAMERA, header(stamp)))
        return self

    def lidar(self, count, factor=1.5, every=2, frame="lidar", red=20, drift=0.0):
        """Every other image has a sweep: the depth of the stand-in network times `factor`."""
        for index in range(0, count, every):
            stamp = BEGIN_NS + index * STEP_NS + 3_000_000
            rows, columns = (grid.ravel() for grid in np.mgrid[1:HEIGHT:2, 1:WIDTH])
            z = (factor + drift * (index % 3)) * red / 10 * np.ones(rows.size)
            camera = np.stack([(columns - CAMERA.cx) / CAMERA.fx * z, (rows - CAMERA.cy) / CAMERA.fy * z, z], axis=1)
            xyz = (camera - LIDAR_AT) @ LIDAR_TURN  # camera = turn @ lidar + at
            cloud = empty(CLOUD, header(stamp, frame))
            points = np.zeros((len(xyz), 4), np.float32)
            points[:, :3] = xyz
            fill_cloud(cloud, points, TYPES.types["sensor_msgs/msg/PointField"])
            self.add("/lidar/points", CLOUD, stamp + DELAY_NS, cloud)
        return self

    def static(self, *chain):
        """/tf_static with (parent, child, (x, y, z), (qx, qy, qz, qw)) each."""
        make = TYPES.types
        found = []
        for parent, child, xyz, q in chain:
            moved = make["geometry_msgs/msg/Transform"](
                make["geometry_msgs/msg/Vector3"](*map(float, xyz)),
                make["geometry_msgs/msg/Quaternion"](*map(float, q)),
            )
            found.append(make["geometry_msgs/msg/TransformStamped"](header(0, parent), child, moved))
        self.add("/tf_static", TF, BEGIN_NS - 10**9, make[TF](found))
        return self

    def write(self, path: Path, storage=StoragePlugin.MCAP):
        """A bag folder, or with a suffix one file. Returns what is in it."""
        folder = path.with_name(path.name + "_folder") if path.suffix else path
        messages = sorted(self.messages, key=lambda item: item[2])
        storage = StoragePlugin.SQLITE3 if path.suffix == ".db3" else storage
        with Writer(folder, version=9, storage_plugin=storage) as writer:
            known = {}
            for topic, kind, log_ns, data in messages:
                if topic not in known:
                    qos = self.qos.get(topic, ())
                    known[topic] = writer.add_connection(topic, kind, typestore=TYPES, offered_qos_profiles=qos)
                writer.write(known[topic], log_ns, data)
        if path.suffix:
            (file,) = folder.glob(f"*{path.suffix}")
            file.rename(path)
        return Recorded(messages)


def write_mcap(folder, maker, compressed):
    """With a chunk for every few messages, as recorders write."""
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    if compressed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        known = {}
        for number, (topic, kind, log_ns, data) in enumerate(sorted(maker.messages, key=lambda item: item[2])):
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(known[topic], log_ns, data)
            if number % 5 == 4:
                writer.storage.close_chunk()
    return next(folder.glob("*.mcap"))


@pytest.fixture
def maker():
    return BagMaker()


def read(path):
    """(topic, log time, bytes) of everything in a bag, read by rosbags."""
    with AnyReader([Path(path)]) as reader:
        return [(connection.topic, log_ns, bytes(data)) for connection, log_ns, data in reader.messages()]


def decoded(path, topic):
    """(log time, message) of one topic."""
    with AnyReader([Path(path)]) as reader:
        chosen = [item for item in reader.connections if item.topic == topic]
        return [(log, reader.deserialize(data, item.msgtype)) for item, log, data in reader.messages(chosen)]


def bag(*words):
    """The command line."""
    return main(["bag", *map(str, words)])


@pytest.fixture
def kit():
    """What tests of bags need of this file, by name."""
    return SimpleNamespace(**globals())
