# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag` from end to end, with a stand-in network whose answer is known."""

from __future__ import annotations

import errno
import json

import cv2
import numpy as np
import pytest
from rosbags import rosbag1
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.prediction import DepthKind


@pytest.fixture
def source(tmp_path, maker):
    maker.frames(7).write(tmp_path / "in.mcap")
    return tmp_path / "in.mcap"


@pytest.mark.parametrize("name", ["in.mcap", "in.db3", "in", "in_sqlite"])
@pytest.mark.parametrize("out", ["out.mcap", "out.db3", "out"])
def test_every_frame_with_its_own_stamps(tmp_path, maker, use, kit, name, out):
    use()
    maker.frames(7).write(tmp_path / name, StoragePlugin.SQLITE3 if "sqlite" in name else StoragePlugin.MCAP)
    assert kit.bag(tmp_path / name, "--out", tmp_path / out, "--batch", "3") == 0
    images, infos = (kit.decoded(tmp_path / out, f"/depth/{topic}") for topic in ("image", "camera_info"))
    assert len(images) == len(infos) == 7
    for index, ((log, image), (info_log, info)) in enumerate(zip(images, infos, strict=True)):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        assert log == info_log == stamp + kit.DELAY_NS
        assert str(image.header) == str(info.header)
        assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == stamp
        assert image.header.frame_id == "camera"
        depth = decode_depth(image)
        assert np.isnan(depth[0, 0]) and (depth[1:] == np.float32((10 + index) / 10)).all()
        assert info.k.tolist() == [20, 0, 7.5, 0, 20, 5.5, 0, 0, 1] and info.width == 16


def test_a_folder_is_written_with_the_storage_asked_for(tmp_path, source, use, kit):
    use()
    assert kit.bag(source, "--out", tmp_path / "out", "--storage", "sqlite3", "--segment-frames", "3") == 0
    names = {item.name for item in (tmp_path / "out").iterdir()}
    assert names == {"metadata.yaml", "out_0.db3", "out_1.db3", "out_2.db3"}
    with Reader(tmp_path / "out") as reader:
        assert reader.message_count == 14 and reader.topics["/depth/image"].msgcount == 7
        assert reader.start_time == kit.BEGIN_NS + kit.DELAY_NS and reader.duration == 6 * kit.STEP_NS + 1


def test_every_output_of_a_metric_model(tmp_path, source, use, kit):
    use()
    words = ("--outputs", "depth,compressed,points,color,normals", "--namespace", "front", "--depth-encoding", "16UC1")
    assert kit.bag(source, "--out", tmp_path / "out", *words, "--cloud-normals", "--stride", "2") == 0
    names = {"image": "16UC1", "color": "bgr8", "normals": "32FC3"}
    for name, encoding in names.items():
        found = kit.decoded(tmp_path / "out", f"/front/depth/{name}")
        assert len(found) == 7 and found[0][1].encoding == encoding
    assert kit.decoded(tmp_path / "out", "/front/depth/image")[3][1].data.view("<u2")[1] == 1300
    packed = kit.decoded(tmp_path / "out", "/front/depth/image/compressedDepth")[3][1]
    assert packed.format == "16UC1; compressedDepth png" and cv2.imdecode(packed.data[12:], -1)[0, 1] == 1300
    cloud = kit.decoded(tmp_path / "out", "/front/depth/points")[0][1]
    assert (cloud.width, cloud.height, cloud.point_step) == (8, 6, 32)
    normals = kit.decoded(tmp_path / "out", "/front/depth/normals")[0][1].data.view("<f4").reshape(12, 16, 3)
    np.testing.assert_allclose(normals[6, 8], (0, 0, -1), atol=1e-5)


def test_a_relative_model_gives_inverse_depth_and_never_metres(tmp_path, source, use, kit, capsys):
    use(kind=DepthKind.INVERSE_AFFINE)
    assert kit.bag(source, "--out", tmp_path / "out", "--outputs", "depth,color") == 0
    found = kit.decoded(tmp_path / "out", "/depth/inverse")
    assert len(found) == 7 and found[0][1].data.view("<f4")[1] == 1.0
    assert {topic for topic, _, _ in kit.read(tmp_path / "out")} == {
        "/depth/inverse",
        "/depth/color",
        "/depth/camera_info",
    }
    for wanted in ("points", "normals", "compressed"):
        assert kit.bag(source, "--out", tmp_path / wanted, "--outputs", wanted) == 1
        assert "relative depth" in capsys.readouterr().err and not (tmp_path / wanted).exists()


