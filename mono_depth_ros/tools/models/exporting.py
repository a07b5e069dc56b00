# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models export NAME --engine onnx|openvino`: the graph of a model's network, for other programs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.startup import importing


def run(args: argparse.Namespace) -> int:
    """Write the graph and print its path; 0.

    Raises:
        ModelError: the model cannot be loaded or exported, or the file cannot be written.
    """
    with importing():
        from mono_depth_ros.models.loading import load_model

    model = load_model(ModelConfig(model=args.name, device="cpu", engine="torch", precision="fp32"))
    from mono_depth_ros.models.runtime.export import export_model

    path = export_model(model, args.engine, args.out or Path())
    if args.json:
        print(json.dumps({"name": args.name, "engine": args.engine, "path": str(path), "bytes": path.stat().st_size}))
    else:
        print(path)
        print(f"licence of the weights: {model.spec.licence}", file=sys.stderr)
    return 0
