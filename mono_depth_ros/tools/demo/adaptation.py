# SPDX-License-Identifier: Apache-2.0
"""What `mono_depth demo --adapt` does with its recording: the model learns the drive by its lidar, and is judged on the
end of the drive and in other worlds of the kind, which it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.config import ALIGNMENT, BagConfig, Config, DemoConfig, ImageConfig, WorldNodeConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.tools.report.page import chart_figure, figure, table
from mono_depth_ros.tools.report.pictures import DepthScale, error_picture
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.example import Example
from mono_depth_ros.training.adapt.judge import Gain, Judged, gain, judge, mean_of

ADAPTED = "adapted"
"""The folder of the model, beside the demo's page."""

_LEARNING = AdaptConfig(minutes=1.0, replay_frames=150)
_WORLDS, _VIEWS, _SECONDS = 8, 4, 4.0  # unseen worlds, and views of each, so far apart
_OTHERS = 1000  # from the seed of the world to those of the first unseen one
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What came of it.

    Attributes:
        summary: of `mono_depth adapt`, on the end of the drive by its lidar.
        judged: each view of unseen worlds, by their exact depth.
        gain: in those; None, and nothing judged, where the drive gave no sure gain and so no model.
    """

    summary: dict[str, Any]
    judged: list[Judged]
    gain: Gain | None

    def as_json(self) -> dict[str, Any]:
        """For summary.json."""
        drive = {name: self.summary[name] for name in ("before", "after", "gain", "synthetic", "frames")}
        if self.gain is None:
            return {"drive": drive, "unseen": None}
        won = asdict(self.gain) | {"sure": self.gain.sure}
        unseen = {"views": len(self.judged), **_before_after(self.judged), "gain": won}
        return {"drive": drive, "unseen": unseen}

    def html(self) -> str:
        """A section of the page."""
        words = _words(self)
        drive, rows = self.summary, []
        for key, name, form in (
            ("abs_rel", "AbsRel", "{:.3f}"),
            ("rmse_m", "RMSE", "{:.3f} m"),
            ("delta1", "δ1", "{:.1%}"),
        ):
            cells = [drive[when][key] for when in ("before", "after")]
            if self.judged:
                cells += [found[key] for found in _before_after(self.judged).values()]
            rows.append([name, *map(form.format, cells)])
        heads = ["", "drive, before", "after", *(["unseen worlds, before", "after"] if self.judged else [])]
        errors = chart_figure(
            "Errors", "of the end of the drive by its lidar, and of unseen worlds by their truth", table(heads, rows)
        )
        figures = f'<div class="charts">{errors}</div>'
        frames = "".join(_frame(one) for one in _typical(self.judged))
        link = f'<p><a href="{ADAPTED}/report.html">How it learned</a>: curves, the split, the worst frames.</p>'
        parts = ("<section>", "<h2>After a minute of learning</h2>", f"<p>{escape(words)}</p>", figures, frames, link)
        return "\n".join((*parts, "</section>"))


def adapt(recording: Path, config: DemoConfig, world: WorldNodeConfig, folder: Path) -> Adaptation:
    """Learn from the drive for a minute; `folder`/adapted becomes the model, or its report alone.

    Raises:
        MonoDepthError: as `mono_depth adapt`: of a drive that is too short, for one.
    """
    from mono_depth_ros.models.runtime.device import pick_device
    from mono_depth_ros.tools.adapt import progress
    from mono_depth_ros.tools.adapt import run as adaptation
    from mono_depth_ros.tools.adapt.recordings import RecordingSource
    from mono_depth_ros.tools.adapt.source import Asked
    from mono_depth_ros.training.adapt.networks import make_learner

    learner = make_learner(config.model, _LEARNING, pick_device(config.device))
    configs: dict[type[Config], Any] = {cls: cls() for cls in (*ALIGNMENT, ImageConfig)}
    asked = Asked("lidar", 0, None, 0, _LEARNING.max_frames, _LEARNING.seed)
    source = RecordingSource(recording, asked, BagConfig(), configs)
    with progress.Frames(source.total) as bar:
        blocks = adaptation.gather([source], learner, _LEARNING, step=bar.step)
    replayed, held_out = progress.synthetic(_LEARNING, learner)
    with progress.Training() as training:
        outcome = adaptation.adapt(
            learner, blocks, replayed, held_out, _LEARNING, config.model, folder / ADAPTED, progress.tell, training.step
        )
    if not outcome.gain.sure:
        return Adaptation(outcome.summary, [], None)
    judged = list(judge(learner.base, learner.model(folder / ADAPTED), unseen(world)))
    return Adaptation(outcome.summary, judged, gain(judged))


def unseen(world: WorldNodeConfig) -> Iterator[Example]:
    """Views of the same camera in other worlds of the kind, a drive through each."""
    from mono_depth_ros.world import World
    from mono_depth_ros.world.sensor_noise import sensor_image

    none, camera = np.empty((0, 3), np.float32), Camera.from_fov((world.width, world.height), world.hfov)
    for number in range(_WORLDS):
        seed = world.seed + _OTHERS + number
        other = World.generate(world.scene, seed)
        drive = other.path()
        for view in range(_VIEWS):
            time_s = view * _SECONDS
            seen = other.render(camera, drive.pose(time_s), normals=False)
            rgb = sensor_image(seen.rgb, world.noise, time_s, seed * 1_000_003 + view)
            stamp_s = number * 10 * _SECONDS + time_s
            yield Example(
                f"{world.scene} {seed}, {time_s:g} s", "", view, stamp_s, rgb, camera, none, none[:, 0], seen.depth
            )


def _before_after(judged: list[Judged]) -> dict[str, dict[str, float]]:
    return {when: mean_of([getattr(one, f"metrics_{when}") for one in judged]) for when in ("before", "after")}


def _words(found: Adaptation) -> str:
    frames, training = found.summary["frames"], found.summary["training"]
    learned = (
        f"{frames['training']} frames of this drive, whose depth the lidar tells at some points, were learned from in "
        f"{training['minutes']:.1f} minutes; {frames['test']} at its end judge, which it has not seen."
    )
    if found.gain is None:
        return f"{learned} There was no gain that is more than chance, so that no model was written."
    won = found.gain
    if won.low <= 0 <= won.high:
        chance = "no more than chance"
    else:
        chance = "more than chance" if won.low > 0 else "it knows this place better now, and others worse"
    return (
        f"{learned} In {_WORLDS} other worlds of this kind AbsRel {'falls' if won.mean >= 0 else 'rises'} by "
        f"{abs(won.mean):.4f} (95 % interval of the gain {won.low:.4f} to {won.high:.4f}): {chance}. "
        f"The model is {ADAPTED}/."
    )


def _typical(judged: list[Judged]) -> list[Judged]:
    """Views whose gain is least, middling and largest."""
    order = sorted(judged, key=lambda one: one.metrics_before.abs_rel - one.metrics_after.abs_rel)
    return [order[int(k)] for k in np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round()]


def _frame(one: Judged) -> str:
    scale = DepthScale.of([one.truth, one.before, one.after])
    cells = [
        ("image", cv2.cvtColor(one.example.rgb, cv2.COLOR_RGB2BGR)),
        ("depth before", scale.picture(one.before)),
        ("depth after", scale.picture(one.after)),
        ("ground truth", scale.picture(one.truth)),
        ("error before", error_picture(one.before, one.truth)),
        ("error after", error_picture(one.after, one.truth)),
    ]
    said = f"AbsRel {one.metrics_before.abs_rel:.3f} before, {one.metrics_after.abs_rel:.3f} after"
    figures = "".join(figure(name, picture, 360) for name, picture in cells)
    head = f"<h3>{escape(one.example.name)}<span>{said}</span></h3>"
    return f'<article class="frame aligned">{head}<div class="row">{figures}</div></article>'
