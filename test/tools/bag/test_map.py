# SPDX-License-Identifier: Apache-2.0
"""--map: which images are fused, what is kept for a later run, what is refused; the surface is a stand-in."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from mono_depth_ros.tools.bag import map as bag_map

FRAMES = 8
WORDS = ("--poses", "poses.txt", "--map", "map.ply", "--outputs", "depth")


class Surface:
    """A point where the camera was at each image that was fused."""

    def __init__(self, *_):
        self.at, self.full = [], False

    def add(self, frame, pose):
        assert frame.depth.isfinite().any()
        self.at.append(pose[:3, 3])

    def surface(self):
        at = np.array(self.at, np.float32).reshape(-1, 3)
        return at, at, np.zeros_like(at, np.uint8), np.zeros((0, 3), np.int32)

    def save(self, path):
        np.savez(path, at=np.array(self.at))

    def restore(self, path):
        self.at = list(np.load(path)["at"])


@pytest.fixture
def here(tmp_path, monkeypatch, maker, kit, use):
    """A recording whose camera moves by a metre an image, and stands at the sixth."""
    use()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bag_map, "TsdfMap", Surface)
    for module in ("convert", "fleet"):
        monkeypatch.setattr(f"mono_depth_ros.tools.bag.{module}.open3d", lambda: None)
    maker.frames(FRAMES).write(tmp_path / "in.mcap")
    lines = [
        f"{(kit.BEGIN_NS + k * kit.STEP_NS) / 1e9:.9f} {min(k, 5) + (k > 6)} 0 0 0 0 0 1" for k in range(1, FRAMES)
    ]
    (tmp_path / "poses.txt").write_text("\n".join(lines))
    return tmp_path


def places(path):
    head, _, body = path.read_bytes().partition(b"end_header\n")
    count = int(head.split(b"element vertex ")[1].split()[0])
    kind = np.dtype([(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [("rgb", "u1", 3)])
    return np.frombuffer(body, kind, count)["x"].round(3).tolist()


def test_images_that_show_something_new_are_fused(here, kit, capsys):
    assert kit.bag("in.mcap", "--out", "out.mcap", "--json", *WORDS) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert places(here / "map.ply") == [1, 2, 3, 4, 5, 6] and summary["messages"]["map"] == 6
    assert summary["map"] == {"path": "map.ply", "fused": 6, "vertices": 6, "full": False}
    assert "map.ply has 7 of 8 images: the first pose is 0.1 s after the image" in printed.err
    assert "map.ply: the surface of 6 images, 6 points" in printed.err
    assert b"comment metres; the fixed frame of the poses" in (here / "map.ply").read_bytes()
    assert not list(here.glob(".map*"))
    page = (here / "map.html").read_text()
    data = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    assert data["clouds"]["map"]["n"] == 6 and "6 points over 5.0 x 0.0 x 0.0 m" in page
    assert data["frustum"][0] == [0, 0, 0] and data["frustum"][-1] == pytest.approx([5, 0, 0], abs=1e-5)


def test_an_interrupted_map_goes_on(here, kit, monkeypatch, capsys):
    words = ("in.mcap", "--out", "out.mcap", "--segment-frames", "3", "--batch", "1", *WORDS)
    add, left = Surface.add, [4]

    def fails(self, frame, pose):
        left[0] -= 1
        if left[0] == 0:
            raise OSError("the power")
        add(self, frame, pose)

    monkeypatch.setattr(Surface, "add", fails)
    assert kit.bag(*words) == 1
    assert [item.name for item in here.glob(".map-*")] == [".map-3.npz"] and not (here / "map.ply").exists()
    monkeypatch.setattr(Surface, "add", add)
    assert kit.bag(*words, "--resume") == 0
    assert places(here / "map.ply") == [1, 2, 3, 4, 5, 6] and not list(here.glob(".map*"))
    assert "map.ply has 7 of 8 images" in capsys.readouterr().err
    assert kit.bag(*words, "--resume") == 0  # nothing is left to do
    assert kit.bag(*words) == 1 and "exists: --force replaces it" in capsys.readouterr().err
    assert kit.bag(*words, "--force") == 0 and len(places(here / "map.ply")) == 6


def test_each_of_many_bags_has_a_map(here, kit, maker):
    for name in ("one", "two"):
        maker.write(here / "bags" / name)
    assert kit.bag("bags", "--out", "depth", *WORDS) == 0
    assert sorted(str(path.relative_to(here)) for path in here.glob("map/*.ply")) == ["map/one.ply", "map/two.ply"]


def test_a_map_of_nothing_is_an_output_without_a_message(here, kit, capsys):
    (here / "poses.txt").write_text(f"{(kit.BEGIN_NS + 50_000_000) / 1e9:.3f} 0 0 0 0 0 0 1")
    words = ("in.mcap", "--out", "out.mcap", "--json", *WORDS)
    assert kit.bag(*words) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["empty"] == ["map"] and not (here / "map.ply").exists()
    assert "nothing was written of: map" in printed.err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--map", "map.ply"), 2, "map is 'map.ply', which needs the poses of the camera: give them with --poses"),
        (("--map", "map.obj", "--poses", "poses.txt"), 2, "map is 'map.obj', expected NAME.ply"),
        (("--poses", "poses.txt"), 2, "which align motion and map go by: expected one of them too"),
        (("--map", "map.ply", "--poses", "poses.txt", "--map-voxel", "0"), 2, "--map-voxel: found '0', expected 0.002"),
    ],
)
def test_options_that_do_not_go_together(words, code, sentence, here, kit, capsys):
    try:
        ended = kit.bag("in.mcap", "--out", "out.mcap", *words)
    except SystemExit as error:
        ended = error.code
    assert ended == code and sentence in capsys.readouterr().err


def test_without_open3d_nothing_begins(here, kit, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.chdir(here)
    monkeypatch.setitem(sys.modules, "open3d", None)
    (here / "bags").mkdir()
    (here / "in.mcap").rename(here / "bags" / "one.mcap")
    for source in ("bags/one.mcap", "bags"):
        assert kit.bag(source, "--out", "out", *WORDS) == 1
        assert "a map needs Open3D: pip install open3d" in capsys.readouterr().err
        assert not (here / "out").exists()


def test_relative_depth_has_no_map(here, kit, use, capsys):
    from mono_depth_ros.prediction import DepthKind

    use(kind=DepthKind.INVERSE_AFFINE)
    assert kit.bag("in.mcap", "--out", "out.mcap", *WORDS) == 1
    assert "--map needs metres, and the model gives relative depth" in capsys.readouterr().err
