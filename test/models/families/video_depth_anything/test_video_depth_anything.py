# SPDX-License-Identifier: Apache-2.0
"""Video Depth Anything against its authors' code, its memory, and the files that it is loaded from.

`authors.npz` holds every 40th row and column of what `VideoDepthAnything.infer_video_depth_one` of
`video_depth_anything/video_depth_stream.py` gave (commit 4f5ae23 of github.com/DepthAnything/Video-Depth-Anything, CPU,
torch 2.13.0, float32, without xformers) for the images KEPT of 50, `rolled`, with input_size 126. The authors' classes
were built narrow and shallow: DinoVisionTransformer with embed_dim 48, depth 4, num_heads 3, the other arguments as in
`dinov2.DINOv2`, all four blocks tapped; DPTHeadTemporal with features 32, out_channels 16 24 32 64. Parameters by
`weights_of`, once more with "other." before each name; the tables of positions as they are. Frames: 0000000050.png
of KITTI, rgb_00050.jpg of NYUv2; two images of a pattern of 1600x900, resized to 1280x720 first as `run_streaming.py`
does.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.config import DepthNodeConfig, ModelConfig
from mono_depth_ros.errors import ConfigError, ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families import video_depth_anything
from mono_depth_ros.models.families.video_depth_anything import VideoDepthAnything, VideoMemory, load, read_at
from mono_depth_ros.models.loading import family_of
from mono_depth_ros.models.networks.depth_anything import SIZES, NetworkSize
from mono_depth_ros.models.networks.video_depth_anything import VideoDepthAnythingNetwork
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.preprocess import layout
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.input_size import InputSize

NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 64), 32)
KEPT = (0, 1, 2, 10, 11, 12, 31, 40, 41, 42, 43, 49)
CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")


def weights_of(weight_by_name, prefix: str = "") -> dict[str, torch.Tensor]:
    def weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        gain = 0.3 if name.endswith(("proj_out.weight", "output_conv2.2.weight")) else 1.0
        return gain * weight_by_name(prefix + name, shape)

    state = VideoDepthAnythingNetwork(NARROW).state_dict()
    return {k: value if k.endswith(".pe") else weight(k, tuple(value.shape)) for k, value in state.items()}


def make(
    weight_by_name, prefix: str = "", kind=DepthKind.INVERSE_AFFINE, options=CPU, side: int = 126
) -> VideoDepthAnything:
    network = VideoDepthAnythingNetwork(NARROW)
    network.load_state_dict(weights_of(weight_by_name, prefix))
    spec = ModelSpec("narrow", "video_depth_anything", kind, "none", video=True)
    model = VideoDepthAnything(spec, network.eval().requires_grad_(False), NARROW, options)
    image = model.processing.input
    model.processing = replace(model.processing, input=replace(image, size=replace(image.size, shorter_side=side)))
    return model


@pytest.fixture(scope="module")
def model(weight_by_name) -> VideoDepthAnything:
    return make(weight_by_name)


def rolled(image: np.ndarray, count: int) -> Iterator[np.ndarray]:
    for index in range(count):
        yield np.roll(image, (3 * index, 7 * index), (0, 1))


def depth(model: VideoDepthAnything, images: list[np.ndarray], memories=()) -> np.ndarray:
    height, width = images[0].shape[:2]
    cameras = [Camera.from_fov((width, height), 60)] * len(images)
    found = model.predict(torch.from_numpy(np.stack(images)), cameras, memories=memories)
    return np.stack([item.values.numpy() for item in found])


@pytest.mark.parametrize(("prefix", "name"), [("", "kitti"), ("other.", "nyu")])
def test_same_as_the_authors_code(weight_by_name, picture, prefix: str, name: str) -> None:
    """Over 50 images: from the 12th on the authors drop one each time, from the 43rd on the images forgotten differ."""
    model, memory = make(weight_by_name, prefix), VideoMemory()
    found = [depth(model, [image], [memory])[0, ::40, ::40] for image in rolled(picture(name), 50)]
    authors = np.load(Path(__file__).parent / "authors.npz")[prefix + name]
    relative = np.abs(np.stack([found[index] for index in KEPT]) / authors - 1)
    assert relative.max() <= 1e-4 and relative.mean() <= 1e-5
    assert np.abs(authors[-1] / authors[0] - 1).mean() > 0.01, "the images differ, else this shows nothing"


@pytest.mark.parametrize("prefix", ["other."])
def test_a_large_image_is_made_smaller_first(weight_by_name, picture, prefix: str) -> None:
    """The authors' depth is of 1280x720: it is at the size of the image only here."""
    model, memory = make(weight_by_name, prefix), VideoMemory()
    (frame,), camera = rolled(picture("pattern_1600x900"), 1), Camera.from_fov((1280, 720), 60)
    authors = np.load(Path(__file__).parent / "authors.npz")[f"{prefix}pattern_1600x900"][0]
    assert depth(model, [frame], [memory]).shape == (1, 900, 1600)
    (found,) = model.postprocess(model.run(*model.preprocess(torch.from_numpy(frame)[None], [camera])), [camera])
    relative = np.abs(found.values[::40, ::40].numpy() / authors - 1)
    assert relative.max() <= 1e-4 and relative.mean() <= 1e-5


