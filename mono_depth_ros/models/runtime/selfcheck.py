# SPDX-License-Identifier: Apache-2.0
"""Every engine but torch in float32 is compared with torch in float32 before it is used.

Engines that are silently wrong on some hardware are a known disease of the field: a fused kernel that overflows in half
precision, a resampling that shifts by half a pixel, a graph that is right only at the size it was exported at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import Engine, Inputs

TOLERANCES = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 3e-2, "int8": 3e-2}
"""The largest AbsRel that is let pass. Depth Anything V2 small with weights of noise gives 1e-6 in fp32 with OpenVINO
and ONNX Runtime, and in bf16 8e-3 with OpenVINO and 9e-3 with torch; fp16 rounds 8 times finer than bf16, but its range
is short. int8 is judged by pictures of its user before it is kept (`models.quantize`), and by this again on the test
images, which differ as they did then. A graph that resampled its positions wrongly gave 0.2 to 0.7."""

_FLOOR = 0.01


@dataclass(frozen=True, eq=False)
class Reference:
    """What torch in float32 gives.

    Attributes:
        examples: the fixed inputs, on the device. outputs: for each of them.
        depth: see `Network.depth`. by: what gave them, in words.
        precision: of the weights that they follow from: in half precision both engines round, each in its own way.
        cure: what to choose where an engine differs.
    """

    examples: Sequence[Inputs]
    outputs: Sequence[Inputs]
    depth: Callable[[Inputs], Tensor]
    by: str = "torch fp32"
    precision: str = "fp32"
    cure: str = "engine:=torch precision:=fp32"

    @classmethod
    def of(
        cls, engine: Engine, examples: Sequence[Inputs], depth: Callable[[Inputs], Tensor], by: str = "torch fp32"
    ) -> Reference:
        """Run the reference engine."""
        return cls(examples, [engine(*inputs) for inputs in examples], depth, by)


def check(engine: Engine, reference: Reference) -> float:
    """The engine's AbsRel to the reference, the largest of all inputs.

    Raises:
        ModelError: it is past the tolerance of the precision, or an output has another shape or is not finite; says by
            how much.
    """
    stated = getattr(getattr(engine, "graph", None), "tolerance", 0.0)
    tolerance = max(TOLERANCES[engine.precision], TOLERANCES[reference.precision], stated)
    worst = 0.0
    for inputs, expected in zip(reference.examples, reference.outputs, strict=True):
        size = "x".join(str(side) for side in reversed(inputs[0].shape[2:]))
        subject = f"engine '{engine.name}' in {engine.precision} is wrong at {size}"
        found = engine(*inputs)
        shapes = [[tuple(value.shape) for value in outputs] for outputs in (found, expected)]
        if shapes[0] != shapes[1]:
            raise ModelError(f"{subject}: found outputs of {shapes[0]}, expected {shapes[1]} as {reference.by} gives")
        for value, right in zip(found, expected, strict=True):
            if bool((~value.isfinite() & right.isfinite()).any()):
                raise ModelError(f"{subject}: found values that are not finite, expected those of {reference.by}")
        error = absrel(reference.depth(found), reference.depth(expected))
        if not error <= tolerance:
            raise ModelError(
                f"{subject}: it differs from {reference.by} by AbsRel {error:.2g}, expected {tolerance:g} at most; "
                f"choose {reference.cure}"
            )
        worst = max(worst, error)
    return worst


def absrel(found: Tensor, expected: Tensor) -> float:
    """Mean of `relative_errors`; NaN where there is nothing to compare."""
    return float(relative_errors(found, expected).mean())


def relative_errors(found: Tensor, expected: Tensor) -> Tensor:
    """|found - expected| / expected of all values where `expected` is finite and not negative, in a row, float64.

    Relative models give inverse depth that falls to 0 far away, where any error is infinitely large: values under 1 %
    of the mean count as that.
    """
    known = expected.isfinite() & (expected >= 0)
    found, expected = found[known].double(), expected[known].double()
    floor = _FLOOR * expected.mean()
    error = (found - expected).abs()
    # Zero against zero is right, also where everything is 0.
    return torch.where(error == 0, 0.0, error / expected.clamp(min=floor))
