# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `mono_depth models`."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import fields
from pathlib import Path
from typing import Any

from mono_depth_ros.config import ModelConfig

_MODULES = {
    "list": "listing",
    "info": "listing",
    "fetch": "fetching",
    "verify": "verifying",
    "check": "checking",
    "export": "exporting",
}
"""The module of each subcommand; it has a function `run`."""

EXPORTS = ("onnx", "openvino")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `models`."""
    parser = subparsers.add_parser("models", help="the models there are; fetch, verify, check and export them")
    actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(_MODULES))
    listing = actions.add_parser("list", help="one line for each model: kind, licence, size, cached or not")
    listing.add_argument("--markdown", action="store_true", help="the table of docs/models.md instead")
    info = actions.add_parser("info", help="everything known of one model")
    info.add_argument("name", metavar="NAME", help="catalogue name")
    fetch = actions.add_parser(
        "fetch",
        help="fetch the weights of a model from its hub",
        description="Fetch the weights of a model from its hub, into the hub's cache on this machine or into a "
        "directory for another machine. An interrupted fetch goes on where it ended. HF_HOME, HF_ENDPOINT (a mirror), "
        "HF_TOKEN and HF_HUB_OFFLINE are honoured. The directory that the weights are in goes to stdout.",
    )
    fetch.add_argument("name", metavar="NAME", help="catalogue name, or hub name organisation/repository")
    fetch.add_argument(
        "--to", type=Path, metavar="DIR", help="a new directory; copy it to a robot, give its path there"
    )
    fetch.add_argument("--revision", metavar="REV", help="commit, branch, tag or refs/pr/N; default: the catalogue's")
    verify = actions.add_parser(
        "verify",
        help="are the weights on this disk what they should be?",
        description="Compare files with the SHA-256 of the catalogue, of the hub's cache and of the SHA256SUMS that "
        "`fetch --to` leaves. Exit 1 if one is missing, cut off or changed.",
    )
    verify.add_argument(
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
    )
    check.add_argument("name", metavar="NAME", help="catalogue name, path or hub name")
    add_engines(check)
    export = actions.add_parser("export", help="write the graph of a model's network to a file")
    export.add_argument("name", metavar="NAME", help="catalogue name, path or hub name")
    export.add_argument("--engine", choices=EXPORTS, default="onnx", help="format of the file; default onnx")
    export.add_argument(
        "--out", type=Path, metavar="PATH", help="file or folder; default NAME.onnx or NAME.xml in this one"
    )
    for action in (listing, info, fetch, verify, check, export):
        action.add_argument("--json", action="store_true", help="print JSON on stdout")
    parser.set_defaults(run=run)


def add_engines(parser: argparse.ArgumentParser) -> None:
    """The options of a command that looks at every engine."""
    choices = next(item for item in fields(ModelConfig) if item.name == "engine").metadata["choices"]
    names = [name for name in choices if name != "auto"]
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or cuda:N; default auto")
    parser.add_argument("--engine", action="append", choices=names, help="only this engine; may be given several times")


def run(args: argparse.Namespace) -> int:
    """Run one subcommand and return its exit code. ModelError goes up to the caller."""
    module = importlib.import_module(f"mono_depth_ros.tools.models.{_MODULES[args.action]}")
    code: int = module.run(args)
    return code
