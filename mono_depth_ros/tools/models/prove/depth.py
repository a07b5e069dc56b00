# SPDX-License-Identifier: Apache-2.0
"""Depth of real weights on pictures that every machine makes the same, as numbers that two machines can compare."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import numpy as np
import torch

from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.engine_model import CHECK_SIZES, EngineModel, example_of
from mono_depth_ros.models.parity.deterministic import pattern_image
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools.models.prove.results import FAILED, MEASURED, NOT_DONE, RIGHT, Proof, Row

STEP = 16
"""Every so many rows and columns are kept."""
TOLERANCE = 1e-3
"""Mean relative difference of float32 on two machines or devices; their convolutions add in another order."""
_OTHER_KNOWN = 0.01
"""The fraction of pixels that may be unknown on one machine alone."""


def pictures(model: DepthModel) -> dict[str, tuple[Any, ...]]:
    """What `model.predict` takes by name: the pictures that engines are checked with, and that of the parity."""
    found = {f"check {width}x{height}": example_of(model, width, height) for width, height in CHECK_SIZES}
    _, *more = example_of(model, 640, 360)
    return {**found, "pattern 640x360": (torch.from_numpy(pattern_image(640, 360))[None], *more)}


def depth_of(model: DepthModel) -> dict[str, Any]:
    """By picture: `mean` of what is known, `known` as a fraction, `rows` of every `step` pixels; None is unknown."""
    found = {}
    for name, inputs in pictures(model).items():
        values = model.predict(*inputs)[0].values.double().cpu().numpy()
        finite = np.isfinite(values)
        rows = [[_number(value) for value in row] for row in values[::STEP, ::STEP].tolist()]
        mean = _number(float(values[finite].mean())) if finite.any() else None
        found[name] = {"mean": mean, "known": round(float(finite.mean()), 5), "step": STEP, "rows": rows}
    return found


def row_of(device: str, found: dict[str, Any], model: DepthModel) -> Row:
    """What the depth on the pictures is, in words; FAILED where the network gives no number.

    That nothing is known of patterns may be right: masks say so, and no shift explains them (MoGe-2).
    """
    unit = " m" if model.spec.kind is DepthKind.METRIC else ""
    parts = []
    for name, one in found.items():
        mean = "nothing known" if one["mean"] is None else f"mean {one['mean']:.4g}{unit}"
        parts.append(f"{name}: {mean}, {100 * one['known']:.0f} % known")
    state = MEASURED
    if isinstance(model, EngineModel) and all(one["mean"] is None for one in found.values()):
        raw = model.network.depth(model.run(*next(iter(model.examples()))))
        if not bool(raw.isfinite().any()):
            state, parts = FAILED, ["the network gives no number on the test pictures"]
    return Row("depth", f"built-in pictures on {device}", state, "; ".join(parts))


def compare(what: str, found: dict[str, Any], expected: dict[str, Any], by: str) -> Row:
    """Depth here and as it should be, on the same pictures."""
    mean = largest = other = 0.0
    pixels = 0
    for name in expected:
        there = _array(expected[name]["rows"])
        every = expected[name]["step"] // STEP  # what ships has fewer
        here = _array(found[name]["rows"])[::every, ::every] if name in found else np.empty((0, 0))
        if here.shape != there.shape:
            sizes = [f"{array.shape[1]}x{array.shape[0]}" for array in (here, there)]
            words = f"{name}: found {sizes[0]} numbers, expected {sizes[1]} of {by}"
            return Row("depth", what, FAILED, words, asked=True)
        both = np.isfinite(here) & np.isfinite(there)
        other = max(other, float((np.isfinite(here) != np.isfinite(there)).mean()))
        if both.any():
            floor = 0.01 * np.abs(there[both]).mean()  # as in the self-check: inverse depth falls to 0 far away
            relative = np.abs(here[both] - there[both]) / np.maximum(np.abs(there[both]), max(floor, 1e-12))
            mean, largest = max(mean, float(relative.mean())), max(largest, float(relative.max()))
            pixels += int(both.sum())
    right = pixels > 0 and mean <= TOLERANCE and other <= _OTHER_KNOWN
    words = f"mean difference {mean:.1e}, largest {largest:.1e} of {pixels} pixels of {by}"
    words += f"; {100 * other:.2g} % are known in one alone" if other else ""
    words += "" if right else f": expected {TOLERANCE:g} at most in the mean"
    numbers = {"mean": mean, "largest": largest, "pixels": pixels, "known_in_one": other}
    return Row("depth", what, RIGHT if right else FAILED, words, numbers, asked=True)


def shipped(name: str) -> dict[str, Any] | None:
    """Of weights that ship `sha256`, and `depth` that they gave when they were released; None for others."""
    text = (resources.files("mono_depth_ros.tools.models.prove") / "shipped.json").read_text(encoding="utf-8")
    found: dict[str, Any] | None = json.loads(text).get(name)
    return found


def against(mine: Proof, other: Proof | None) -> list[Row]:
    """The depth of one model on this machine and on another, device by device."""
    if other is None:
        return [Row("compare", mine.name, NOT_DONE, "the other machine has not proved it", asked=True)]
    if not mine.depth or not other.depth:
        where = "the other machine" if mine.depth else "this machine"
        return [Row("compare", mine.name, NOT_DONE, f"it has no depth on {where}", asked=True)]
    differing = sorted(name for name in mine.files.keys() & other.files.keys() if mine.files[name] != other.files[name])
    if differing:
        words = f"the weights differ: {differing[0]} has another SHA-256 there"
        return [Row("compare", mine.name, FAILED, words, asked=True)]
    rows = []
    for here, found in mine.depth.items():
        for there, expected in other.depth.items():
            row = compare(mine.name, found, expected, f"the other's {there}")
            rows.append(Row("compare", f"{mine.name}, {here} here", row.state, row.words, row.numbers, asked=True))
    return rows


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _array(rows: list[list[float | None]]) -> np.ndarray:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)
