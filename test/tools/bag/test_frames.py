# SPDX-License-Identifier: Apache-2.0
"""Which camera_info and which reference go with an image, whatever the order of the recording."""

from __future__ import annotations

import pytest

from mono_depth_ros.bags.messages import info_from
from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.bags.topics import Chosen
from mono_depth_ros.messages.cdr import header_stamp_ns
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD
from mono_depth_ros.tools.bag import frames
from mono_depth_ros.tools.bag.frames import BagFrame, batches
from mono_depth_ros.tools.bag.places import Places

MS = 1_000_000
BEGIN_NS = 1_700_000_000_000_000_000


@pytest.fixture
def read(tmp_path, maker):
    def read(chosen, size=1, tolerance_ms=100, copied=(), inputs=None):
        path = tmp_path / "in.mcap"
        if not path.exists():
            maker.write(path)
        with BagReader(path) as reader:
            return list(
                batches(reader, chosen, inputs or {}, Places(reader, chosen.image), size, tolerance_ms * MS, copied, {})
            )

    return read


CAMERA = Chosen("/camera/image_raw", "/camera/camera_info")


def add_info(maker, kit, stamp, log):
    maker.add("/camera/camera_info", CAMERA_INFO, log, info_from(kit.CAMERA, kit.header(stamp)))


def add_cloud(maker, kit, stamp, log):
    from mono_depth_ros.bags.messages import empty

    maker.add("/lidar", CLOUD, log, empty(CLOUD, kit.header(stamp, "lidar")))


def infos(found):
    """Stamps of the camera_info that suits each image best."""
    best = [item.infos[0] if item.infos else None for batch in found for item in batch.frames]
    return [header_stamp_ns(info.data) if info else None for info in best]


def test_camera_info_recorded_after_its_image_is_waited_for(maker, kit, read):
    maker.frames(5, info="")
    stamps = [kit.BEGIN_NS + k * kit.STEP_NS for k in range(5)]
    for stamp in stamps:
        add_info(maker, kit, stamp, stamp + 250 * MS)  # two images later
    assert infos(read(CAMERA)) == stamps


def test_without_one_of_its_own_an_image_takes_the_newest_that_is_not_later(maker, kit, read):
    maker.frames(4, info="")
    add_info(maker, kit, kit.BEGIN_NS - 5, kit.BEGIN_NS)
    add_info(maker, kit, kit.BEGIN_NS + 190 * MS, kit.BEGIN_NS + 200 * MS)
    early, late = kit.BEGIN_NS - 5, kit.BEGIN_NS + 190 * MS
    assert infos(read(CAMERA)) == [early, early, late, late]


def test_an_image_waits_a_second_of_recording_time_and_no_longer(maker, kit, read):
    maker.frames(30, info="")
    add_info(maker, kit, kit.BEGIN_NS + 2_000 * MS, kit.BEGIN_NS + 2_000 * MS)
    found = infos(read(CAMERA))
    assert found[0] is None and found[20] == found[29] == kit.BEGIN_NS + 2_000 * MS


def test_an_image_waits_for_bytes_no_longer_than_there_is_room(maker, kit, read, monkeypatch):
    monkeypatch.setattr(frames, "_WAITING_BYTES", 2000)  # three images
    maker.frames(8, info="")
    add_info(maker, kit, kit.BEGIN_NS, kit.BEGIN_NS + 600 * MS)
    assert infos(read(CAMERA))[0] is None


def test_a_frame_brings_what_the_reference_may_need_for_it(maker, kit, read):
    maker.frames(4)
    for stamp_ms, log_ms in ((-30, 0), (130, 160), (180, 290), (450, 450)):
        add_cloud(maker, kit, kit.BEGIN_NS + stamp_ms * MS, kit.BEGIN_NS + log_ms * MS)
    found = [item for batch in read(CAMERA, inputs={"/lidar": "points"}) for item in batch.frames]
    brought = [[(name, header_stamp_ns(m.data) - kit.BEGIN_NS) for name, m in item.inputs] for item in found]
    # 130 was read while the first image waited and is later than that by more than the tolerance; 450 is by all images.
    assert brought == [[("points", -30 * MS)], [("points", 130 * MS)], [("points", 180 * MS)], []]
    assert [item.index for item in found] == [0, 1, 2, 3]


def brought(found):
    """Milliseconds of the reference messages that came with each image."""
    frames_ = [item for batch in found for item in batch.frames]
    return [[(header_stamp_ns(m.data) - BEGIN_NS) // MS for _, m in item.inputs] for item in frames_]


def test_a_fast_sensor_brings_one_message_beyond_its_image_and_no_more(maker, kit, read):
    # The reference keeps its ten newest: with all those of the tolerance the nearest would be gone.
    maker.frames(3)
    for ms in range(0, 400, 10):
        add_cloud(maker, kit, kit.BEGIN_NS + (ms + 1) * MS, kit.BEGIN_NS + (ms + 2) * MS)
    expected = [[1], list(range(11, 110, 10)), list(range(111, 210, 10))]
    assert brought(read(CAMERA, inputs={"/lidar": "points"})) == expected


def test_a_stamp_of_another_clock_holds_up_the_others_for_a_second_only(maker, kit, read):
    maker.frames(15)
    add_cloud(maker, kit, kit.BEGIN_NS + 10**15, kit.BEGIN_NS)
    for ms in range(0, 1500, 100):
        add_cloud(maker, kit, kit.BEGIN_NS + ms * MS, kit.BEGIN_NS + (ms + 2) * MS)
    found = brought(read(CAMERA, inputs={"/lidar": "points"}))
    assert not any(found[:10]) and found[11][-1] == 1100 and found[12] == [1200]


def test_batches_hold_what_is_copied_in_its_place(maker, kit, read):
    maker.frames(5).lidar(5)
    found = read(CAMERA, size=2, copied=("/camera/image_raw", "/lidar/points"))
    assert [len(batch.frames) for batch in found] == [2, 2, 1] and [batch.index for batch in found] == [0, 1, 2]
    words = [
        "F" if isinstance(item, BagFrame) else item.topic.split("/")[-1] for batch in found for item in batch.items
    ]
    assert words[:4] == ["image_raw", "F", "points", "image_raw"]
    logs = [(item.message if isinstance(item, BagFrame) else item).log_ns for batch in found for item in batch.items]
    assert logs == sorted(logs) and len(logs) == 13


def test_many_messages_between_two_images_make_a_batch_of_their_own(maker, kit, read, monkeypatch):
    monkeypatch.setattr(frames, "_BATCH_BYTES", 1000)
    maker.frames(1).lidar(8, every=1)
    found = read(CAMERA, size=4, copied=("/lidar/points",))
    assert len(found) == 8 and len(found[0].frames) == 1
