# SPDX-License-Identifier: Apache-2.0
"""Prompt Depth Anything beside the local correction: the same samples of synthetic worlds, against their true depth.

AbsRel over all pixels with a depth, also farther than the sensor reaches, the mean of the views; and the error that
each says of itself, which counts pixels as likely as the sensor measures any so far away. A model whose weights are not
on this machine is skipped by its name; a narrow network with random weights takes its place for shape and contract
alone: that depth is there everywhere and within the range of its prompt. Nothing is fetched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from common import run
from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import AlignConfig, ModelConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.prompt_depth_anything import PromptDepthAnything
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.prompt_depth_anything import PromptDepthAnythingNetwork
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.prompts import prompt_grid
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.cache import find_snapshot
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.prompting import PromptedAligner
from mono_depth_ros.world import World

CAMERA = Camera.from_fov((320, 240), 70)
KINDS = ("room", "warehouse")
VIEWS_S = (0.0, 4.0)
COUNTS = (100, 500, 2000)
RANGE_M = 10.0  # of the sensor
NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32)

Depth = np.ndarray
Method = Callable[[np.ndarray, Samples], tuple[Depth, float]]


def prompted() -> dict[str, Any]:
    """The measurement, as plain values."""
    methods: dict[str, Method] = {"holes of the samples filled (4 nearest), no network": _filled}
    tiny = load_model(ModelConfig(model="tiny", device="cpu"))

    def corrected(rgb: np.ndarray, samples: Samples) -> tuple[Depth, float]:
        image = torch.from_numpy(rgb)
        prediction = tiny.predict(image[None], [CAMERA])[0]
        found = align(prediction, samples, AlignConfig(), image)
        assert found.after is not None
        return found.apply(prediction).values.numpy(), found.after.abs_rel

    methods["tiny, fit and local correction"] = corrected
    skipped = {}
    for entry in (entry for entry in CATALOGUE.values() if entry.needs_prompt):
        if find_snapshot(entry.hub, entry.revision, entry.hub_file) is None:
            skipped[entry.name] = f"its weights are not on this machine: {entry.hub}"
        else:
            methods[entry.name] = _with(PromptedAligner(load_model(ModelConfig(model=entry.name))))
    worlds = [World.generate(kind, seed) for seed, kind in enumerate(KINDS)]
    views = [(world.render(CAMERA, world.path().pose(t)), seed) for seed, world in enumerate(worlds) for t in VIEWS_S]
    rows = []
    for count in COUNTS:
        for name, method in methods.items():
            errors = [_one(method, view.rgb, view.depth, count, seed) for view, seed in views]
            true, said = (float(np.mean(of)) for of in zip(*errors, strict=True))
            rows.append(
                {
                    "samples": count,
                    "method": name,
                    "abs_rel": round(true, 4),
                    "says": None if np.isnan(said) else round(said, 4),
                }
            )
    return {
        "what": f"{len(views)} views of {', '.join(KINDS)}, 320x240; samples at random pixels up to {RANGE_M:g} m",
        "rows": rows,
        "skipped": skipped,
        "random weights": _contract(views[0][0]),
    }


def _drawn(depth: Depth, count: int, seed: int) -> Samples:
    known = samples_from_depth(depth, 0.3, RANGE_M)
    rng = np.random.default_rng(seed)
    return known.select(np.sort(rng.choice(len(known), min(count, len(known)), replace=False)))


def _one(method: Method, rgb: np.ndarray, depth: Depth, count: int, seed: int) -> tuple[float, float]:
    found, said = method(rgb, _drawn(depth, count, seed))
    known = np.isfinite(depth) & (depth > 0) & np.isfinite(found)
    return float(np.abs(found[known] / depth[known] - 1).mean()), said


def _filled(_: np.ndarray, samples: Samples) -> tuple[Depth, float]:
    return prompt_grid(samples, samples.size), float("nan")


def _with(aligner: PromptedAligner) -> Method:
    def method(rgb: np.ndarray, samples: Samples) -> tuple[Depth, float]:
        found = aligner.update(torch.from_numpy(rgb), CAMERA, samples, 0, AlignConfig())
        assert found.prediction is not None and found.alignment is not None and found.alignment.after is not None
        return found.prediction.values.cpu().numpy(), found.alignment.after.abs_rel

    return method


def _contract(view: Any) -> dict[str, Any]:
    """What holds whatever the weights are."""
    torch.manual_seed(0)
    spec = ModelSpec("narrow", "prompt_depth_anything", DepthKind.METRIC, "none", confidence=True, needs_prompt=True)
    options = EngineOptions(torch.device("cpu"), "torch", "fp32")
    model = PromptDepthAnything(spec, lambda: PromptDepthAnythingNetwork(NARROW).eval(), options)
    samples = _drawn(view.depth, 500, 0)
    (found,) = model.predict(torch.from_numpy(view.rgb)[None], [CAMERA], [samples])
    values = found.values.numpy()
    inside = (values >= samples.depth.min() * (1 - 1e-5)) & (values <= samples.depth.max() * (1 + 1e-5))
    return {"finite": bool(np.isfinite(values).all()), "within the range of the prompt": bool(inside.all())}


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda _: prompted(), argv)


if __name__ == "__main__":
    sys.exit(main())
