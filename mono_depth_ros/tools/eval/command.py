# SPDX-License-Identifier: Apache-2.0
"""`mono_depth eval`: accuracy of models on a data set with ground truth, by the published protocols."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import replace
from typing import Any

from mono_depth_ros.config import BagConfig, EvalConfig, EvalModelConfig, ModelConfig, MotionConfig
from mono_depth_ros.media import CAMERA_HELP
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.options import add_options, config_from
from mono_depth_ros.tools.parser import path

DATASETS = ("nyu", "kitti", "tum", "seven_scenes", "folder")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `eval`; its defaults are those of EvalConfig and EvalModelConfig."""
    parser = subparsers.add_parser(
        "eval",
        help="accuracy on NYUv2, KITTI, TUM RGB-D, 7-Scenes or a folder with ground truth",
        description="Compare the depth of models with ground truth, by the published protocol of the data set. A table "
        "on stdout; with --out also eval.json, eval.csv (each image) and report.html. Files that are missing are "
        "listed and counted. Exit code 1 where nothing could be compared, or an image failed.",
        examples=(
            "mono_depth eval nyu nyu_depth_v2/ --model tiny --out results",
            "mono_depth eval folder frames/ --model dpt_large --model dpt_hybrid --align affine_inverse",
        ),
        config_file=True,
    )
    parser.add_argument("dataset", metavar="DATASET", choices=DATASETS, help=f"one of: {', '.join(DATASETS)}")
    parser.add_argument("folder", type=path, metavar="DIR", help="where it is")
    parser.add_argument(
        "--model",
        action="append",
        metavar="MODEL",
        help=f"{_doc(EvalModelConfig, 'model')} Several are compared (default: {EvalModelConfig().model}).",
    )
    parser.add_argument(
        "--split", type=path, metavar="FILE", help="The list of images and their ground truth, of nyu and kitti."
    )
    parser.add_argument(
        "--camera", metavar="CAMERA", help=f"The camera of every image, instead of the data set's: {CAMERA_HELP}."
    )
    add_options(parser, BagConfig, ("hfov",))
    parser.add_argument("--complete", action="store_true", help="A missing file is an error: the whole set or nothing.")
    parser.add_argument("--out", type=path, metavar="DIR", help="This folder gets eval.json, eval.csv and report.html.")
    parser.add_argument("--force", action="store_true", help="Replace these files if they are there.")
    parser.add_argument("--json", action="store_true", help="Print what eval.json holds on stdout, not the table.")
    add_options(parser, EvalConfig)
    add_options(parser.add_argument_group("motion"), MotionConfig)
    others = tuple(name for name in EvalModelConfig.__dataclass_fields__ if name != "model")
    add_options(parser.add_argument_group("model"), EvalModelConfig, others)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate; 0, or 1 when images failed.

    Raises:
        MonoDepthError: nothing could be compared.
    """
    config = config_from(args, EvalConfig)
    models = _models(args)
    with importing():
        from mono_depth_ros.tools.eval.output import header, prepare, summary, table, write
        from mono_depth_ros.tools.eval.report import page
        from mono_depth_ros.tools.eval.run import chosen_protocol, evaluate

    dataset = _dataset(args, config)
    protocol = chosen_protocol(dataset, config)
    prepare(args.out, args.force)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    motion = config_from(args, MotionConfig)
    scores = evaluate(dataset, protocol, config, models, _progress(len(dataset.items)), motion)
    failed = {name: reason for score in scores for name, reason in score.failed.items()}
    for name, reason in failed.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    for score in scores:
        if score.failed and score.scores:
            words = score.why().sentence(f"{score.model}: compared", len(score.scores), len(dataset.items))
            print(words, file=sys.stderr)
    found = summary(dataset, args.folder, protocol, config, scores)
    print(json.dumps(found, allow_nan=False) if args.json else "\n".join([*header(found), "", table(found)]))
    if args.out is not None:
        written = write(args.out, found, page(found, scores))
        print("wrote " + ", ".join(map(str, written)), file=sys.stderr)
    return 1 if failed else 0


def _models(args: argparse.Namespace) -> list[ModelConfig]:
    from mono_depth_ros.errors import UsageError

    others = tuple(name for name in EvalModelConfig.__dataclass_fields__ if name != "model")
    base = config_from(args, EvalModelConfig, others)
    names = args.model or [base.model]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"--model {twice[0]} is given twice, expected each model once")
    return [replace(base, model=name) for name in names]


def _dataset(args: argparse.Namespace, config: EvalConfig) -> Any:
    """The data set as it was found, with what is missing told on stderr."""
    from mono_depth_ros.datasets import READERS
    from mono_depth_ros.datasets.files import Wanted
    from mono_depth_ros.errors import DataError, UsageError
    from mono_depth_ros.media.camera_argument import CameraArgument

    if args.split is not None and args.dataset not in ("nyu", "kitti"):
        raise UsageError(f"--split is for nyu and kitti, found it with {args.dataset}")
    camera = CameraArgument.given(args.camera, args.hfov)
    dataset = READERS[args.dataset](Wanted(args.folder, args.split, config.depth_scale, camera))
    if camera is not None:
        dataset = dataset.with_camera(camera)
    for text in dataset.missing:
        print(f"missing: {text}", file=sys.stderr)
    if dataset.missing:
        told = f"{len(dataset.missing)} missing, {len(dataset.items)} there"
        if args.complete or not dataset.items:
            raise DataError(f"{args.folder}: found {told}, expected {'all' if args.complete else 'at least one'}")
        print(told, file=sys.stderr)
    if not dataset.items:
        raise DataError(f"{args.folder} holds no image with ground truth in the layout {dataset.layout}, expected one")
    return replace(dataset, items=dataset.items[: config.limit]) if config.limit else dataset


def _progress(total: int) -> Any:
    from tqdm import tqdm

    return lambda name, items: tqdm(
        items, total=total, unit="image", file=sys.stderr, dynamic_ncols=True, desc=name, disable=None
    )


def _doc(cls: Any, name: str) -> str:
    return str(cls.__dataclass_fields__[name].metadata["doc"])
