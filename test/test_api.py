# SPDX-License-Identifier: Apache-2.0
"""The public Python API: what it takes, what it gives, and what it says when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mono_depth_ros
from mono_depth_ros import Aligner, Camera, DepthKind, Frame, Samples, align, list_models, load_model, metrics
from mono_depth_ros.alignment.samples import samples_from_depth
from mono_depth_ros.errors import CameraError, ConfigError, DataError, FitError, ImageError, ModelError, SamplesError
from mono_depth_ros.geometry.rays import project
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthPrediction

WIDTH, HEIGHT = 64, 48
CAMERA = Camera(WIDTH, HEIGHT, 60.0, 62.0, 31.0, 24.5, "plumb_bob", (-0.2, 0.05, 0.001, -0.001, 0.0))
NORMAL = torch.tensor([0.0, -0.6, -0.8])
U, V = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
RGB = np.stack((U * 3, V * 5, U + V), axis=-1).astype(np.uint8)


def plane(camera: Camera) -> torch.Tensor:
    """Depth of the plane n . p = -1.5 m, which fills the image; the sky is above it."""
    from mono_depth_ros.geometry.rays import rays

    grid = rays(camera)
    depth = -1.5 / (grid @ NORMAL[:2] + NORMAL[2])
    return torch.where(torch.arange(camera.height)[:, None] < 4, torch.inf, depth)


class Plane:
    """A model that sees a tilted plane, in metres or, times 2 plus 0.1, as inverse depth."""

    def __init__(self, kind: DepthKind = DepthKind.METRIC, needs_camera: bool = False) -> None:
        self.spec = ModelSpec("plane", "test", kind, "none", needs_camera=needs_camera)
        self.device, self.engine, self.seen = torch.device("cpu"), "none", []

    def predict(self, rgb, cameras):
        self.seen.append((rgb.clone(), cameras))
        depth = plane(CAMERA)
        values = depth if self.spec.kind is DepthKind.METRIC else 2 / depth + 0.1
        return [DepthPrediction(values, self.spec.kind, confidence=torch.ones_like(depth)) for _ in rgb]


@pytest.fixture
def frame() -> Frame:
    return Pipeline(Plane())(RGB, CAMERA)


@pytest.fixture
def relative() -> Frame:
    return Pipeline(Plane(DepthKind.INVERSE_AFFINE))(RGB, CAMERA)


# What the package exports


def test_importing_the_package_costs_nothing():
    script = (
        "import sys, time; t = time.perf_counter(); import mono_depth_ros; dir(mono_depth_ros); "
        "print(time.perf_counter() - t, [name for name in ('torch', 'cv2', 'numpy', 'yaml') if name in sys.modules])"
    )
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True) for _ in range(3)]
    assert all(run.stdout.rstrip().endswith("[]") for run in runs)
    assert min(float(run.stdout.split()[0]) for run in runs) < 0.05


def test_the_list_of_models_needs_no_torch():
    script = "import sys, mono_depth_ros as m; print(len(m.list_models()), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    count, torch_is_there = done.stdout.split()
    assert int(count) == len(list_models()) and torch_is_there == "False", done.stderr
    tiny = next(spec for spec in list_models() if spec.name == "tiny")
    assert (tiny.kind, tiny.needs_camera, tiny.licence) == (DepthKind.METRIC, True, "Apache-2.0")


def test_help_is_quick():
    """Measured as the time of the processor, which other processes do not lengthen."""
    seconds = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, "-m", "mono_depth_ros.tools.cli", "--help"], check=True, capture_output=True)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        seconds.append(used)
    assert min(seconds) < 0.2


def test_everything_public_is_there():
    assert set(mono_depth_ros.__all__) <= set(dir(mono_depth_ros))
    for name in mono_depth_ros.__all__:
        assert getattr(mono_depth_ros, name) is not None
    assert mono_depth_ros.metrics is metrics and mono_depth_ros.ModelError is ModelError
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        mono_depth_ros.load_modle  # noqa: B018


def test_type_checkers_see_all_of_it():
    source = Path(mono_depth_ros.__file__).read_text()
    for name in mono_depth_ros.__all__:
        assert f"import {name} as {name}\n" in source
    assert (Path(mono_depth_ros.__file__).parent / "py.typed").exists()


# Images and cameras


IMAGES = {
    "path": lambda folder: folder / "a.png",
    "text": lambda folder: str(folder / "a.png"),
    "PIL": lambda folder: Image.fromarray(RGB),
    "PIL with alpha": lambda folder: Image.fromarray(np.dstack((RGB, U.astype(np.uint8)))),
    "array": lambda folder: RGB,
    "read-only array": lambda folder: np.frombuffer(RGB.tobytes(), np.uint8).reshape(RGB.shape),
    "array turned round": lambda folder: np.ascontiguousarray(RGB[..., ::-1])[..., ::-1],
    "array with alpha": lambda folder: np.dstack((RGB, U.astype(np.uint8))),
    "tensor": lambda folder: torch.from_numpy(RGB),
    "tensor, channels first": lambda folder: torch.from_numpy(RGB).permute(2, 0, 1),
    "tensor, float": lambda folder: torch.from_numpy(RGB).permute(2, 0, 1) / 255,
}


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_is_a_path_a_pil_image_an_array_or_a_tensor(kind, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    model = Plane()
    frame = Pipeline(model)(IMAGES[kind](tmp_path), CAMERA)
    assert torch.equal(model.seen[0][0][0], torch.from_numpy(RGB)) and torch.equal(frame.rgb, torch.from_numpy(RGB))
    assert model.seen[0][1] == [CAMERA] and frame.camera is CAMERA


@pytest.mark.parametrize("image", [RGB[..., 0], Image.fromarray(RGB[..., 0])], ids=["array", "PIL"])
def test_a_grey_image(image):
    assert torch.equal(Pipeline(Plane())(image, CAMERA).rgb, torch.from_numpy(RGB[..., :1]).expand(-1, -1, 3))


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (RGB.astype(np.float32), r"shape \(48, 64, 3\) and float32"),
        (RGB.astype(np.uint16), r"shape \(48, 64, 3\) and uint16"),
        (RGB[None], r"shape \(1, 48, 64, 3\)"),
        (RGB[..., :2], r"shape \(48, 64, 2\)"),
        (RGB[:0], r"shape \(0, 64, 3\)"),
        (Image.new("I;16", (8, 8)), "a PIL image of mode I;16"),
        (Image.new("F", (8, 8)), "a PIL image of mode F"),
        (torch.zeros(1, 3, 8, 8), r"shape \(1, 3, 8, 8\) and float32"),
        (torch.zeros(8, 9, 3), r"shape \(8, 9, 3\) and float32"),
        (torch.full((3, 8, 9), 255.0), "float32 from 255 to 255"),
        (torch.full((3, 8, 9), torch.nan), "float32 from nan to nan"),
        (torch.zeros(3, 8, 9, dtype=torch.int32), "int32"),
        (torch.zeros(3, 8, 3, dtype=torch.uint8), "both the first and the last axis"),
        (torch.zeros(0, 8, 3, dtype=torch.uint8), r"shape \(0, 8, 3\)"),
        (None, "a NoneType"),
        ([RGB], "a list"),
    ],
)
def test_what_is_no_image_is_refused(image, found):
    with pytest.raises(ImageError, match=f"the image is .*{found}.* expected a path, a PIL image, a numpy array"):
        Pipeline(Plane())(image, CAMERA)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.png: No such file"):
        Pipeline(Plane())(tmp_path / "none.png")
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    with pytest.raises(ImageError, match="expected"):
        Pipeline(Plane())(str(tmp_path / "bad.png"))


def test_a_camera_is_a_camera_a_matrix_or_a_file(tmp_path):
    pinhole = Camera(WIDTH, HEIGHT, 60.0, 62.0, 31.0, 24.5)
    pinhole.to_yaml(tmp_path / "camera.yaml")
    given = (
        pinhole,
        pinhole.matrix,
        pinhole.matrix.tolist(),
        torch.from_numpy(pinhole.matrix),
        tmp_path / "camera.yaml",
    )
    for camera in (*given, str(tmp_path / "camera.yaml")):
        assert Pipeline(Plane())(RGB, camera).camera == pinhole


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        (np.eye(4), r"the camera is of shape \(4, 4\), expected a Camera, a 3x3 matrix K"),
        ([1, [2]], "the camera is a list, expected a Camera"),
        (60.0, r"the camera is of shape \(\), expected a Camera"),
        ("none.yaml", r"none\.yaml cannot be read"),
        (np.diag((0.8, 1.1, 1.0)), "divided by the size of the image"),
        (CAMERA.resized(32, 24), "the image is 64x48, its camera is 32x24"),
    ],
)
def test_what_is_no_camera_is_refused(camera, sentence):
    with pytest.raises(CameraError, match=sentence):
        Pipeline(Plane())(RGB, camera)


def test_a_missing_camera_is_no_error_until_it_is_needed():
    model = Plane()
    frame = Pipeline(model)(RGB)
    assert frame.camera is None and frame.depth.shape == frame.confidence.shape == (HEIGHT, WIDTH)
    assert (model.seen[0][1][0].width, model.seen[0][1][0].height) == (WIDTH, HEIGHT)
    assert set(frame.numpy()) == {"rgb", "depth", "confidence"}
    how = r"the camera of the 64x48 image.* pass it after the image, as Camera\.from_fov\(\(64, 48\), hfov_deg"
    for what in ("points", "normals", "cloud", "packed_cloud"):
        with pytest.raises(ModelError, match=how):
            found = getattr(frame, what)
            found()
    with pytest.raises(ModelError, match=f"the model plane needs {how}"):
        Pipeline(Plane(needs_camera=True))(RGB)


def test_a_batch_is_the_images_one_by_one():
    model = Plane()
    small = CAMERA.cropped(0, 0, 20, 10)
    frames = Pipeline(Plane()).batch([RGB, RGB], CAMERA)
    assert [frame.camera for frame in frames] == [CAMERA, CAMERA] and torch.equal(frames[1].depth, frames[0].depth)
    assert len(Pipeline(model).batch([RGB, RGB, RGB], [CAMERA, None, CAMERA])) == 3
    assert [len(rgb) for rgb, _ in model.seen] == [3]
    assert Pipeline(model).batch([]) == []
    with pytest.raises(ModelError, match="found 1 cameras for 2 images"):
        Pipeline(model).batch([RGB, RGB], [CAMERA])
    with pytest.raises(CameraError, match="its camera is 20x10"):
        Pipeline(model).batch([RGB, RGB], [CAMERA, small])


# What a frame gives


def test_the_points_of_a_plane_lie_on_it_and_in_their_pixels(frame):
    known = torch.isfinite(frame.depth)
    assert frame.points.shape == frame.normals.shape == (HEIGHT, WIDTH, 3) and 0.8 < known.float().mean() < 1
    assert torch.equal(torch.isfinite(frame.points).all(-1), known)
    torch.testing.assert_close((frame.points @ NORMAL)[known], torch.full_like(frame.depth, -1.5)[known])
    torch.testing.assert_close(frame.normals[10:-1, 1:-1], NORMAL.expand(HEIGHT - 11, WIDTH - 2, 3), atol=2e-3, rtol=0)
    pixels = project(frame.points.double(), CAMERA)
    expected = torch.from_numpy(np.stack((U, V), -1)).double()
    torch.testing.assert_close(pixels[known], expected[known], atol=1e-3, rtol=0)


def test_tensors_are_the_callers_own():
    rgb = RGB.copy()
    model = Pipeline(Plane())
    frame = model(rgb, CAMERA)
    for tensor in (frame.rgb, frame.depth, frame.points, frame.normals, frame.confidence, frame.prediction.values):
        assert not tensor.is_inference()
        tensor.zero_()
    assert (rgb == RGB).all() and frame.points is frame.points and (frame.points == 0).all()
    assert torch.equal(model(rgb, CAMERA).depth, plane(CAMERA))
    assert not model(rgb, CAMERA).align(samples_from_depth(plane(CAMERA).numpy())).depth.is_inference()


def test_gradients_flow_through_the_points(frame):
    depth = frame.depth.clone().requires_grad_()
    from mono_depth_ros.geometry.rays import rays

    loss = (depth[..., None] * rays(CAMERA)).nan_to_num(posinf=0, neginf=0).sum()
    loss.backward()
    assert depth.grad is not None


def test_a_shipped_model_gives_tensors_that_can_be_changed(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    frame = load_model("tiny", device="cpu", engine="torch")(tmp_path / "a.png", Camera.from_fov((WIDTH, HEIGHT), 70))
    for tensor in (frame.rgb, frame.depth, frame.points, frame.normals, frame.prediction.values, frame.picture()):
        tensor.zero_()


def test_a_cloud_is_what_is_known_without_flying_pixels(frame):
    known = torch.isfinite(frame.depth)
    points, colours = frame.cloud(edge_ratio=0)
    assert torch.equal(points, frame.points[known]) and torch.equal(colours, frame.rgb[known])
    points, colours = frame.cloud(stride=4, edge_ratio=0)
    assert torch.equal(points, frame.points[::4, ::4][known[::4, ::4]]) and len(points) == len(colours)
    jump = plane(CAMERA)
    jump[:, 32:] *= 3
    packed = Frame(frame.rgb, CAMERA, DepthPrediction(jump, DepthKind.METRIC))
    assert len(packed.cloud()[0]) == torch.isfinite(packed.packed_cloud()[..., 2]).sum() < known.sum()
    with pytest.raises(ConfigError, match="stride"):
        frame.cloud(stride=0)


def test_a_cloud_in_a_file(frame, tmp_path):
    from mono_depth_ros.media.ply import read_ply

    assert frame.write_ply(tmp_path / "a.ply", edge_ratio=0) == torch.isfinite(frame.depth).sum()
    np.testing.assert_array_equal(
        read_ply("a.ply", (tmp_path / "a.ply").read_bytes()), frame.cloud(edge_ratio=0)[0].numpy()
    )


def test_arrays(frame, relative):
    arrays = frame.numpy()
    assert set(arrays) == {"rgb", "depth", "points", "normals", "confidence"}
    np.testing.assert_array_equal(arrays["points"], frame.points.numpy())
    arrays["depth"][:] = 0
    assert torch.equal(frame.depth, plane(CAMERA)), "arrays are copies"
    assert set(relative.numpy()) == {"rgb", "inverse_depth", "confidence"}
    sure = DepthPrediction(plane(CAMERA), DepthKind.METRIC, uncertainty=torch.ones(HEIGHT, WIDTH))
    assert frame.uncertainty is None and "uncertainty" in Frame(frame.rgb, CAMERA, sure).numpy()


def test_a_picture_is_rgb(frame, relative):
    for picture in (frame.picture(), relative.picture()):
        assert picture.shape == (HEIGHT, WIDTH, 3) and picture.dtype == torch.uint8
        near, sky = picture[-1, 32].tolist(), picture[0, 32].tolist()
        assert near[0] > near[2] and sky[2] > sky[0]


def test_a_relative_model_has_no_metres(relative):
    for what in ("depth", "points", "normals"):
        with pytest.raises(ModelError, match=r"no metres: pass known depths to frame\.align, or load a metric model"):
            getattr(relative, what)


# Known depths


SCALE = 1.7
FLAT = torch.isfinite(plane(CAMERA))


def truth() -> np.ndarray:
    """The plane, farther by SCALE, with 20 % of wrong depths."""
    depth = SCALE * plane(CAMERA).numpy()
    wrong = np.random.default_rng(0).random(depth.shape) < 0.2
    return np.where(wrong & np.isfinite(depth), 0.3 * depth, depth).astype(np.float32)


def lidar() -> tuple[np.ndarray, np.ndarray]:
    """Points on the plane, farther by SCALE, in the frame of a lidar, and cam_from_lidar."""
    points = (SCALE * Pipeline(Plane())(RGB, CAMERA).points[FLAT]).numpy()[::3]
    cam_from_lidar = np.array([[0, -1, 0, 0.1], [0, 0, -1, -0.2], [1, 0, 0, 0.05], [0, 0, 0, 1.0]])
    return (points - cam_from_lidar[:3, 3]) @ cam_from_lidar[:3, :3], cam_from_lidar


def references() -> dict:
    points, cam_from_lidar = lidar()
    return {
        "samples": (samples_from_depth(truth()), {}),
        "depth map": (truth(), {}),
        "depth map as a tensor": (torch.from_numpy(truth()), {}),
        "depth map with a mask": (np.where(U > 30, truth(), 1.0), {"mask": U > 30}),
        "lidar": (points, {"cam_from_lidar": cam_from_lidar}),
        "lidar as tensors": (torch.from_numpy(points), {"cam_from_lidar": torch.from_numpy(cam_from_lidar[:3])}),
    }


@pytest.mark.parametrize("kind", references())
@pytest.mark.parametrize("metric", [True, False])
def test_a_frame_takes_the_metres_of_known_depths(kind, metric, frame, relative):
    reference, arguments = references()[kind]
    aligned = (frame if metric else relative).align(reference, **arguments)
    assert aligned.prediction.kind is DepthKind.METRIC and aligned.camera is CAMERA and aligned.alignment is not None
    np.testing.assert_allclose(aligned.depth[FLAT], SCALE * plane(CAMERA)[FLAT], rtol=5e-3)
    fit = aligned.alignment.fit
    planted = (SCALE, 0.0) if metric else (1 / (2 * SCALE), -0.05 / SCALE)
    assert (fit.scale, fit.shift) == pytest.approx(planted, rel=1e-2, abs=1e-4)
    assert frame.alignment is None and torch.equal(frame.depth, plane(CAMERA)), "the frame stays as it was"


def test_a_dense_map_is_thinned():
    frame = Pipeline(Plane())(RGB, CAMERA)
    large = Frame(
        torch.zeros(480, 640, 3, dtype=torch.uint8), None, DepthPrediction(torch.ones(480, 640), DepthKind.METRIC)
    )
    fit = large.align(np.full((480, 640), 2.0)).alignment.fit
    assert 15_000 < fit.count < 20_000 and fit.scale == pytest.approx(2)
    assert frame.align(truth()).alignment.fit.count > 0.7 * np.isfinite(truth()).sum(), "all but the wrong ones"


@pytest.mark.parametrize(
    ("reference", "arguments", "error", "sentence"),
    [
        (np.ones((10, 10)), {}, DataError, r"shape \(10, 10\) for a 64x48 image, expected Samples, a depth map"),
        (np.ones((10, 2)), {"cam_from_lidar": np.eye(4)}, DataError, r"shape \(10, 2\) with cam_from_lidar"),
        (np.ones((HEIGHT, WIDTH)), {"cam_from_lidar": np.eye(4)}, DataError, r"\(48, 64\) with cam_from_lidar"),
        (np.ones((10, 3)), {}, DataError, r"lidar points need cam_from_lidar, \(4, 4\), np\.eye\(4\) for"),
        (np.ones((HEIGHT, WIDTH), np.uint16), {}, DataError, "is uint16, .*millimetres is divided by 1000"),
        (np.ones((HEIGHT, WIDTH)), {"mask": np.ones((2, 2), bool)}, DataError, r"the mask is \(2, 2\) bool, expected"),
        (np.ones((HEIGHT, WIDTH)), {"mask": np.ones((HEIGHT, WIDTH))}, DataError, r"float64, expected \(48, 64\) bool"),
        (np.ones((10, 3)), {"mask": FLAT, "cam_from_lidar": np.eye(4)}, DataError, "both mask and cam_from_lidar"),
        (samples_from_depth(np.ones((HEIGHT, WIDTH))), {"mask": FLAT}, DataError, "found Samples with one"),
        (samples_from_depth(np.ones((4, 5))), {}, DataError, "the samples are of a 5x4 image, expected 64x48"),
        (np.full((HEIGHT, WIDTH), np.nan), {}, SamplesError, "no finite and positive depth"),
        (np.full((10, 3), -1.0), {"cam_from_lidar": np.eye(4)}, SamplesError, "behind the camera"),
        (np.ones((10, 3)), {"cam_from_lidar": 2 * np.eye(4)}, ConfigError, "expected"),
        ([[1.0], [1.0, 2.0]], {}, DataError, "the reference is no array"),
        ("depth.npy", {}, DataError, "expected Samples, a depth map"),
    ],
)
def test_references_that_cannot_be_used_are_refused(reference, arguments, error, sentence, frame):
    with pytest.raises(error, match=sentence):
        frame.align(reference, **arguments)


def test_an_image_three_pixels_wide_is_ambiguous():
    frame = Frame(torch.zeros(40, 3, 3, dtype=torch.uint8), None, DepthPrediction(torch.ones(40, 3), DepthKind.METRIC))
    with pytest.raises(DataError, match="a depth map of this size needs a mask to be told from them"):
        frame.align(np.full((40, 3), 2.0))
    assert frame.align(np.full((40, 3), 2.0), mask=np.ones((40, 3), bool)).depth.median() == pytest.approx(2)


def test_points_of_a_lidar_need_the_camera(relative):
    points, cam_from_lidar = lidar()
    frame = Pipeline(Plane())(RGB)
    with pytest.raises(ModelError, match="lidar points need the camera of the image"):
        frame.align(points, cam_from_lidar=cam_from_lidar)
    with pytest.raises(FitError, match="samples to fit"):
        relative.align(points[:5], cam_from_lidar=cam_from_lidar)


def test_align_and_aligner_take_what_frames_have(frame):
    samples = Samples(V[10:].ravel(), U[10:].ravel(), truth()[10:].ravel(), (HEIGHT, WIDTH))
    assert align(frame.prediction, samples).fit.scale == pytest.approx(SCALE, rel=1e-3)
    aligner = Aligner()
    for index in range(3):
        result = aligner.update(frame.prediction, samples if index == 0 else None, index * 10**8)
    assert result.state == "aligned" and not result.prediction.values.is_inference()
    np.testing.assert_allclose(result.prediction.values[FLAT], SCALE * plane(CAMERA)[FLAT], rtol=1e-3)


def test_metrics_take_tensors(frame):
    result = metrics.depth_metrics(1.1 * frame.depth, frame.depth.numpy(), mask=FLAT)
    assert result.abs_rel == pytest.approx(0.1, rel=1e-4) and result.n == FLAT.sum()


# Models


def test_a_model_is_loaded_with_its_options():
    model = load_model("tiny", device=torch.device("cpu"), engine="torch", precision="fp32")
    assert (model.model.device, model.model.engine) == (torch.device("cpu"), "torch fp32")


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"name": "tinny"}, ModelError, "tinny"),
        ({"name": Path("/none/model.onnx")}, ModelError, r"model\.onnx"),
        ({"name": "tiny", "engine": "caffe"}, ConfigError, "engine is .*caffe"),
        ({"name": "tiny", "device": "tpu"}, ModelError, "tpu"),
        ({"name": "tiny", "input_size": (100, 100)}, ModelError, "input_size is '100x100', expected none"),
        ({"name": "tiny", "input_size": 100}, ConfigError, r"input_size is 100, expected \(width, height\)"),
    ],
)
def test_what_cannot_be_loaded_is_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        load_model(**arguments)
