# SPDX-License-Identifier: Apache-2.0
"""Whether this machine gives the authors' numbers."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from mono_depth_ros.models.runtime.engine import EngineOptions

MAX_DIFFERENCE, MEAN_DIFFERENCE = 1e-3, 1e-4
"""Of a relative difference, in float32."""


@dataclass(frozen=True)
class Parity:
    """One output of a family beside its authors'.

    Attributes:
        pixels: that were compared. mean, largest: of the relative difference; NaN where a pixel is no number.
    """

    output: str
    pixels: int
    mean: float
    largest: float

    @property
    def right(self) -> bool:
        return self.mean <= MEAN_DIFFERENCE and self.largest <= MAX_DIFFERENCE


def stored() -> dict[str, Any]:
    """By family `by`, whose numbers these are, and `outputs` by name: `step`, and `values` of every so many pixels."""
    text = (resources.files(__package__) / "authors.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def check(family: str, device: torch.device) -> list[Parity]:
    """Run a family with deterministic weights by torch in float32 and compare.

    Raises:
        KeyError: nothing is stored of the family. ModelError: it cannot be run.
    """
    from mono_depth_ros.models.parity.families import FAMILIES

    expected = stored()[family]["outputs"]
    with tempfile.TemporaryDirectory() as folder:
        outputs = FAMILIES[family](EngineOptions(device, "torch", "fp32"), Path(folder))
    found = []
    for name, numbers in expected.items():
        step, rows = numbers["step"], torch.tensor(numbers["values"], dtype=torch.float64)
        values = outputs[name][::step, ::step].double().cpu()
        if values.shape != rows.shape:
            found.append(Parity(name, 0, float("nan"), float("nan")))
            continue
        relative = (values - rows).abs() / rows.abs()
        found.append(Parity(name, rows.numel(), float(relative.mean()), float(relative.max())))
    return found