def test_merged_messages_are_copied_byte_by_byte(tmp_path, maker, use, kit):
    use()
    latched = Qos(
        QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL,
        QosTime(0, 0), QosTime(0, 0), QosLiveliness.SYSTEM_DEFAULT, QosTime(0, 0), False,
    )  # fmt: skip
    maker.qos["/tf_static"] = (latched,)
    recorded = maker.frames(7).lidar(7).static(*kit.CHAIN).write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", "--merge") == 0
    merged = kit.read(tmp_path / "out.mcap")
    theirs = [(topic, log, data) for topic, log, data in merged if not topic.startswith("/depth")]
    assert theirs == [(topic, log, data) for topic, _, log, data in recorded.messages]
    assert len(merged) - len(theirs) == 14 and [log for _, log, _ in merged] == sorted(log for _, log, _ in merged)
    with Reader(tmp_path / "out.mcap") as reader:
        (connection,) = reader.topics["/tf_static"].connections
        assert [item.durability for item in connection.ext.offered_qos_profiles] == [QosDurability.TRANSIENT_LOCAL]


def test_merging_beside_topics_of_the_same_name_needs_a_namespace(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(3).frames(3, image="/depth/image", info="").write(tmp_path / "in.mcap")
    words = (tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", "--merge", "--image-topic", "/camera/image_raw")
    assert kit.bag(*words) == 1
    assert "holds /depth/image already: give --namespace NAME" in capsys.readouterr().err
    assert kit.bag(*words, "--namespace", "again") == 0
    assert len(kit.decoded(tmp_path / "out.mcap", "/again/depth/image")) == 3


def test_compressed_output_holds_the_same(tmp_path, source, use, kit):
    use()
    for out, words in (("plain.mcap", ()), ("packed.mcap", ("--compression", "zstd"))):
        assert kit.bag(source, "--out", tmp_path / out, *words) == 0
    assert kit.read(tmp_path / "plain.mcap") == kit.read(tmp_path / "packed.mcap")
    assert (tmp_path / "packed.mcap").stat().st_size < (tmp_path / "plain.mcap").stat().st_size / 2


def test_a_database_cannot_be_compressed(tmp_path, source, use, kit, capsys):
    use()
    for words in (("--out", tmp_path / "out.db3"), ("--out", tmp_path / "out", "--storage", "sqlite3")):
        assert kit.bag(source, *words, "--compression", "zstd") == 1
        assert "compression is zstd, which sqlite3 does not have" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_types_that_nobody_knows_but_the_bag_are_copied_with_their_definition(tmp_path, maker, use, kit):
    use()
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg("std_msgs/Header header\nuint8[] secret\nThing2[] more", "my_msgs/msg/Thing"))
    types.register(get_types_from_msg("float64 x", "my_msgs/msg/Thing2"))
    maker.frames(3)
    thing = types.types["my_msgs/msg/Thing"](kit.header(5), np.arange(9, dtype=np.uint8), [])
    data = bytes(types.serialize_cdr(thing, "my_msgs/msg/Thing"))
    with Writer(tmp_path / "in", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {kind: writer.add_connection(topic, kind, typestore=types) for topic, kind, _, _ in maker.messages[:2]}
        secret = writer.add_connection("/secret", "my_msgs/msg/Thing", typestore=types)
        for _, kind, log, message in maker.messages:
            writer.write(known[kind], log, message)
            writer.write(secret, log + 1, data)
    for out in ("out.mcap", "out"):
        assert kit.bag(tmp_path / "in", "--out", tmp_path / out, "--merge") == 0
        found = kit.decoded(tmp_path / out, "/secret")
        assert len(found) == 6 and found[0][1].secret.tolist() == list(range(9))


def test_batches_are_as_large_as_asked_for(tmp_path, source, use, kit):
    model = use()
    assert kit.bag(source, "--out", tmp_path / "out", "--batch", "3") == 0
    assert model.batches == [3, 3, 1]


def test_what_exists_is_replaced_only_by_force(tmp_path, source, use, kit, capsys):
    use()
    out = tmp_path / "out.mcap"
    out.write_text("mine")
    assert kit.bag(source, "--out", out) == 1
    assert "exists: --force replaces it" in capsys.readouterr().err and out.read_text() == "mine"
    assert kit.bag(source, "--out", out, "--force") == 0 and len(kit.read(out)) == 14


def test_a_model_that_fails_ends_it_in_one_line_and_leaves_what_it_should_replace(tmp_path, source, use, kit, capsys):
    model = use()
    out = tmp_path / "out.mcap"
    out.write_text("mine")
    model.predict = lambda *_: 1 / 0
    assert kit.bag(source, "--out", out, "--force") == 1
    assert "the model failed at image 0: ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_the_default_place_is_named_after_the_input(tmp_path, source, use, kit, monkeypatch):
    use()
    monkeypatch.chdir(tmp_path)
    assert kit.bag(source) == 0 and len(kit.read(tmp_path / "in_depth.mcap")) == 14


def test_images_without_camera_info_need_a_camera(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(3, info="").write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out") == 1
    assert "give --camera fx,fy,cx,cy" in capsys.readouterr().err
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out", "--camera", "20,20,7.5,5.5") == 0
    info = kit.decoded(tmp_path / "out", "/depth/camera_info")[0][1]
    assert info.k.tolist() == [20, 0, 7.5, 0, 20, 5.5, 0, 0, 1] and info.header.frame_id == "camera"
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "wide", "--hfov", "90") == 0
    info = kit.decoded(tmp_path / "wide", "/depth/camera_info")[0][1]
    assert info.k[0] == pytest.approx(info.width / 2) and info.k[2] == (info.width - 1) / 2
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "wrong", "--camera", "20,20") == 1
    assert "--camera is '20,20'" in capsys.readouterr().err and not (tmp_path / "wrong").exists()
    words = ("--camera", "20,20,7.5,5.5", "--hfov", "60")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "wrong", *words) == 1
    assert "expected one of the two" in capsys.readouterr().err


