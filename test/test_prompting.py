# SPDX-License-Identifier: Apache-2.0
"""A network whose prompt the samples are: what is said of its error, what is left out, and what is beyond its range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.aligner import Aligned
from mono_depth_ros.alignment.prompted import held_back
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import DataError, ModelError, SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.processing import PromptInput, SizeRule
from mono_depth_ros.models.prompts import prompt_tensor
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.prompting import PromptedAligner

HEIGHT, WIDTH = 120, 160
Y, X = np.mgrid[:HEIGHT, :WIDTH]
TRUTH = (2 + 3 * (X > 80) + Y / 40 + 0.3 * np.sin(X / 5)).astype(np.float32)
CAMERA = Camera.from_fov((WIDTH, HEIGHT), 60)
RGB = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)


class Blur:
    """A network that gives its prompt, blurred: the more samples it has, the better."""

    device, engine = torch.device("cpu"), "torch fp32"

    def __init__(self, needs_prompt: bool = True) -> None:
        self.spec = ModelSpec("blur", "test", DepthKind.METRIC, "none", confidence=True, needs_prompt=needs_prompt)
        self.prompts: list[Samples] = []

    def predict(self, rgb, cameras, prompts=()):
        assert len(rgb) == len(cameras) == len(prompts)
        self.prompts += prompts
        size = (HEIGHT, WIDTH)
        given = prompt_tensor(prompts, size, PromptInput("p", SizeRule(longer_side=WIDTH)), 4, self.device)
        share = torch.nn.functional.avg_pool2d(given.values, 5, 1, 2, count_include_pad=False)[:, 0]
        predictions = [DepthPrediction(depth, DepthKind.METRIC) for depth in given.metres(share)]
        return [given.marked(prediction, i) for i, prediction in enumerate(predictions)]


def some(share: float, truth: np.ndarray = TRUTH, seed: int = 0, where: np.ndarray | None = None) -> Samples:
    chosen = np.random.default_rng(seed).random(truth.shape) < share
    return samples_from_depth(np.where(chosen if where is None else chosen & where, truth, np.nan))


@pytest.fixture
def update() -> Callable[..., tuple[Aligned, Blur]]:
    def make(samples: Samples, stamp_ns: int = 5, **options) -> tuple[Aligned, Blur]:
        model = Blur()
        return PromptedAligner(model).update(RGB, CAMERA, samples, stamp_ns, AlignConfig(**options)), model

    return make


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_the_error_that_is_printed_is_that_of_the_image(update, share: float) -> None:
    """Held-out samples were not in the prompt that they are predicted with, and the result is made of all."""
    samples = some(share)
    found, model = update(samples)
    off = np.abs(found.prediction.values.numpy() / TRUTH - 1).mean()
    assert 0.7 < found.alignment.after.abs_rel / off < 1.5
    assert [len(prompt) for prompt in model.prompts] == [len(samples), len(samples) - len(held_back(samples, 5))]
    assert found.fitted > 0.95 * len(samples) and 0.15 < found.held_out / len(samples) < 0.25
    sigma = found.prediction.uncertainty.numpy()
    within = np.abs(found.prediction.values.numpy() - TRUTH) < sigma
    assert sigma.shape == TRUTH.shape and 0.55 < within.mean() < 0.95
    assert (found.state, found.reason, found.alignment.fit.scale) == ("aligned", "", 1.0)


def test_whole_lines_are_held_back() -> None:
    samples = some(0.05)
    group = samples.rows // 10
    lines = Samples(samples.rows, samples.columns, samples.depth, samples.size, group=group)
    for seed in (0, 1):
        back = held_back(lines, seed)
        assert set(group[back]) == {number for number in range(12) if number % 2 == seed}
    assert len(held_back(some(0.0005), 0)) == 0


def test_nothing_is_measured_where_that_is_not_wanted(update) -> None:
    found, model = update(some(0.05), held_out=0.0)
    assert len(model.prompts) == 1
    assert found.alignment.after is None and found.prediction.uncertainty is None


def test_an_outlier_does_not_stretch_the_range(update) -> None:
    samples = some(0.05)
    depth = samples.depth.copy()
    depth[len(depth) // 2] = 80.0
    found, model = update(Samples(samples.rows, samples.columns, depth, samples.size))
    assert model.prompts[0].depth.max() == 80 and max(prompt.depth.max() for prompt in model.prompts[2:]) < 10
    assert np.abs(found.prediction.values.numpy() / TRUTH - 1).mean() < 0.05


def test_beyond_the_range_the_local_correction_takes_over(update, monkeypatch) -> None:
    """A network that says "as far as any sample" on the right, where samples say otherwise, and is right elsewhere."""
    samples = some(0.05)
    far = float(samples.depth.max())

    def predict(self, rgb, cameras, prompts=()):
        values = torch.from_numpy(np.where(X > 120, far, TRUTH).astype(np.float32))
        confidence = torch.from_numpy((X <= 120).astype(np.float32))
        return [DepthPrediction(values, DepthKind.METRIC, confidence)] * len(rgb)

    monkeypatch.setattr(Blur, "predict", predict)
    found, _ = update(samples)
    depth = found.prediction.values.numpy()
    assert np.array_equal(depth[X <= 120], TRUTH[X <= 120])
    as_it_is, _ = update(samples, local=False)
    assert np.array_equal(as_it_is.prediction.values.numpy(), np.where(X > 120, np.float32(far), TRUTH))
    inside = (X > 124) & (X < 150) & (Y > 10) & (Y < 110)
    assert np.abs(depth[inside] / TRUTH[inside] - 1).mean() < 0.03 < np.abs(far / TRUTH[inside] - 1).mean()
    off = np.abs(depth / TRUTH - 1).mean()
    assert found.alignment.after.abs_rel < 10 * off  # of the corrected result, not of what the network said there
    assert found.alignment.after.abs_rel < 0.3 * np.abs(np.where(X > 120, far, TRUTH) / TRUTH - 1).mean()


@pytest.mark.parametrize("count", [0, 1])
def test_prompts_that_say_nothing(update, count: int) -> None:
    samples = some(0.05)
    with pytest.raises(SamplesError, match="known depth") as error:
        update(samples.select(np.arange(count)))
    assert error.value.reason == "prompt"


def test_samples_of_another_image(update) -> None:
    other = samples_from_depth(TRUTH[:60])
    with pytest.raises((SamplesError, DataError), match="160x60"):
        update(other)


def test_other_models() -> None:
    with pytest.raises(ModelError, match="the model blur takes no prompt, expected one such as prompt_depth_anything"):
        PromptedAligner(Blur(needs_prompt=False))


def test_from_python(tmp_path) -> None:
    """Samples, a depth map with zeros where nothing is known, or a file of one."""
    samples = some(0.2)
    depth = np.zeros_like(TRUTH)
    depth[samples.rows, samples.columns] = samples.depth
    np.save(tmp_path / "lidar.npy", depth)
    model = Pipeline(Blur())
    found = [model(RGB, prompt=given).depth for given in (samples, depth, str(tmp_path / "lidar.npy"))]
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    with pytest.raises(ModelError, match="the model blur needs a prompt for each image"):
        model(RGB)
    with pytest.raises(ModelError, match="the model blur takes no prompt"):
        Pipeline(Blur(needs_prompt=False))(RGB, prompt=samples)
    with pytest.raises(DataError, match=r"the prompt is an array of shape \(3,\), expected a depth map"):
        model(RGB, prompt=[1.0, 2.0, 3.0])