def test_metres_are_the_same_numbers(weight_by_name, picture) -> None:
    image = picture("pattern_320x240")
    relative, metric = make(weight_by_name), make(weight_by_name, kind=DepthKind.METRIC)
    found = depth(metric, [image])
    assert np.array_equal(found, depth(relative, [image])) and found.min() > 0


def test_a_still_picture_is_a_first_image_and_leaves_no_trace(model, picture) -> None:
    one, two = rolled(picture("pattern_320x240"), 2)
    memory, other = VideoMemory(), VideoMemory()
    still = depth(model, [one])
    assert np.array_equal(still, depth(model, [one], [memory]))
    depth(model, [one], [other])
    depth(model, [two])
    tuple(model.examples())  # and so do those that engines are checked with
    assert np.array_equal(depth(model, [two], [memory]), depth(model, [two], [other]))
    assert memory.images == other.images == 2


def test_streams_of_one_batch_do_not_mix(model, picture) -> None:
    """One in its 3rd image, one in its 1st, a still, and one in its 2nd."""
    frames = list(rolled(picture("pattern_320x240"), 8))
    before = [VideoMemory() for _ in range(3)]
    depth(model, [frames[0]], [before[0]])
    depth(model, [frames[1], frames[2]], [before[0], before[2]])
    alone = copy.deepcopy(before)
    together = depth(model, frames[3:7], [before[0], before[1], None, before[2]])
    for image, memory, found in zip(frames[3:7], [alone[0], alone[1], None, alone[2]], together, strict=True):
        np.testing.assert_allclose(found, depth(model, [image], [memory])[0], rtol=2e-5)
    for memory, expected in zip(before, alone, strict=True):
        assert memory.images == expected.images and memory.places() == expected.places()
        for value, right in zip(memory.window, expected.window, strict=True):
            torch.testing.assert_close(value, right, rtol=1e-4, atol=1e-4)


def test_a_memory_of_another_size_is_refused_and_kept(model, picture) -> None:
    memory = VideoMemory()
    depth(model, [picture("pattern_320x240")], [memory])
    with pytest.raises(ModelError, match="another size"):
        depth(model, [picture("pattern_320x200")], [memory])
    assert memory.images == 1


def test_what_is_remembered_is_the_authors_list() -> None:
    """Against their rule word for word: 32 of the first, then one more each time, and the second dropped."""
    memory, entries = VideoMemory(), []
    for index in range(120):
        if index:
            wanted = entries[:2] + entries[-32 + 3 :]
            places = memory.places()
            assert places[-1] == 31
            order = sorted(zip(places[:-1], memory.window[0][:, 0, 0, 0].tolist(), strict=True))
            assert order == list(enumerate(wanted)) and memory.window[7][3, 0, 0, 0] == memory.window[0][3, 0, 0, 0]
        memory.add([torch.full((1, 1, 1), float(index))] * 8)
        entries += [index] * (1 if index else 32)
        if index + 32 > 42:
            del entries[1]
    assert VideoMemory().places() == [-1] * 31 + [0]


@pytest.mark.parametrize(
    ("image", "reads"),
    [
        ((640, 480), (686, 518)),
        ((1242, 375), (924, 280)),
        ((375, 1242), (280, 924)),
        ((1280, 720), (924, 518)),
        ((1920, 1080), (924, 518)),
        ((2000, 1000), (924, 462)),
    ],
)
def test_the_size_that_an_image_is_read_at(image, reads) -> None:
    _, *sides, rule = read_at(*image, video_depth_anything.PROCESSING.input)
    assert layout(*sides, rule).content == reads


def test_an_image_of_extreme_shape_is_refused(model) -> None:
    with pytest.raises(ImageError):
        depth(model, [np.zeros((4, 4000, 3), np.uint8)])


