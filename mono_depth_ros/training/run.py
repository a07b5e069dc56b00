# SPDX-License-Identifier: Apache-2.0
"""From nothing to shipped weights: render the pools, train, export, measure. What `mono_depth train` calls."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any, cast

import cv2
import torch

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.datasets.samples import SAMPLES
from mono_depth_ros.models.families.tiny import TinyModel, load_tiny, save_tiny
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.training import evaluate
from mono_depth_ros.training.config import VALIDATION_SEED, TrainConfig
from mono_depth_ros.training.loop import Trainer, train
from mono_depth_ros.training.parallel import run_parallel
from mono_depth_ros.training.pool import Pool, pool_spec, render_pool

log = logging.getLogger(__name__)

OTHER_SIZES = ((640, 480), (640, 360))
OTHER_FRAMES = 50


def pools(config: TrainConfig, work: Path, progress: bool = True) -> tuple[Pool, Pool]:
    """The training and the held-out pool under `work`, rendered where they are not there yet."""
    found = []
    for name, validation in (("held_out", True), ("train", False)):
        spec = pool_spec(config, validation)
        folder = work / f"{name}_{spec.first_seed}_{spec.frames}_{spec.width}x{spec.height}"
        found.append(render_pool(folder, spec, config.workers, progress))
    return found[1], found[0]


def run_training(config: TrainConfig, work: Path, resume: bool = False, progress: bool = True) -> Trainer:
    """Render what is missing and train to the end of the schedule; checkpoints go to `work`/checkpoint.pt."""
    pools(config, work, progress)
    return cast(Trainer, run_parallel(_train, config.workers, config, work, resume, progress))


def _train(config: TrainConfig, work: Path, resume: bool, progress: bool) -> Trainer:
    training, held_out = pools(config, work, False)
    trainer, checkpoint = Trainer(config), work / "checkpoint.pt"
    cv2.setNumThreads(1)
    if resume:
        trainer.load(checkpoint)
    few = Pool(held_out.rgb[:100], held_out.depth[:100], held_out.meta[:100], held_out.kinds)

    def report(trainer: Trainer) -> None:
        found = evaluate.held_out(evaluate.shipped(trainer.average), few)["all"]
        line = f"step {trainer.steps} AbsRel {found['abs_rel']:.4f} delta1 {found['delta1']:.4f}"
        log.info("%s at %.1f min (first 100 held-out frames)", line, trainer.seconds / 60)

    train(trainer, training, checkpoint, report, progress)
    return trainer


def export(config: TrainConfig, work: Path, out: Path) -> dict[str, float]:
    """Write the averaged weights of the newest checkpoint under `work` to the safetensors file `out`.

    Returns how long they were trained: {"steps", "minutes"}.
    """
    trainer = Trainer(config)
    trainer.load(work / "checkpoint.pt")
    with atomic_path(out) as temporary:
        save_tiny(trainer.average, temporary)
    return {"steps": trainer.steps, "minutes": round(trainer.seconds / 60, 1)}


def measure(
    config: TrainConfig, work: Path, weights: Path, data: Path | None = None, progress: bool = True
) -> dict[str, Any]:
    """Every figure of a weights file: held-out, baseline, real frames where `data` has them, forward time."""
    training, held_out = pools(config, work, progress)
    network, model = load_tiny(weights), TinyModel(EngineOptions(torch.device("cpu")), weights)
    baseline = evaluate.score_rows(evaluate.row_baseline(training), held_out)
    found: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights_bytes": weights.stat().st_size,
        "forward_256x192_ms": evaluate.forward_ms(network),
        "held_out": evaluate.held_out(model, held_out),
        "constant_per_row": baseline,
        "other_cameras": {},
    }
    for width, height in OTHER_SIZES:
        first = VALIDATION_SEED + 1_000_000  # worlds that neither pool holds
        spec = dataclasses.replace(pool_spec(config, True), width=width, height=height, first_seed=first)
        found["other_cameras"][f"{width}x{height}"] = evaluate.other_cameras(model, spec, OTHER_FRAMES)
    found["baseline_over_tiny_abs_rel"] = round(baseline["abs_rel"] / found["held_out"]["all"]["abs_rel"], 2)
    if data is not None:
        present = {name: reader for name, reader in SAMPLES.items() if (data / name).is_dir()}
        found["real"] = {name: evaluate.real(model, reader(data / name)) for name, reader in present.items()}
    found["config"] = dataclasses.asdict(config)
    return found


def write_json(found: dict[str, Any], path: Path) -> None:
    """Write the figures as JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")