def test_one_camera_info_for_a_whole_recording_is_enough(tmp_path, maker, use, kit):
    use()
    maker.frames(1).frames(30, info="", first=1).write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out") == 0
    assert len(kit.decoded(tmp_path / "out", "/depth/image")) == 31


def test_bad_images_are_dropped_counted_and_told(tmp_path, maker, use, kit, capsys, documented):
    use()
    maker.frames(5)
    topic, kind, log, data = maker.messages[4]
    assert kind.endswith("Image")
    maker.messages[4] = (topic, kind, log, data[:-50])
    maker.messages[6] = (*maker.messages[6][:3], b"\0\1\0\0")
    maker.write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out", "--json") == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    documented("bag", summary)
    assert (summary["frames"], summary["written"], summary["dropped"]) == (5, 3, {"message": 2})
    assert "image 2 is dropped" in printed.err and "image 3 is dropped" in printed.err
    assert len(kit.decoded(tmp_path / "out", "/depth/image")) == 3


def test_nothing_but_bad_images_is_an_error_with_a_readable_result(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(2)
    maker.messages = [(*item[:3], item[3][:40]) if item[1].endswith("/Image") else item for item in maker.messages]
    maker.write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", "--image-topic", "/camera/image_raw") == 1
    assert "0 of 2 images" in capsys.readouterr().err and kit.read(tmp_path / "out.mcap") == []


def test_a_full_disk_stops_it_and_what_is_finished_stays(tmp_path, source, use, kit, capsys, monkeypatch):
    use()
    writes = iter(range(10**6))
    from mono_depth_ros.bags import writer

    def full(self, topic, log_ns, data):
        if next(writes) == 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._writer.write(self._connections[topic], log_ns, data)

    monkeypatch.setattr(writer.BagFile, "write", full)
    out = tmp_path / "out.mcap"
    words = (source, "--out", out, "--segment-frames", "2")
    assert kit.bag(*words) == 1
    said = capsys.readouterr().err
    assert "the disk is full; 2 finished segments are kept, --resume goes on with them" in said
    assert not out.exists() and len(kit.read(tmp_path / "out.mcap.part")) == 8
    assert kit.bag(*words, "--resume") == 0 and len(kit.read(out)) == 14


def test_a_disk_that_is_full_when_the_file_is_joined(tmp_path, source, use, kit, capsys, monkeypatch):
    use()
    from mono_depth_ros.tools.bag import target

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out.mcap"
    with monkeypatch.context() as patch:
        patch.setattr(target.BagFile, "write", full)
        patch.setattr("mono_depth_ros.bags.writer.SegmentWriter.write", target_write)
        assert kit.bag(source, "--out", out) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert not out.exists() and len(kit.read(tmp_path / "out.mcap.part")) == 14
    assert kit.bag(source, "--out", out, "--resume") == 0 and len(kit.read(out)) == 14


def target_write(self, topic, log_ns, data):
    """As SegmentWriter.write, past what is patched."""
    file = self._open()
    file._writer.write(file._connections[topic], log_ns, data)


def test_a_bag_of_ros_1(tmp_path, use, kit):
    use()
    types = get_typestore(Stores.ROS1_NOETIC)
    make = types.types
    with rosbag1.Writer(tmp_path / "in.bag") as writer:
        image = writer.add_connection("/camera/image_raw", "sensor_msgs/msg/Image", typestore=types)
        info = writer.add_connection("/camera/camera_info", "sensor_msgs/msg/CameraInfo", typestore=types)
        for index in range(3):
            time = make["builtin_interfaces/msg/Time"](100 + index, 5)
            header = make["std_msgs/msg/Header"](index, time, "camera")
            pixels = np.full((12, 16, 3), 25, np.uint8)
            message = make["sensor_msgs/msg/Image"](header, 12, 16, "rgb8", 0, 48, pixels.ravel())
            writer.write(image, 1000 + index, types.serialize_ros1(message, image.msgtype))
            roi = make["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
            k, r = np.array([20.0, 0, 7.5, 0, 20, 5.5, 0, 0, 1]), np.eye(3).ravel()
            p = np.array([20.0, 0, 7.5, 0, 0, 20, 5.5, 0, 0, 0, 1, 0])
            message = make["sensor_msgs/msg/CameraInfo"](header, 12, 16, "plumb_bob", np.zeros(5), k, r, p, 0, 0, roi)
            writer.write(info, 1000 + index, types.serialize_ros1(message, info.msgtype))
    assert kit.bag(tmp_path / "in.bag", "--out", tmp_path / "out.mcap") == 0
    found = kit.decoded(tmp_path / "out.mcap", "/depth/image")
    assert [(log, m.header.stamp.sec, m.header.stamp.nanosec) for log, m in found] == [
        (1000 + k, 100 + k, 5) for k in range(3)
    ]
    assert (decode_depth(found[0][1]) == 2.5).all()
    assert kit.decoded(tmp_path / "out.mcap", "/depth/camera_info")[0][1].k.tolist() == k.tolist()
    assert kit.bag(tmp_path / "in.bag", "--out", tmp_path / "merged", "--merge") == 1


@pytest.mark.parametrize("out", ["in.mcap", ".", "../{name}", "bag", "bag/inside"])
def test_the_input_is_never_touched(tmp_path, maker, use, kit, capsys, out):
    use()
    maker.frames(3).write(tmp_path / "in.mcap")
    maker.write(tmp_path / "bag")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    source = tmp_path / ("bag" if "bag" in out else "in.mcap")
    assert kit.bag(source, "--out", tmp_path / out.format(name=tmp_path.name), "--force") == 1
    assert "is, holds or lies in the input" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_folder_that_is_no_bag_is_not_replaced(tmp_path, source, use, kit, capsys):
    use()
    mine = tmp_path / "home"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    assert kit.bag(source, "--out", mine, "--force") == 1
    assert "with thesis.tex in it, expected a bag" in capsys.readouterr().err and (mine / "thesis.tex").exists()


@pytest.mark.parametrize("name", ["a\udcff\nb.mcap", "a\udcff\nb", "n" * 240 + ".db3", "ä" * 120])
def test_odd_names_of_results(tmp_path, maker, use, kit, name):
    use()
    maker.frames(2).write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / name) == 0
    assert len(kit.decoded(tmp_path / name, "/depth/image")) == 2
