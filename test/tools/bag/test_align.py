# SPDX-License-Identifier: Apache-2.0
"""Alignment with a recorded lidar: the truth is the network's depth times a known factor."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES, BagReader
from mono_depth_ros.bags.transforms import recorded_transforms
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.world import SpinningLidar, World

SAME = ("--no-local", "--min-samples", "20", "--occlusion-window", "0", "--bandwidth", "0")


@pytest.fixture
def recording(tmp_path, maker, kit):
    def recording(*chain, **lidar):
        maker.frames(8, red=20).lidar(8, **lidar)
        if chain:
            maker.static(*chain)
        maker.write(tmp_path / "in.mcap")
        return tmp_path / "in.mcap"

    return recording


def test_scale_of_the_lidar_by_the_static_transforms_of_the_bag(tmp_path, recording, use, capsys, kit):
    use()
    out = tmp_path / "out.mcap"
    assert kit.bag(recording(*kit.CHAIN), "--out", out, "--outputs", "depth,aligned", "--json", *SAME) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert "'lidar' to 'camera' by /tf_static" in printed.err
    assert summary["alignment"]["abs_rel_before"] == pytest.approx(1 / 3, abs=1e-3)  # 1 is 1.5 less a third
    assert summary["alignment"]["abs_rel_after"] < 1e-3
    assert summary["alignment"]["states"]["aligned"] == 8
    frames = kit.decoded(out, "/aligned/image")
    assert [log for log, _ in frames] == [kit.BEGIN_NS + kit.DELAY_NS + k * kit.STEP_NS for k in range(8)]
    for _, message in frames:
        depth = decode_depth(message)
        assert np.isnan(depth[0, 0])
        assert depth[1:] == pytest.approx(3.0, rel=1e-3)
        assert message.header.frame_id == "camera"
    assert len(kit.decoded(out, "/aligned/camera_info")) == len(kit.decoded(out, "/depth/image")) == 8


def test_the_uncertainty_is_written_where_it_is_asked_for(tmp_path, recording, use, capsys, kit):
    use()
    out = tmp_path / "out.mcap"
    assert kit.bag(recording(*kit.CHAIN), "--out", out, "--outputs", "aligned,uncertainty", *SAME) == 0
    for (_, message), (_, image) in zip(
        kit.decoded(out, "/aligned/uncertainty"), kit.decoded(out, "/aligned/image"), strict=True
    ):
        sigma, depth = decode_depth(message), decode_depth(image)
        assert message.encoding == "32FC1" and np.array_equal(np.isnan(sigma), np.isnan(depth))
        assert np.nanmax(sigma / depth) < 0.05, "the reference is exact"
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "no.mcap", "--outputs", "depth,uncertainty") == 1
    assert "expected aligned and a reference" in capsys.readouterr().err


def test_an_extrinsic_that_is_given_is_taken_instead(tmp_path, recording, use, capsys, kit):
    use()
    wrong = ("camera", "lidar", (9, 9, 9), (0, 0, 0, 1))
    words = ("--align-topic", "/lidar/points", "--cam-from-reference", "0 -0.1 -0.2 0.5 -0.5 0.5 0.5")
    assert kit.bag(recording(wrong), "--out", tmp_path / "out.mcap", "--json", *words, *SAME) == 0
    assert json.loads(capsys.readouterr().out)["alignment"]["abs_rel_after"] < 1e-3


def test_a_relative_model_writes_its_inverse_depth_and_metres_only_by_the_reference(
    tmp_path, recording, use, capsys, kit
):
    use(kind=DepthKind.INVERSE_AFFINE)
    out = tmp_path / "out.mcap"
    assert kit.bag(recording(*kit.CHAIN), "--out", out, "--outputs", "depth,aligned", *SAME) == 1
    topics = {topic for topic, _, _ in kit.read(out)}
    assert "/depth/inverse" in topics and "/depth/image" not in topics
    # One depth in all of the image fixes no scale and shift: nothing is made up.
    assert "/aligned/image" not in topics
    assert "aligned 0 of 8 images: the samples lie where the prediction has one value only" in capsys.readouterr().err


def test_a_sensor_that_moves_on_the_robot(tmp_path, maker, use, kit, capsys):
    """It goes forwards by 0.25 m an image, which /tf says, and so does the wall that it sees."""
    use()
    make = TYPES.types
    base, _, camera = kit.CHAIN
    maker.frames(8, red=20).lidar(8, factor=1.5).static(base, camera)
    for k in range(-1, 17):
        stamp = kit.BEGIN_NS + k * kit.STEP_NS // 2 + kit.STEP_NS // 5
        place = make["geometry_msgs/msg/Vector3"](0.25 * (k / 2 + 0.2), 0.0, 0.1)
        moved = make["geometry_msgs/msg/Transform"](place, make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0))
        stamped = make["geometry_msgs/msg/TransformStamped"](kit.header(stamp, "mast"), "lidar", moved)
        late = kit.STEP_NS if k % 3 == 2 else 0  # the first too: recorded after those that follow
        maker.add("/tf", kit.TF, stamp + late + 9, make[kit.TF]([stamped]))
    maker.write(tmp_path / "in.mcap")
    out = tmp_path / "out.mcap"
    assert kit.bag(tmp_path / "in.mcap", "--out", out, "--outputs", "aligned", *SAME) == 0
    assert "'lidar' to 'camera' by /tf, in which lidar moves" in capsys.readouterr().err
    depths = [np.nanmedian(decode_depth(message)) for _, message in kit.decoded(out, "/aligned/image")]
    np.testing.assert_allclose(depths[::2], [3.0, 3.5, 4.0, 4.5], atol=0.01)


def test_a_missing_chain_is_named_and_no_model_is_loaded(tmp_path, recording, monkeypatch, capsys, kit):
    monkeypatch.setattr("mono_depth_ros.models.loading.load_model", lambda *_: pytest.fail("loaded"))
    path = recording(("base", "camera", (0, 0, 0), (0, 0, 0, 1)), ("mast", "lidar", (0, 0, 0), (0, 0, 0, 1)))
    assert kit.bag(path, "--out", tmp_path / "out.mcap", "--outputs", "aligned") == 1
    said = capsys.readouterr().err
    assert (
        "do not join 'lidar' and 'camera'; there is base to camera, mast to lidar" in said
        and "--cam-from-reference" in said
    )
    assert not (tmp_path / "out.mcap").exists() and not (tmp_path / "out.mcap.part").exists()


def test_without_any_transform_there_is_no_identity(tmp_path, recording, use, capsys, kit):
    use()
    assert kit.bag(recording(), "--out", tmp_path / "out.mcap", "--outputs", "aligned") == 1
    assert "there is none at all" in capsys.readouterr().err


def test_images_too_far_from_a_sweep_have_no_samples(tmp_path, maker, use, capsys, kit):
    use()
    maker.frames(8, red=20).lidar(1).static(*kit.CHAIN).write(tmp_path / "in.mcap")
    words = ("--outputs", "aligned", "--tolerance", "0.05", "--hold", "0.35", "--json")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", *words, *SAME) == 0
    found = json.loads(capsys.readouterr().out)["alignment"]
    assert found["without_samples"] == {"reference_time": 7}
    # The first image has the fit, three more are younger than 0.35 s, the others have no scale.
    assert found["states"] == {"aligned": 4, "unaligned": 4}
    assert len(kit.decoded(tmp_path / "out.mcap", "/aligned/image")) == 4
    assert found["unaligned"]["reference_time"][0] == 4


def test_points_are_made_of_each_depth_there_is(tmp_path, recording, use, kit):
    use()
    out = tmp_path / "out.mcap"
    assert kit.bag(recording(*kit.CHAIN), "--out", out, "--outputs", "points,aligned", *SAME) == 0
    for topic, expected in (("/depth/points", 2.0), ("/aligned/points", 3.0)):
        _, cloud = kit.decoded(out, topic)[0]
        assert (cloud.width, cloud.height) == (16, 12)
        z = np.frombuffer(cloud.data, "<f4").reshape(12, 16, 4)[..., 2]
        assert z[5, 5] == pytest.approx(expected, rel=1e-3)


def test_static_transforms_go_up_and_down_the_tree(tmp_path, maker, kit):
    maker.frames(1).static(*kit.CHAIN).write(tmp_path / "in.mcap")
    with BagReader(tmp_path / "in.mcap") as reader:
        transforms = recorded_transforms(reader)
    found = transforms.lookup("camera", "lidar")
    expected = np.eye(4)
    expected[:3, :3], expected[:3, 3] = kit.LIDAR_TURN, kit.LIDAR_AT
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(transforms.lookup("base", "lidar")[:3, 3], (0, 0, 1.1))
    with pytest.raises(DataError, match="do not join 'lidar' and 'odom'"):
        transforms.lookup("odom", "lidar")


def test_tiny_in_the_synthetic_world_comes_nearer_to_the_truth(tmp_path, maker, kit, capsys):
    """The real network, the world's own lidar, and the extrinsic on /tf_static; judged by the truth, not by samples."""
    camera, lidar = Camera.from_fov((160, 120), 70.0), SpinningLidar()
    world = World.generate("room", 5)
    path, truths = world.path(), []
    for index in range(6):
        stamp, pose = kit.BEGIN_NS + index * kit.STEP_NS, path.pose(0.1 * index)
        frame = world.render(camera, pose, normals=False)
        truths.append(frame.depth)
        image, cloud = empty(IMAGE, kit.header(stamp)), empty(CLOUD, kit.header(stamp, "lidar"))
        fill_image(image, frame.rgb, "rgb8")
        scan = lidar.scan(world, pose @ lidar.camera_from_lidar, seed=index)
        points = np.zeros((len(scan.xyz), 4), np.float32)
        points[:, :3] = scan.xyz
        fill_cloud(cloud, points, TYPES.types["sensor_msgs/msg/PointField"])
        maker.add("/camera/image_raw", IMAGE, stamp, image)
        maker.add("/camera/camera_info", CAMERA_INFO, stamp, info_from(camera, kit.header(stamp)))
        maker.add("/lidar/points", CLOUD, stamp, cloud)
    matrix = lidar.camera_from_lidar
    maker.static(("camera", "lidar", matrix[:3, 3], quaternion(matrix[:3, :3]))).write(tmp_path / "in.mcap")
    out = tmp_path / "out.mcap"
    words = ("--model", "tiny", "--engine", "torch", "--outputs", "depth,aligned", "--json")
    assert kit.bag(tmp_path / "in.mcap", "--out", out, *words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["alignment"]["states"] == {"aligned": 6} and found["alignment"]["held_out_samples"] > 100

    def error(topic):
        pairs = zip(kit.decoded(out, topic), truths, strict=True)
        return np.mean([depth_metrics(decode_depth(message), truth).abs_rel for (_, message), truth in pairs])

    assert error("/aligned/image") < 0.9 * error("/depth/image")
    assert found["alignment"]["abs_rel_after"] < found["alignment"]["abs_rel_before"]
