# SPDX-License-Identifier: Apache-2.0
"""From the parameters of the authors' checkpoints to those of our network, which does the same in fewer steps."""

from __future__ import annotations

import torch
from torch import Tensor

from mono_depth_ros.models.networks.metric3d_encoder import NetworkSize

Weights = dict[str, Tensor]

UNITS = {"gru08": 0, "gru16": 1, "gru32": 2}
"""The recurrent units, and which context they have."""

_MASK_SCALE = 0.25  # the authors' `mask = .25 * self.mask(net[0])`


def unused(size: NetworkSize) -> tuple[str, ...]:
    """Parameters that a checkpoint may hold and that take no part in inference."""
    # The last norm of the giant encoder: its features are taken without one.
    return ("encoder.mask_token", *(("encoder.norm.weight", "encoder.norm.bias") if size.gated else ()))


def merged(official: Weights, size: NetworkSize) -> Weights:
    """The parameters of `Metric3DNetwork` from the authors' (without their `depth_model.`), each used or known unused.

    Raises:
        KeyError: one that is to be merged is missing. Others that are missing or too many stay so in the result.
    """
    left = dict(official)
    for name in unused(size):
        left.pop(name, None)
    for name in [name for name in left if ".norm3." in name]:
        left.pop(name)  # the authors' second name for `downsample.1`
    for unit, index in UNITS.items():
        _take_apart(left, unit, index, size.hidden)
    for part in ("weight", "bias"):
        name = f"decoder.update_block.mask.2.{part}"
        left[name] = left[name] * _MASK_SCALE
    return left


def _take_apart(left: Weights, unit: str, index: int, hidden: int) -> None:
    """Sort the convolutions of one recurrent unit by their inputs, and move their biases into the context."""
    prefix = f"decoder.update_block.{unit}"
    gates = [left.pop(f"{prefix}.conv{gate}.weight") for gate in "zrq"]
    bias = torch.cat([left.pop(f"{prefix}.conv{gate}.bias") for gate in "zrq"])
    left[f"{prefix}.hidden.weight"] = torch.cat([gates[0][:, :hidden], gates[1][:, :hidden]])
    left[f"{prefix}.candidate.weight"] = gates[2][:, :hidden].clone()
    inputs = torch.cat(gates)[:, hidden:]
    parts = inputs.split(hidden, dim=1) if unit == "gru16" else (inputs,)
    for number, part in enumerate(parts):
        left[f"{prefix}.inputs.{number}.weight"] = part.clone()
    name = f"decoder.context_zqr_convs.{index}.bias"
    left[name] = left[name] + bias
