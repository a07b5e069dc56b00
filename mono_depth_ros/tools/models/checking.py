# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models check NAME`: the full proof of a model on this machine, file by file and engine by engine."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import TYPE_CHECKING, Any

from mono_depth_ros.cache import forget_seal
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.models import verifying

if TYPE_CHECKING:
    from mono_depth_ros.models.engine_model import EngineModel
    from mono_depth_ros.models.runtime.choice import Trial


_RUNS, _BUDGET_S = 9, 10.0  # of a measured time


def run(args: argparse.Namespace) -> int:
    """Print a line for each file and each engine, or JSON; 0 where all that can run is right.

    Raises:
        ModelError: the name is unknown; a file is missing, damaged or not what it should be; an engine that can run is
            wrong, or one that was asked for cannot run.
    """
    files = verifying.check(args.name)
    rows = [verifying.row(args.name, item) for item in files]
    if not args.json:
        for row in rows:
            print(verifying.line(row))
    bad = [item for item in files if not item.good]
    if bad:
        raise ModelError(f"{len(bad)} of {len(files)} files are not what they should be: {bad[0]}")
    for item in files:
        forget_seal(item.path)
    with importing():
        from mono_depth_ros.models.loading import load_model
        from mono_depth_ros.models.runtime import remembered
        from mono_depth_ros.models.runtime.choice import trials

    model = load_reference(args.name, args.device)
    engines = []
    for trial in trials(model.network, tuple(model.examples()), model.device, args.engine or ()):
        engines.append(_row(trial))
        if not args.json:
            print(_line(engines[-1]), flush=True)
    remembered.forget(model.network.name)
    del model  # its memory is wanted
    chosen = load_model(ModelConfig(model=args.name, device=args.device)).engine
    if args.json:
        print(json.dumps({"name": args.name, "files": rows, "engines": engines, "auto": chosen}))
    else:
        print(f"engine auto: {chosen}")
    wrong = [row for row in engines if row["state"] == "wrong" or (args.engine and row["state"] == "cannot run")]
    if args.engine:  # of an engine that was asked for one precision is enough
        right = {row["engine"] for row in engines if row["state"] == "right"}
        wrong = [row for row in wrong if row["state"] == "wrong" or row["engine"] not in right]
    if wrong:
        raise ModelError(f"{len(wrong)} of {len(engines)} are not right, such as {wrong[0]['why']}")
    return 0


def load_reference(name: str, device: str) -> EngineModel:
    """The model in the engine that others are compared with: torch in float32, for an ONNX file ONNX Runtime.

    Raises:
        ModelError: see `load_model`.
    """
    with importing():
        from mono_depth_ros.models.engine_model import EngineModel
        from mono_depth_ros.models.loading import load_model

    engine = "onnxruntime" if name.endswith(".onnx") else "torch"
    model = load_model(ModelConfig(model=name, device=device, engine=engine, precision="fp32"))
    if not isinstance(model, EngineModel):
        raise ModelError(f"{name} has no choice of engines, expected a model with one network")
    return model


def median_ms(model: EngineModel, frame: tuple[Any, ...]) -> float:
    """The time of one image, from its pixels to depth at its size: the median of a few."""
    times: list[float] = []
    while len(times) < _RUNS and sum(times) < _BUDGET_S:
        start = time.perf_counter()
        model.predict(*frame)[0].values[0, 0].item()  # waits for a GPU
        times.append(time.perf_counter() - start)
    return round(statistics.median(times) * 1e3, 2)


def _row(trial: Trial) -> dict[str, Any]:
    state = "right" if not trial.refused else "wrong" if trial.possible else "cannot run"
    return {
        "engine": trial.engine,
        "precision": trial.precision,
        "state": state,
        "abs_rel": trial.error if state == "right" else None,
        "network_ms": round(trial.seconds * 1e3, 2) if state == "right" else None,
        "why": trial.refused,
    }


def _line(row: dict[str, Any]) -> str:
    found = f"AbsRel {row['abs_rel']:.1e}, {row['network_ms']:.1f} ms" if row["state"] == "right" else row["why"]
    return f"{row['state']:10}  {row['engine'] + ' ' + row['precision']:18}  {found}"
