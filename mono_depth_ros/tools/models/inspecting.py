# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models inspect FILE.onnx`: its inputs and outputs, and a contract to begin with."""

from __future__ import annotations

import argparse
import json
import sys

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import ModelError
from mono_depth_ros.startup import importing


def run(args: argparse.Namespace) -> int:
    """Print what the file says of itself and the contract, or JSON; `--write` puts the contract beside it. 0.

    Raises:
        ModelError: the file cannot be read; there is a contract beside it already, or none can be written there.
    """
    with importing():
        from mono_depth_ros.models.families.onnx_graph import read_graph
        from mono_depth_ros.models.families.onnx_known import contract_for
        from mono_depth_ros.models.processing import contract_path

    if args.file.suffix != ".onnx" or not args.file.is_file():
        raise ModelError(f"{args.file} is no .onnx file that is there, expected one")
    graph = read_graph(args.file)
    contract = contract_for(graph)
    text, path = contract.dump(), contract_path(args.file)
    if args.write:
        if path.exists():
            raise ModelError(f"{path} is there already, expected no contract beside {args.file.name} to write one")
        try:
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error
    looks = f"an export of {contract.title}" if contract.title else "no export that is known here"
    if args.json:
        ports = {"inputs": graph.inputs, "outputs": graph.outputs}
        sides = {key: [{"name": p.name, "shape": p.shape, "dtype": p.dtype} for p in ports[key]] for key in ports}
        print(
            json.dumps(
                {"path": str(args.file), **sides, "precision": graph.precision, "looks_like": contract.title}
                | {"undecided": contract.undecided, "contract": text, "written": str(path) if args.write else None}
            )
        )
        return 0
    for word, found in (("input", graph.inputs), ("output", graph.outputs)):
        for port in found:
            print(f"{word:8}{port}")
    print(f"{'weights':8}{graph.precision}\n{'looks':8}like {looks}\n")
    print(text, end="")
    where = f"written to {path}" if args.write else f"to be saved as {path} (--write does it)"
    print(f"contract {where}: compare it with how the authors' code prepares a picture", file=sys.stderr)
    if contract.undecided:
        print(f"to be decided before it loads: {', '.join(contract.undecided)}", file=sys.stderr)
    return 0
