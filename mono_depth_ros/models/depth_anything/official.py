# SPDX-License-Identifier: Apache-2.0
"""The authors' own checkpoint files, such as depth_anything_v2_vits.pth: read as tensors alone, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.weights.files import read_pth

_STRANGERS = (
    (
        "backbone.embeddings.",
        "of transformers' names, expected the authors' (those belong into a directory)",
    ),
    ("model_state_dict", "of Metric3D"),
    ("depth_model.", "of Metric3D"),
    ("core.core.", "of ZoeDepth or of the metric Depth Anything V1, which is a ZoeDepth"),
    ("pretrained.model.", "of MiDaS or DPT"),
    ("encoder.patch_encoder.", "of Depth Pro"),
    ("model.backbone.pretrained.", "of Depth Anything 3"),
    ("module.pretrained.", "saved in training, with 'module.' before every name, expected the names without it"),
    ("blocks.", "of a DINOv2 encoder alone"),
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of an official file, mapped into memory, under their own names.

    Raises:
        ModelError: the file is cut off, damaged, of another format or of another model, or would run code.
    """
    found = read_pth(path, "a .pth of the authors")
    _check_tensors(found, path)
    return dict(found)


def _check_tensors(found: Any, path: Path) -> None:
    if not isinstance(found, Mapping) or not found:
        raise ModelError(f"{path} holds {type(found).__name__}, expected tensors by their names")
    names = [str(name) for name in found]
    if not any(name.startswith("pretrained.blocks.") for name in names):
        for prefix, whose in _STRANGERS:
            if any(name.startswith(prefix) for name in names):
                raise ModelError(f"{path} holds weights {whose}; expected those of Depth Anything V2")
    inside = [name for name in ("model", "state_dict") if isinstance(found.get(name), Mapping)]
    if inside:
        whose = _whose(found[inside[0]])
        raise ModelError(
            f"{path} is a checkpoint of training{whose} with {', '.join(names[:5])}, expected the weights alone: "
            f"save its {inside[0]!r} as a file of its own"
        )
    odd = [name for name, value in found.items() if not (isinstance(value, Tensor) and isinstance(name, str))]
    if odd:
        raise ModelError(
            f"{path} holds {type(found[odd[0]]).__name__} under {odd[0]!r}, expected tensors by their names"
        )


def _whose(found: Mapping[str, Any]) -> str:
    for prefix, whose in _STRANGERS[:-2]:
        if any(str(name).startswith(prefix) for name in found):
            return f" {whose}"
    return ""
