# SPDX-License-Identifier: Apache-2.0
"""The training loop: AdamW, one cosine cycle over the time given, a moving average of the weights, checkpoints."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import DataError
from mono_depth_ros.models.networks.tiny import TinyDepthNet
from mono_depth_ros.threads import ahead
from mono_depth_ros.training.batches import Batch, make_batch, shuffled
from mono_depth_ros.training.config import FULL_SIZES, SMALL_SIZES, TrainConfig
from mono_depth_ros.training.losses import depth_loss
from mono_depth_ros.training.parallel import average_gradients, processes, rank
from mono_depth_ros.training.pool import Pool
from mono_depth_ros.training.schedule import cosine_cycle

log = logging.getLogger(__name__)


class Trainer:
    """The state of a run: network, its moving average, optimiser, step, seconds spent. `step` does one update."""

    def __init__(self, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.network = TinyDepthNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        self.steps = 0
        self.seconds = 0.0

    @property
    def fraction(self) -> float:
        """Share of the run that is done, 0 to 1: by steps where they are given, else by the clock."""
        done = self.steps / self.config.steps if self.config.steps else self.seconds / (60 * self.config.minutes)
        return min(done, 1.0)

    def step(self, batch: Batch) -> tuple[float, float]:
        """One update. Returns the loss and the mean absolute log error of the batch."""
        rgb, rays, depth = batch
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * cosine_cycle(self.fraction, self.config.warmup_share)
        self.network.train()
        # bfloat16 convolutions are over three times faster on processors that have them; weights stay float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            log_depth, sky_logit = self.network(rgb, rays)
        loss, absolute = depth_loss(log_depth, sky_logit, depth, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.seconds = average_gradients(self.network.parameters(), self.seconds)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.steps += 1
        self._average_weights()
        return float(loss.detach()), float(absolute)

    @torch.no_grad()
    def _average_weights(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.steps) / (10 + self.steps))  # follows quickly at first
        for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    def save(self, path: Path) -> None:
        """Write everything that `load` needs, whole or not at all."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
            "seconds": self.seconds,
            "config": dataclasses.asdict(self.config),
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint. Raises DataError where there is none or it is of another network."""
        if not path.is_file():
            raise DataError(f"nothing to resume: no checkpoint {path}")
        state = torch.load(path, map_location="cpu", weights_only=True)
        try:
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise DataError(f"checkpoint {path} does not fit the network: {error}") from error
        self.steps, self.seconds = int(state["steps"]), float(state["seconds"])


def train(
    trainer: Trainer,
    pool: Pool,
    checkpoint: Path | None = None,
    on_checkpoint: Callable[[Trainer], None] | None = None,
    progress: bool = True,
) -> None:
    """Train to the end of the schedule on the pool; rank 0 writes checkpoints, with a call of `on_checkpoint`.

    Small crops in the first part of the run, full size after it. Ctrl-C writes a checkpoint before it goes on up.
    """
    config = trainer.config
    rng = np.random.default_rng([config.seed, trainer.steps, rank()])
    order = shuffled(len(pool), max(config.batch // processes(), 1), rng)
    if rank() > 0:
        checkpoint, progress = None, False

    shape_rng = np.random.default_rng([config.seed, trainer.steps])  # the same sizes in every process: equal work

    def make() -> Iterator[Batch]:
        for indices in order:
            sizes = SMALL_SIZES if trainer.fraction < config.small_share else FULL_SIZES
            yield make_batch(pool, indices, sizes[int(shape_rng.integers(len(sizes)))], rng)

    batches = ahead(make(), 2)  # OpenCV releases the interpreter
    before, saved, error = time.monotonic(), trainer.seconds, math.nan
    with tqdm(
        total=100.0, initial=100 * trainer.fraction, unit="%", disable=None if progress else True, mininterval=5
    ) as bar:
        try:
            while trainer.fraction < 1:
                loss, absolute = trainer.step(next(batches))
                error = absolute if math.isnan(error) else 0.99 * error + 0.01 * absolute
                now = time.monotonic()
                trainer.seconds, before = trainer.seconds + now - before, now
                bar.set_postfix(step=trainer.steps, loss=f"{loss:.3f}", log_error=f"{error:.4f}", refresh=False)
                bar.update(round(100 * trainer.fraction - bar.n, 3))
                if checkpoint is not None and trainer.seconds - saved > 60 * config.checkpoint_minutes:
                    saved = trainer.seconds
                    trainer.save(checkpoint)
                    if on_checkpoint is not None:
                        on_checkpoint(trainer)
        finally:
            batches.close()
            if checkpoint is not None:
                trainer.save(checkpoint)
    log.info("trained %d steps in %.1f min, mean |log error| %.4f", trainer.steps, trainer.seconds / 60, error)
