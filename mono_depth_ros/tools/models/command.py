# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `mono_depth models`."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import fields
from pathlib import Path
from typing import Any

from mono_depth_ros.config import BagConfig, ModelConfig
from mono_depth_ros.media import CAMERA_HELP
from mono_depth_ros.tools.options import add_options, complete_model
from mono_depth_ros.tools.parser import add_alias, path

_MODULES = {
    "list": "listing",
    "info": "listing",
    "fetch": "fetching",
    "verify": "verifying",
    "check": "checking",
    "prove": "prove.run",
    "export": "exporting",
    "quantize": "quantizing",
    "inspect": "inspecting",
}
"""The module of each subcommand; it has a function `run`."""

EXPORTS = ("onnx", "openvino")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `models`."""
    parser = subparsers.add_parser(
        "models",
        help="the models there are; fetch, verify, check, quantise and export them",
        description="The models that have a name: what they are, where their weights are, and whether they are right.",
        examples=("mono_depth models list", "mono_depth models fetch depth_anything_v2_metric_indoor_small"),
    )
    parser.set_defaults(run=lambda _: parser.print_help() or 0)
    actions = parser.add_subparsers(dest="action", metavar="|".join(_MODULES))
    _add_reading(actions)
    _add_proving(actions)
    fetch = actions.add_parser(
        "fetch",
        help="fetch the weights of a model from its hub",
        description="Fetch the weights of a model from its hub, into the hub's cache on this machine or into a "
        "directory for another machine. An interrupted fetch goes on where it ended. HF_HOME, HF_ENDPOINT (a mirror), "
        "HF_TOKEN and HF_HUB_OFFLINE are honoured. The directory that the weights are in goes to stdout.",
        examples=("mono_depth models fetch dpt_large", "mono_depth models fetch dpt_large --out weights/dpt_large"),
    )
    _add_model(fetch, "name", metavar="NAME", help="catalogue name, or hub name organisation/repository")
    out = fetch.add_argument(
        "--out", type=path, metavar="DIR", help="A new directory gets the weights: copy it to a robot, name it there."
    )
    add_alias(fetch, out, "--to")
    fetch.add_argument(
        "--revision", metavar="REV", help="The commit, branch, tag or refs/pr/N is fetched (default: the catalogue's)."
    )
    export = actions.add_parser(
        "export",
        help="write the graph of a model's network to a file",
        description="Write the graph of a model's network to a file, once it agrees with the model itself.",
        examples=(
            "mono_depth models export tiny",
            "mono_depth models export dpt_large --engine openvino --out dpt.xml",
        ),
    )
    _add_model(export, "name", metavar="NAME", help="catalogue name, path or hub name")
    export.add_argument("--engine", choices=EXPORTS, default="onnx", help="The file is of this format (default: onnx).")
    export.add_argument(
        "--out", type=path, metavar="PATH", help="The file or its folder (default: NAME.onnx or NAME.xml in this one)."
    )
    _add_quantize(actions)
    inspect = actions.add_parser(
        "inspect",
        help="inputs and outputs of an ONNX file, and a contract file to begin with",
        description="Print the inputs and outputs of an ONNX file and a contract file to begin with, which says what "
        "the network reads and gives. Exports of well-known networks are recognised by their names and shapes.",
        examples=("mono_depth models inspect model.onnx", "mono_depth models inspect model.onnx --write"),
    )
    inspect.add_argument("file", type=path, metavar="FILE.onnx", help="the ONNX file")
    inspect.add_argument("--write", action="store_true", help="Write the contract beside the file, if none is.")
    for name, action in actions.choices.items():
        if name != "prove":  # which can write it to a file
            action.add_argument("--json", action="store_true", help="Print JSON on stdout.")
        action.set_defaults(run=run)


def _add_quantize(actions: Any) -> None:
    quantize = actions.add_parser(
        "quantize",
        help="a model in int8 for the CPU, by pictures of your own",
        description="Quantise the network of a model to int8 for OpenVINO, by NNCF, with pictures of what the camera "
        "will see (20 at least, as different as they come). A quarter of them is held back and judges the result "
        "against float32: past 3 % of depth in the mean, or 10 % at the 95th percentile, layers are left in float, and "
        "where that does not help nothing is written. It is kept on this machine for --precision int8, and counts for "
        "these weights, this processor and this OpenVINO alone; with --out it is a folder for --engine-path.",
        examples=(
            "mono_depth models quantize depth_anything_v2_metric_indoor_small --images frames",
            "mono_depth models quantize tiny --images frames --camera camera.yaml --out tiny_int8",
        ),
    )
    _add_model(quantize, "name", metavar="NAME", help="catalogue name, path or hub name")
    quantize.add_argument("--images", type=path, metavar="DIR", required=True, help="The pictures are in this folder.")
    quantize.add_argument("--out", type=path, metavar="DIR", help="This new folder gets the result, not the cache.")
    quantize.add_argument("--camera", metavar="CAMERA", help=f"The camera of the pictures: {CAMERA_HELP}.")
    add_options(quantize, BagConfig, ("hfov",))


def _add_reading(actions: Any) -> None:
    listing = actions.add_parser(
        "list",
        help="one line for each model: kind, licence, size, cached or not",
        description="One line for each model of the catalogue: what it gives, the licence of its weights, their size, "
        "and whether they are on this machine.",
        examples=("mono_depth models list", "mono_depth models list --metric --commercial"),
    )
    listing.add_argument("--metric", action="store_true", help="List only models that give metres.")
    listing.add_argument(
        "--commercial", action="store_true", help="List only models whose licence allows commercial use of the weights."
    )
    listing.add_argument("--markdown", action="store_true", help="Print the table of docs/models.md instead.")
    info = actions.add_parser(
        "info",
        help="everything known of one model",
        description="Everything that is known of one model, one line a fact.",
        examples=("mono_depth models info tiny", "mono_depth models info depth_pro --json"),
    )
    _add_model(info, "name", metavar="NAME", help="catalogue name, or a directory that `mono_depth adapt` made")


def _add_proving(actions: Any) -> None:
    verify = actions.add_parser(
        "verify",
        help="are the weights on this disk what they should be?",
        description="Compare files with the SHA-256 of the catalogue, of the hub's cache and of the SHA256SUMS that "
        "`fetch --out` leaves. Exit 1 if one is missing, cut off or changed.",
        examples=("mono_depth models verify", "mono_depth models verify weights/dpt_large"),
    )
    _add_model(
        verify,
        "names",
        nargs="*",
        metavar="NAME|PATH",
        help="catalogue names, hub names, directories or files; without any, every cached model of the catalogue",
    )
    check = actions.add_parser(
        "check",
        help="prove a model on this machine: its files, and every engine against torch in float32",
        description="The full proof of a model, which a start leaves out where it was given before: the SHA-256 of its "
        "files, everything that is checked when they are first loaded, and every engine in every precision that can "
        "run here against torch in float32 (for an ONNX file: ONNX Runtime). What was remembered of the model is "
        "forgotten and found anew. Exit 1 if a file or an engine is not right.",
        examples=("mono_depth models check tiny", "mono_depth models check dpt_large --engine openvino"),
    )
    _add_model(check, "name", metavar="NAME", help="catalogue name, path or hub name")
    add_engines(check)
    prove = actions.add_parser(
        "prove",
        help="everything of models on this machine: files, parity, accuracy, engines, speed; a page to send",
        description="Prove models where their weights are: SHA-256 of the files, parity with numbers of the authors' "
        "code, depth of built-in pictures, every engine against torch in float32 with its time and memory, and the "
        "accuracy on frames at hand beside what is published. Several models run in a process each; after each of them "
        "the results are written, and the same command goes on where it was stopped. Exit 1 where something is wrong "
        "or something that was asked for could not be done.",
        examples=(
            "mono_depth models prove --all --fetch --data ~/data --out proof",
            "mono_depth models prove tiny --compare theirs/prove.html",
        ),
    )
    _add_model(prove, "names", nargs="*", metavar="NAME", help="catalogue names, paths or hub names")
    prove.add_argument("--all", action="store_true", help="Prove every model of the catalogue.")
    prove.add_argument("--fetch", action="store_true", help="Fetch weights that are not on this machine.")
    prove.add_argument(
        "--data",
        type=path,
        metavar="DIR",
        help="Frames with ground truth: DIR/kitti and DIR/nyu, as `eval` reads them.",
    )
    prove.add_argument(
        "--camera",
        default="",
        metavar="CAMERA",
        help=f"The camera of KITTI's frames in a layout that has none: {CAMERA_HELP}.",
    )
    prove.add_argument("--out", type=path, metavar="DIR", help="This folder gets prove.json and the page prove.html.")
    prove.add_argument(
        "--compare",
        type=path,
        metavar="FILE",
        help="Compare the depth with prove.json or prove.html of another machine.",
    )
    prove.add_argument(
        "--json",
        type=path,
        nargs="?",
        const=Path("-"),
        metavar="FILE",
        help="Print JSON on stdout, or write it to FILE.",
    )
    add_engines(prove)


def _add_model(parser: Any, name: str, **more: Any) -> None:
    parser.add_argument(name, **more).completer = complete_model


def add_engines(parser: Any) -> None:
    """The options of a command that looks at every engine."""
    add_options(parser, ModelConfig, ("device",))
    choices = next(item for item in fields(ModelConfig) if item.name == "engine").metadata["choices"]
    names = [name for name in choices if name != "auto"]
    parser.add_argument(
        "--engine", action="append", choices=names, help="Only this engine is taken; may be given several times."
    )


def run(args: argparse.Namespace) -> int:
    """Run one subcommand and return its exit code. ModelError goes up to the caller."""
    module = importlib.import_module(f"mono_depth_ros.tools.models.{_MODULES[args.action]}")
    code: int = module.run(args)
    return code