def test_its_size_cannot_be_stepped(model) -> None:
    with pytest.raises(ConfigError, match=r"target_latency is 0.1 s, expected 0, .* have to forget the images before"):
        InputSize(model, ModelConfig(), DepthNodeConfig(target_latency=0.1), print)


@pytest.fixture
def saved(weight_by_name, tmp_path, monkeypatch):
    """`saved(name, without=..., sidecar=...)`: a file of a network that stands for the small one."""
    monkeypatch.setitem(SIZES, "small", NARROW)

    def make(name: str, without: str = "", sidecar: str = "", **more: torch.Tensor) -> Path:
        weights = {key: value for key, value in weights_of(weight_by_name).items() if not without or without not in key}
        torch.save(weights | more, tmp_path / name)
        if sidecar:
            (tmp_path / name).with_suffix(".yaml").write_text(sidecar)
        return tmp_path / name

    return make


@pytest.mark.parametrize(
    ("name", "sidecar", "kind"),
    [
        ("video_depth_anything_vits.pth", "", DepthKind.INVERSE_AFFINE),
        ("metric_video_depth_anything_vits.pth", "", DepthKind.METRIC),
        ("mine.pth", "kind: metric\n", DepthKind.METRIC),
        ("mine.pth", "kind: inverse_affine\n", DepthKind.INVERSE_AFFINE),
        ("metric_video_depth_anything_vits.pth", "kind: metric\n", DepthKind.METRIC),
    ],
)
def test_the_kind_of_a_file(saved, name: str, sidecar: str, kind: DepthKind) -> None:
    path = saved(name, sidecar=sidecar)
    assert family_of(path) == "video_depth_anything"
    spec = load(path, CPU, None).spec
    assert (spec.kind, spec.video, spec.needs_camera, spec.licence) == (kind, True, False, "not stated")


@pytest.mark.parametrize(
    ("name", "more", "error"),
    [
        ("mine.pth", {}, "does not say whether it is relative or metric.*mine.yaml.*kind: metric"),
        ("depth_anything_v2_vits.pth", {}, "is of Video Depth Anything and does not say"),
        (
            "metric_video_depth_anything_vits.pth",
            {"sidecar": "kind: inverse_affine\n"},
            "metric without a bound by its name, expected relative .* by metric_video_depth_anything_vits.yaml",
        ),
        ("mine.pth", {"sidecar": "kind: metric\nmax_depth_m: 20\n"}, "max_depth_m 20, expected none"),
        ("video_depth_anything_vitb.pth", {}, "is small, expected base"),
        ("video_depth_anything_vits.pth", {"without": "motion_modules.3"}, "missing weights"),
        ("video_depth_anything_vits.pth", {"without": "motion_modules"}, "has no head.motion_modules"),
        ("video_depth_anything_vits.pth", {"more": torch.zeros(1)}, "1 unexpected weights"),
    ],
)
def test_files_that_are_refused(saved, name: str, more, error: str) -> None:
    with pytest.raises(ModelError, match=error):
        load(saved(name, **more), CPU, None)


def test_by_the_catalogue(saved) -> None:
    relative, metric = (CATALOGUE[f"video_depth_anything_{kind}small"] for kind in ("", "metric_"))
    model = load(saved(metric.official), CPU, metric)
    assert model.spec == ModelSpec.of(metric) and metric.video and metric.licence == "Apache-2.0"
    with pytest.raises(ModelError, match=r"video_depth_anything_small: .* is metric"):
        load(saved(metric.official), CPU, relative)
    large = CATALOGUE["video_depth_anything_large"]
    assert (large.hub, large.hub_file) == ("depth-anything/Video-Depth-Anything-Large", "video_depth_anything_vitl.pth")
    assert large.licence == "CC-BY-NC-4.0" and large.commercial is False


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_other_engines_run_the_stream(weight_by_name, picture, model, engine: str) -> None:
    pytest.importorskip(engine)
    other = make(weight_by_name, options=replace(CPU, engine=engine))
    memory, expected = VideoMemory(), VideoMemory()
    for image in rolled(picture("pattern_320x250"), 4):
        np.testing.assert_allclose(depth(other, [image], [memory]), depth(model, [image], [expected]), rtol=1e-4)


def test_there_is_no_contract(model) -> None:
    from mono_depth_ros.models.engine_model import contract_of

    with pytest.raises(ModelError, match=re.escape("takes and gives what it remembers")):
        contract_of(model)
