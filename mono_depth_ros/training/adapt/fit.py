# SPDX-License-Identifier: Apache-2.0
"""The training: AdamW over views of the frames, with replay, a moving average of the weights, and a validation block
that chooses the learning rate and the length.

A step's images are shared out among threads of one core each, which meet once a step: threads inside the network would
meet at every layer.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from mono_depth_ros.errors import DataError
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.threads import use_one_core
from mono_depth_ros.training.adapt.batch import Batch, collate
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.example import Example
from mono_depth_ros.training.adapt.learner import Learner
from mono_depth_ros.training.adapt.objective import aligned_error
from mono_depth_ros.training.adapt.view import random_view, view

_PROBE = 0.1  # of the run, for each learning rate that is tried
_CHECKS = 40  # of the validation block in a run
_AT_ONCE = 8  # images of the validation block

State = dict[str, Tensor]


@dataclass(frozen=True)
class Point:
    """Of the curves: where in the run, the mean loss since the point before, the validation error of the average."""

    step: int
    seconds: float
    loss: float
    error: float


@dataclass(eq=False)
class Run:
    """One training with one learning rate.

    Attributes:
        best: weights with the least validation error, at `best_step`, `best_error`. stopped: why it ended early, or "".
    """

    rate: float
    curve: list[Point] = field(default_factory=list)
    best: State = field(default_factory=dict)
    best_step: int = 0
    best_error: float = math.inf
    steps: int = 0
    seconds: float = 0.0
    stopped: str = ""


@dataclass(eq=False)
class Fitted:
    """The result: the run that was taken, those that were tried for its learning rate, and the error before."""

    run: Run
    tried: list[Run]
    error_before: float


Progress = Callable[[float, float, float, float], None]
"""Gets the fraction of the run that is done, the loss, the validation error, and the seconds left."""


class Fit:
    """A network, the frames that it learns from, and the state of its training.

    Args:
        train: frames of the training block. replay: of the synthetic world, may be empty. valid: of the validation
            block. step: told of progress.
    """

    def __init__(
        self,
        learner: Learner,
        train: Sequence[Example],
        replay: Sequence[Example],
        valid: Sequence[Example],
        config: AdaptConfig,
        step: Progress = lambda *_: None,
    ) -> None:
        self.learner, self.config, self._progress = learner, config, step
        self._train, self._replay = train, replay
        batch = config.batch or learner.batch
        on_cpu = learner.device.type == "cpu"
        self.workers = min(config.workers or min(torch.get_num_threads(), 4), batch) if on_cpu else 1
        self._shares = [batch // self.workers + (k < batch % self.workers) for k in range(self.workers)]
        example = train[0]
        self._sizes = learner.sizes(example.camera.width, example.camera.height)
        reads = learner.reads(example.camera.width, example.camera.height)
        self._valid = validation_batches(valid, reads, learner.device)
        self._start = {name: value.detach().clone() for name, value in learner.network.state_dict().items()}

    def fit(self) -> Fitted:
        """Choose the learning rate, then train with it.

        Raises:
            DataError: the loss is no number before anything was learned.
        """
        config, begun = self.config, time.monotonic()
        total = math.inf if config.steps else 60 * config.minutes
        before = self.error(self.learner.network)
        rates = (config.learning_rate,) if config.learning_rate else self.learner.rates
        tried = []
        if len(rates) > 1:
            for k, rate in enumerate(rates):
                tried.append(self._run(rate, _PROBE * total, math.ceil(_PROBE * config.steps), before, k * _PROBE))
            rates = (min(tried, key=lambda run: run.best_error).rate,)
        left = total - (time.monotonic() - begun)
        steps = max(config.steps - sum(run.steps for run in tried), 1) if config.steps else 0
        run = self._run(rates[0], left, steps, before, len(tried) * _PROBE)
        for other in tried:  # a longer run with the rate that was chosen may still be worse
            if other.best_error < run.best_error:
                run.best, run.best_error = other.best, other.best_error
        if not run.best:
            raise DataError(run.stopped or "the validation error is no number")
        return Fitted(run, tried, before)

    def seconds_a_step(self) -> float:
        """How long a step takes here, by one that changes nothing."""
        shard = self._shard(0)
        for _ in range(2):  # the first makes what is made once
            begun = time.monotonic()
            shard.step(self._sizes[0])
        return time.monotonic() - begun

    @torch.no_grad()
    def error(self, network: nn.Module) -> float:
        """The validation error: the mean over images of AbsRel, of relative depth after the best scale and shift."""
        metric = self.learner.spec.kind is DepthKind.METRIC
        network.eval()
        errors: list[Tensor] = []
        for batch in self._valid:
            predicted = self.learner.prediction(self.learner.forward(network, batch))
            for depth in (batch.sparse, batch.dense):
                known = (torch.isfinite(depth) & (depth > 0)).float()
                true = torch.where(known > 0, depth, 1.0)
                if metric:
                    each = ((predicted / true - 1).abs() * known).flatten(1).sum(1) / known.flatten(1).sum(1)
                else:
                    residual, _ = aligned_error(predicted, 1 / true, known)
                    each = ((residual * true).abs() * known).flatten(1).sum(1) / known.flatten(1).sum(1)
                errors.append(each[known.flatten(1).any(1)])
        found = torch.cat(errors)
        return float(found.mean()) if len(found) else math.nan

    def _run(self, rate: float, seconds: float, steps: int, before: float, done: float) -> Run:
        """Train from the first weights on; `done` is the fraction of everything that is over already."""
        network, config = self.learner.network, self.config
        network.load_state_dict(self._start)
        average = copy.deepcopy(network).requires_grad_(False).eval()
        groups = [group for group in self.learner.groups(rate, config) if group["params"]]
        optimizer = torch.optim.AdamW(groups, lr=rate, fused=True)
        learning: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
        means: list[Tensor] = [
            m for p, m in zip(network.parameters(), average.parameters(), strict=True) if p.requires_grad
        ]
        run, begun, losses = Run(rate), time.monotonic(), list[float]()
        share = 1 - done if done >= _PROBE * len(self.learner.rates) else _PROBE
        with ThreadPoolExecutor(self.workers, "learn", initializer=_one_core) as pool:
            shards = [self._shard(k) for k in range(self.workers)]
            checked = reached = 0.0  # the rate follows a step late, as in loops that set it after each step
            while True:
                run.seconds = time.monotonic() - begun
                fraction = min(run.steps / steps if steps else run.seconds / max(seconds, 1e-9), 1.0)
                if fraction >= 1 or run.stopped or fraction - checked >= 1 / _CHECKS:
                    checked = fraction
                    error = self.error(average)
                    run.curve.append(Point(run.steps, run.seconds, float(np.mean(losses or [math.nan])), error))
                    losses = []
                    if error < run.best_error and run.steps:
                        run.best_error, run.best_step = error, run.steps
                        run.best = {name: value.clone() for name, value in average.state_dict().items()}
                    left = run.seconds / max(fraction, 1e-3) * (1 - fraction)
                    self._progress(done + share * fraction, run.curve[-1].loss, error, left)
                    if fraction >= 1 or run.stopped:
                        return run
                factor, reached = self.learner.schedule(reached, config), fraction
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * factor
                optimizer.zero_grad(set_to_none=True)
                size = self._sizes[run.steps % len(self._sizes)]
                results = list(pool.map(_Shard.step, shards, [size] * len(shards)))
                loss = float(np.average(results, weights=self._shares))
                if not math.isfinite(loss):
                    names = ", ".join(dict.fromkeys(name for shard in shards for name in shard.names))
                    run.stopped = f"the loss was {loss:g} at step {run.steps + 1}, of the frames {names}"
                    continue
                for index, parameter in enumerate(learning):
                    parameter.grad = _mean([shard.gradients[index] for shard in shards], self._shares)
                if self.learner.clips:
                    torch.nn.utils.clip_grad_norm_(learning, config.clip_norm)
                optimizer.step()
                run.steps += 1
                losses.append(loss)
                decay = min(config.ema_decay, (1 + run.steps) / (10 + run.steps))  # follows quickly at first
                with torch.no_grad():
                    torch._foreach_lerp_(means, learning, 1 - decay)

    def _shard(self, number: int) -> _Shard:
        """A worker's own copy of the network, whose weights are those of the network itself, and its own views."""
        mine = copy.deepcopy(self.learner.network).train() if self.workers > 1 else self.learner.network.train()
        for own, shared in zip(mine.parameters(), self.learner.network.parameters(), strict=True):
            own.data = shared.data
        rng = np.random.default_rng([self.config.seed, number])
        return _Shard(self.learner, mine, self._train, self._replay, self._shares[number], self.config, rng)


