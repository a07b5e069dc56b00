# SPDX-License-Identifier: Apache-2.0
"""`mono_depth adapt`: a network learns from the recordings of one camera, and the proof comes with it."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from mono_depth_ros.config import (
    ALIGNMENT,
    BagConfig,
    Config,
    ImageConfig,
    ModelConfig,
    MotionConfig,
    ReferenceConfig,
    StereoConfig,
)
from mono_depth_ros.errors import ConfigError, UsageError
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.options import add_options, complete_model, config_from
from mono_depth_ros.tools.parser import path
from mono_depth_ros.training.adapt.config import AdaptConfig

NO_GAIN = 3
"""The exit code where nothing is written but the report."""

_REFERENCES = ("auto", "depth", "lidar", "scan", "stereo", "motion")
_TOPICS = (
    *("image_topic", "camera_info_topic", "camera", "hfov", "rectified", "align_topic", "right_topic"),
    *("reference_info_topic", "poses", "cam_from_reference"),
)


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `adapt`; its defaults are those of AdaptConfig and of the classes of the references."""
    parser = subparsers.add_parser(
        "adapt",
        help="teach a model your camera and place, from a recording",
        description="Train a model on recordings of one camera, in which a lidar, a depth camera, a stereo pair or the "
        "camera's own motion says how far things are, or on a data set. The recording is split by time: one block is "
        "learned from, one chooses when to stop, and one judges, which nothing has seen. OUT becomes a model, to be "
        "named wherever a model is named, with its card and a report. Exit code 3 where the gain is not more than "
        "chance: then only the report is written.",
        examples=(
            "mono_depth adapt drive.mcap --out my_model",
            "mono_depth adapt seven_scenes=redkitchen/seq-01 --frames 0:999 --samples 300 --out my_model",
        ),
        config_file=True,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="A recording, or NAME=DIR with a data set of `mono_depth eval`, such as folder=DIR.",
    )
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help="This directory becomes the model.")
    parser.add_argument("--force", action="store_true", help="Replace the result of an earlier adaptation at DIR.")
    model = parser.add_argument(
        "--model", default="tiny", metavar="MODEL", help="The model that learns: its name or path (default: tiny)."
    )
    model.completer = complete_model
    parser.add_argument(
        "--reference",
        choices=_REFERENCES,
        default="auto",
        help="What says how far things are; auto is what the recording has, a data set's ground truth (default: auto).",
    )
    parser.add_argument(
        "--frames", metavar="FIRST:LAST", default="", help="Only these frames are used, by their numbers from 0."
    )
    parser.add_argument(
        "--samples", type=_count, default=0, metavar="N", help="Only N known pixels of each frame are used; 0 is all."
    )
    parser.add_argument(
        "--split",
        metavar="A:B,C:D,E:F",
        default="",
        help="Frames A to B are learned from, C to D choose, E to F judge (default: 70, 10 and 20 %% of the time, with "
        "gaps of 1 s).",
    )
    parser.add_argument("--json", action="store_true", help="Print the summary as one line of JSON on stdout.")
    add_options(parser.add_argument_group("training"), AdaptConfig)
    add_options(parser.add_argument_group("model"), ModelConfig, ("device", "threads"))
    topics = parser.add_argument_group("recordings")
    add_options(topics, BagConfig, _TOPICS)
    for cls in (ReferenceConfig, StereoConfig, MotionConfig, ImageConfig):
        add_options(topics, cls)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Adapt; 0, or 3 where the gain is not more than chance.

    Raises:
        MonoDepthError: something is wrong with sources, options or the disk; or nothing could be learned.
    """
    config = config_from(args, AdaptConfig)
    if len(args.sources) > 1 and (args.split or args.frames):
        raise UsageError("--split and --frames are of one source, found several: give them to each by itself")
    with importing():
        from mono_depth_ros.models.runtime.device import pick_device, set_threads
        from mono_depth_ros.tools.adapt import progress
        from mono_depth_ros.tools.adapt.run import adapt, as_json, check_disk, gather
        from mono_depth_ros.training.adapt import package
        from mono_depth_ros.training.adapt.networks import licence_words, make_learner

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    package.check_target(args.out, args.force)
    set_threads(args.threads)
    sources = [_source(text, args, config) for text in args.sources]
    learner = make_learner(args.model, config, pick_device(args.device))
    check_disk(args.out, learner)
    tell = progress.tell
    for words in (learner.note, licence_words(learner.spec.licence)):
        if words:
            tell(words)
    with progress.Frames(sum(source.total or 0 for source in sources) or None) as bar:
        blocks = gather(sources, learner, config, args.split, tell, bar.step)
    replayed, held_out = progress.synthetic(config, learner)
    counts = (len(blocks.training), len(blocks.validation), len(blocks.test))
    tell("{} frames to learn from, {} to choose by, {} to judge by".format(*counts))
    with progress.Training() as bar_of_training:
        outcome = adapt(learner, blocks, replayed, held_out, config, args.model, args.out, tell, bar_of_training.step)
    if args.json:
        print(as_json(outcome.summary))
    print(progress.in_words(outcome), file=sys.stderr)
    return 0 if outcome.gain.sure else NO_GAIN


def _source(text: str, args: argparse.Namespace, config: AdaptConfig) -> Any:
    from mono_depth_ros.datasets import READERS
    from mono_depth_ros.media.camera_argument import CameraArgument
    from mono_depth_ros.tools.adapt.datasets import DatasetSource
    from mono_depth_ros.tools.adapt.recordings import RecordingSource
    from mono_depth_ros.tools.adapt.source import Asked
    from mono_depth_ros.training.adapt.split import one_range

    first, last = one_range(args.frames, "--frames") if args.frames else (0, None)
    asked = Asked(args.reference, first, last, args.samples, config.max_frames, config.seed)
    name, equals, folder = text.partition("=")
    if equals and name in READERS:
        camera = CameraArgument.given(args.camera or None, args.hfov)
        return DatasetSource(name, Path(folder).expanduser(), asked, camera, config_from(args, MotionConfig))
    source = path(text)
    if not source.exists():
        known = ", ".join(f"{reader}=DIR" for reader in READERS)
        raise ConfigError(f"{text}: there is no such recording, expected one, or a data set: {known}")
    bag = config_from(args, BagConfig, [name for name in _TOPICS if name not in ("poses", "align_topic")])
    own = (ReferenceConfig, StereoConfig, MotionConfig, ImageConfig)
    configs: dict[type[Config], Any] = {cls: cls() for cls in ALIGNMENT}
    configs |= {cls: config_from(args, cls) for cls in own}
    return RecordingSource(source, asked, bag, configs, args.poses)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"found '{text}', expected a number of pixels, 0 for all")
    return int(text)
