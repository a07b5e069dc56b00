# SPDX-License-Identifier: Apache-2.0
"""`tiny` adapted to frames 0 to 99 of 7-Scenes, by four references, and judged on 115 to 149.

AbsRel before and after by the ground truth, and what was forgotten of the synthetic world; later frames with --later.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from alignment_parts.patterns import sixteen_beams
from alignment_parts.scenes import Scene
from common import add_data, run
from mono_depth_ros.config import ModelConfig, MotionConfig
from mono_depth_ros.datasets import READERS
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.tools.adapt import progress
from mono_depth_ros.tools.adapt.datasets import DatasetSource
from mono_depth_ros.tools.adapt.run import adapt, gather
from mono_depth_ros.tools.adapt.source import Asked
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.networks import make_learner

SPLIT = "0:84,90:99,115:149"
ASKED = {"dense": 0.11, "300 points": 0.12, "16 beams": 0.13, "motion": 0.14}


class _Beams(DatasetSource):
    """Of the ground truth what a lidar of 16 beams would hit."""

    def _samples(self, frame: Any, window: Any) -> Any:
        scene = Scene.__new__(Scene)
        for name, value in (("camera", frame.camera), ("truth", frame.truth)):
            object.__setattr__(scene, name, value)
        return sixteen_beams(scene, None), ""  # type: ignore[arg-type]


def figures(arguments: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values."""
    if arguments.data is None:
        raise ConfigError("expected --data DIR, the folder that holds seven_scenes/")
    folder, config = arguments.data / "seven_scenes", AdaptConfig(minutes=arguments.minutes)
    found: dict[str, Any] = {"what": "tiny adapted to 7-Scenes", "minutes": arguments.minutes, "asked": ASKED}
    for name in arguments.cases or ASKED:
        source = _Beams if name == "16 beams" else DatasetSource
        asked = Asked("motion" if name == "motion" else "depth", samples=300 if name == "300 points" else 0)
        learner = make_learner("tiny", config, torch.device("cpu"))
        sources: list[Any] = [source("seven_scenes", folder, asked, None, MotionConfig())]
        blocks = gather(sources, learner, config, SPLIT)
        with TemporaryDirectory() as place:
            out = Path(place) / "model"
            outcome = adapt(learner, blocks, *progress.synthetic(config, learner), config, "tiny", out)
            keys = ("before", "after", "gain", "synthetic", "training")
            found[name] = {key: outcome.summary[key] for key in keys}
            if arguments.later is not None and outcome.gain.sure:
                found[name]["later_abs_rel"] = later(out, arguments.later)
        print(f"{name}: {found[name]['before']} -> {found[name]['after']}", file=sys.stderr, flush=True)
    return found


def later(model: Path, folder: Path) -> float:
    """Mean AbsRel of the frames of another folder of 7-Scenes."""
    loaded, dataset = load_model(ModelConfig(model=str(model), device="cpu")), READERS["seven_scenes"](Wanted(folder))
    errors = []
    for item in dataset.items:
        frame = dataset.load(item)
        assert frame.camera is not None
        depth = loaded.predict(torch.from_numpy(frame.rgb)[None], [frame.camera])[0].values.numpy()
        errors.append(depth_metrics(depth, frame.truth, dataset.protocol.mask(frame.truth)).abs_rel)
    return round(sum(errors) / len(errors), 4)


def options(parser: argparse.ArgumentParser) -> None:
    add_data(parser, "The folder that holds seven_scenes/")
    parser.add_argument("--later", type=Path, metavar="DIR", help="Frames of 7-Scenes half a minute later.")
    parser.add_argument("--minutes", type=float, default=8.0, help="Each training takes this long.")
    parser.add_argument("--cases", nargs="+", choices=tuple(ASKED), default=(), help="Only these are measured.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, figures, argv, options, lambda arguments: not arguments.cases)


if __name__ == "__main__":
    sys.exit(main())
