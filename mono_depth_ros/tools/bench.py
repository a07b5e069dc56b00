# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bench MODEL`: how fast is this model here, in which engine, and how far from torch in float32?"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mono_depth_ros.errors import ModelError, UsageError
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.models.command import add_engines

if TYPE_CHECKING:
    import torch

    from mono_depth_ros.models.engine_model import EngineModel

SCRIPTS = ("cloud", "world", "models", "metric3d", "bag", "alignment", "slam", "overhead", "overload")
"""Measurements of the package itself, which were here once: each is a script now."""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="measure a model on this machine: engines, precisions, times, differences",
        description="One line for every engine and precision: the median time of an image, from its pixels to depth "
        "at its size, and the largest difference to torch in float32; or why it cannot run here. Engines that compile "
        "take minutes; --engine leaves others out. The measurements of this package itself are scripts: make bench.",
        examples=(
            "mono_depth bench tiny",
            "mono_depth bench depth_anything_v2_small --engine torch --engine openvino --size 1280x720",
        ),
    )
    parser.add_argument("names", nargs="+", metavar="MODEL", help="catalogue name, path or hub name")
    parser.add_argument(
        "--size", default="640x480", metavar="WIDTHxHEIGHT", help="The size of the image (default: 640x480)."
    )
    add_engines(parser)
    parser.add_argument("--json", action="store_true", help="Print one JSON object on stdout.")
    for old in ("--out", "--reference", "--data"):  # of the measurements that are scripts now
        parser.add_argument(old, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table, or JSON, for each model; 2 where a name is that of a script.

    Raises:
        UsageError: the size is none. ModelError: a model cannot be loaded.
    """
    scripts = [name for name in args.names if name in SCRIPTS]
    for name in scripts:
        sentence = f"the measurement '{name}' is a script in the source tree: python benchmarks/{name}.py"
        print(f"mono_depth bench: {sentence}", file=sys.stderr)
    if scripts:
        return 2
    width, height = _size(args.size)
    results = {}
    for name in args.names:
        from mono_depth_ros.tools.models.checking import load_reference

        model = load_reference(name, args.device)
        with importing():
            from mono_depth_ros.models.runtime.device import describe
        where = describe(model.device)
        if not args.json:
            print(f"{name} on {where}, {width}x{height}:")
        rows = []
        for row in measure(model, width, height, args.engine or ()):
            rows.append(row)
            if not args.json:
                print(in_words(row), flush=True)
        results[name] = {"device": where, "width": width, "height": height, "engines": rows}
    if args.json:
        print(json.dumps(results))
    return 0


def measure(model: EngineModel, width: int, height: int, engines: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """One row for each engine and precision. Replaces the engine of the model.

    Args:
        model: in the engine that the others are compared with. engines: names of ENGINES; all where empty.
    """
    from mono_depth_ros.models.engine_model import example_of
    from mono_depth_ros.models.runtime.engines import ENGINES, build, cannot_run
    from mono_depth_ros.tools.models.checking import median_ms

    frame, examples = example_of(model, width, height), tuple(model.examples())
    reference, expected = model.run, model.predict(*frame)[0].values.cpu()
    for engine in engines or ENGINES:
        for precision in ENGINES[engine].precisions.get(model.device.type, ("fp32",)):
            row: dict[str, Any] = {"engine": engine, "precision": precision, "ms": None}
            try:
                reason = cannot_run(model.network, engine, model.device, precision)
                if reason is not None:
                    raise ModelError(reason)
                print(f"measuring {engine} {precision} ...", file=sys.stderr, flush=True)
                same = (engine, precision) == (reference.name, reference.precision)
                model.run = reference if same else build(model.network, examples, engine, model.device, precision)
                found = model.predict(*frame)[0].values.cpu()
                row = {**row, **difference(found, expected), "ms": median_ms(model, frame)}
            except ModelError as error:
                row["why"] = str(error)
            model.run = reference
            yield row


def difference(found: torch.Tensor, expected: torch.Tensor) -> dict[str, float]:
    """Mean and largest relative difference of depth, and the fraction of pixels that only one of both knows."""
    from mono_depth_ros.models.runtime.selfcheck import relative_errors

    both = found.isfinite() & expected.isfinite()
    errors = relative_errors(found[both], expected[both])
    return {
        "mean_difference": float(errors.mean()),
        "largest_difference": float(errors.max()),
        "known_in_one": float((found.isfinite() != expected.isfinite()).float().mean()),
    }


def in_words(row: dict[str, Any]) -> str:
    """A row for eyes."""
    label = f"  {row['engine'] + ' ' + row['precision']:18}"
    if row["ms"] is None:
        return f"{label}  {'-':>9}     {row['why']}"
    unknown = f", {row['known_in_one']:.2%} of the pixels are known in one alone" if row["known_in_one"] else ""
    spread = f"largest {row['largest_difference']:.2%}, mean {row['mean_difference']:.3%}{unknown}"
    return f"{label}  {row['ms']:9.1f} ms  difference: {spread}"


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise UsageError(f"--size is '{text}', expected WIDTHxHEIGHT, such as 1280x720")
    return int(found[1]), int(found[2])