class _Shard:
    """A part of every batch: its views, and what they say of how the weights should change."""

    def __init__(
        self,
        learner: Learner,
        network: nn.Module,
        train: Sequence[Example],
        replay: Sequence[Example],
        count: int,
        config: AdaptConfig,
        rng: np.random.Generator,
    ) -> None:
        self._learner, self._network, self._config, self._rng = learner, network, config, rng
        self._train, self._replay, self._count = train, replay, count
        self.gradients: list[Tensor] = []
        self.names: list[str] = []

    def step(self, size: tuple[int, int]) -> float:
        """The loss of new views at a size; leaves their gradients and names."""
        config, rng = self._config, self._rng
        replayed = rng.random(self._count) < (config.replay if self._replay else 0.0)
        if replayed.all():
            replayed[0] = False
        chosen = [
            of[int(rng.integers(len(of)))] for of in (self._replay if again else self._train for again in replayed)
        ]
        self.names = [example.name for example in chosen]
        batch = collate([random_view(example, size, config.turn_deg, rng) for example in chosen]).to(
            self._learner.device
        )
        # bfloat16 convolutions are over three times faster on processors that have them; weights stay float32
        with torch.autocast(self._learner.device.type, dtype=torch.bfloat16, enabled=self._learner.half):
            output = self._learner.forward(self._network, batch)
        loss = self._learner.loss(output, batch, config)
        learning = [p for p in self._network.parameters() if p.requires_grad]
        for parameter in learning:
            parameter.grad = None
        # Not torch.autograd.grad: its gradients may have other strides than the weights, and fused AdamW ignores that.
        if torch.isfinite(loss):
            loss.backward()
        self.gradients = [parameter.grad for parameter in learning if parameter.grad is not None]
        return float(loss.detach())


def validation_batches(examples: Sequence[Example], size: tuple[int, int], device: torch.device) -> list[Batch]:
    """The frames as the model reads them, in batches, with what was measured of them alone."""
    measured = [replace(one, dense=None) if len(one.points) else one for one in examples]
    pinholes = [replace(one.camera, model="none", distortion=()).resized(*size) for one in measured]
    views = [view(one, camera, np.eye(3)) for one, camera in zip(measured, pinholes, strict=True)]
    return [collate(views[k : k + _AT_ONCE]).to(device) for k in range(0, len(views), _AT_ONCE)]


def _mean(values: Sequence[Tensor], shares: Sequence[int]) -> Tensor:
    if len(values) == 1:
        return values[0]
    total = sum(shares)
    found = values[0] * (shares[0] / total)
    for value, share in zip(values[1:], shares[1:], strict=True):
        found.add_(value, alpha=share / total)
    return found


def _one_core() -> None:
    use_one_core()
    cv2.setNumThreads(1)
