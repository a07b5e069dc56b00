# SPDX-License-Identifier: Apache-2.0
"""What is seen of an adaptation while it runs, on stderr, and what is said at its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType

from tqdm import tqdm

from mono_depth_ros.errors import SENTENCE, shown
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools.adapt.run import Outcome
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.example import Example
from mono_depth_ros.training.adapt.learner import Learner


def tell(words: str) -> None:
    """A line that does not tear a bar."""
    tqdm.write(shown(words, SENTENCE), file=sys.stderr)


class _Bar:
    def __init__(self, bar: tqdm[None]) -> None:
        self._bar = bar

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


class Frames(_Bar):
    """Frames that were read; a context manager."""

    def __init__(self, total: int | None) -> None:
        super().__init__(
            tqdm(total=total, unit="frame", desc="reading", file=sys.stderr, disable=None, mininterval=0.5)
        )

    def __enter__(self) -> Frames:
        return self

    def step(self, count: int) -> None:
        self._bar.update(count - self._bar.n)


class Training(_Bar):
    """The run: loss, validation error, time left; a context manager."""

    def __init__(self) -> None:
        form = "{desc}: {percentage:3.0f}%|{bar}| {postfix}"
        super().__init__(tqdm(total=100.0, desc="training", file=sys.stderr, disable=None, bar_format=form))

    def __enter__(self) -> Training:
        return self

    def step(self, fraction: float, loss: float, error: float, left_s: float) -> None:
        self._bar.set_postfix_str(
            f"loss {loss:.3f}, validation AbsRel {error:.4f}, {int(left_s // 60)}:{int(left_s % 60):02d} left",
            refresh=False,
        )
        self._bar.update(100 * min(fraction, 1.0) - self._bar.n)


def synthetic(config: AdaptConfig, learner: Learner) -> tuple[Sequence[Example], Sequence[Example]]:
    """Frames of the synthetic world: to learn beside the user's, and to measure what is forgotten.

    Raises:
        ConfigError: the world cannot be rendered here.
    """
    from mono_depth_ros.errors import ConfigError
    from mono_depth_ros.world import require_numba

    try:
        require_numba()
    except ConfigError as error:
        if config.replay:
            raise ConfigError(f"{error}; or --replay 0 trains without it, and forgets more") from error
        return (), ()
    from mono_depth_ros.training.adapt import replay

    workers = config.workers or 2
    found = replay.replay(config.replay_frames, workers) if config.replay else []
    return found, replay.held_out(workers)


def in_words(outcome: Outcome) -> str:
    """What came of it, in lines."""
    found, gain = outcome.summary, outcome.gain
    what = "AbsRel" if found["model"]["kind"] == DepthKind.METRIC.value else "AbsRel after scale and shift"
    before, after = found["before"], found["after"]
    lines = [
        f"{what} {before['abs_rel']:.3f} -> {after['abs_rel']:.3f}, "
        f"RMSE {before['rmse_m']:.2f} -> {after['rmse_m']:.2f} m, "
        f"delta1 {100 * before['delta1']:.1f} -> {100 * after['delta1']:.1f} % "
        f"on {found['frames']['test']} unseen frames",
        f"AbsRel falls by {gain.mean:.4f}, 95 % interval {gain.low:.4f} to {gain.high:.4f}",
    ]
    if found["synthetic"]:
        was, now = (found["synthetic"][when]["abs_rel"] for when in ("before", "after"))
        lines.append(f"synthetic world, what was forgotten: AbsRel {was:.3f} -> {now:.3f}")
    if gain.sure:
        lines.append(f"{outcome.out} is the model: `mono_depth image photo.jpg --model {outcome.out}`")
    else:
        lines.append(f"no gain that is more than chance: only {outcome.out}/report.html is written")
    return "\n".join(lines)
