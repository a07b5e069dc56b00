# SPDX-License-Identifier: Apache-2.0
"""The authors' files, such as metric_depth_vit_small_800k.pth: read as tensors alone, nothing is run.

The tensors' shapes say which size it is, never the name of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.metric3d.weights import Weights, merged
from mono_depth_ros.models.networks.metric3d import Metric3DNetwork
from mono_depth_ros.models.networks.metric3d_encoder import SIZES
from mono_depth_ros.models.weights.files import check_finite, read_pth

FILES = {
    "small": "metric_depth_vit_small_800k.pth",
    "large": "metric_depth_vit_large_800k.pth",
    "giant": "metric_depth_vit_giant2_800k.pth",
}
"""The authors' names, at https://huggingface.co/JUGGHM/Metric3D."""

_WHAT = "a .pth of the authors of Metric3D v2"
_STATE = "model_state_dict"


def find_file(source: Path, size: str | None = None) -> Path:
    """The checkpoint: `source` itself, or the one in a directory.

    Args:
        size: whose file is taken from a directory; None takes the only one there.

    Raises:
        ModelError: there is none of the authors' names, or more than one to choose from.
    """
    if not source.is_dir():
        return source
    names = [FILES[size]] if size is not None else list(FILES.values())
    found = [source / name for name in names if (source / name).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(f"{source} holds {' and '.join(path.name for path in found)}: give the path of one of them")
    there = ", ".join(sorted(item.name for item in source.iterdir())[:5]) or "nothing"
    raise ModelError(f"{source} holds {there}, expected {' or '.join(names)}")


def read(path: Path) -> tuple[str, Weights]:
    """The size of a checkpoint and its tensors, under the authors' names from `encoder.` or `decoder.` on.

    Raises:
        ModelError: the file is damaged, of another format or of another model, or would run code.
    """
    found = read_pth(path, _WHAT)
    if not isinstance(found, Mapping) or not found:
        raise ModelError(f"{path} holds {type(found).__name__}, expected tensors by their names under {_STATE}")
    state = found.get(_STATE, found)
    odd = [name for name, value in state.items() if not isinstance(value, Tensor)] if isinstance(state, Mapping) else []
    if not isinstance(state, Mapping) or not state or odd:
        what = f"{odd[0]} of type {type(state[odd[0]]).__name__}" if odd else type(state).__name__
        raise ModelError(f"{path} holds {what}, expected tensors by their names under {_STATE}")
    weights = {re.sub(r"^(module\.|depth_model\.)+", "", str(name)): value for name, value in state.items()}
    return _size_of(weights, path), weights


def build(path: Path, size: str, weights: Weights) -> Metric3DNetwork:
    """The network with the weights that `read` gave, float32, on the CPU.

    Raises:
        ModelError: a weight is missing, too many, of another shape or not finite.
    """
    check_finite(weights, path)
    with torch.device("meta"):
        network = Metric3DNetwork(SIZES[size])
    try:
        ours = merged({name: value.float() for name, value in weights.items()}, SIZES[size])
    except KeyError as error:
        raise ModelError(f"{path} lacks {error.args[0]}, expected every weight of the {size} Metric3D v2") from error
    except RuntimeError as error:  # what is to be merged does not go together
        raise ModelError(f"{path} has weights of other shapes than the {size} Metric3D v2: {error}") from error
    wanted = network.state_dict()
    for problem, names in (("lacks", wanted.keys() - ours.keys()), ("has", ours.keys() - wanted.keys())):
        if names:
            some = ", ".join(sorted(names)[:3])
            raise ModelError(
                f"{path} {problem} {len(names)} weights ({some}), expected those of the {size} Metric3D v2"
            )
    for name, value in wanted.items():
        if ours[name].shape != value.shape:
            shapes = f"{tuple(ours[name].shape)}, expected {tuple(value.shape)}"
            raise ModelError(f"{path}: {name} is {shapes} for the {size} Metric3D v2")
    network.load_state_dict(ours, assign=True)
    return network.eval().requires_grad_(False)


def _size_of(weights: Weights, path: Path) -> str:
    if any(name.startswith("encoder.downsample_layers.") for name in weights):
        raise ModelError(f"{path} is of Metric3D v1 (a ConvNeXt encoder), expected v2: {', '.join(FILES.values())}")
    token = weights.get("encoder.cls_token")
    if token is None or "decoder.depth_regressor.0.weight" not in weights:
        some = ", ".join(sorted(weights)[:3])
        raise ModelError(f"{path} holds {some} and so on, expected the weights of Metric3D v2")
    widths = {size.vit.embed_dim: name for name, size in SIZES.items()}
    if token.shape[-1] not in widths:
        known = ", ".join(f"{width} ({name})" for width, name in widths.items())
        raise ModelError(f"{path} has an encoder {token.shape[-1]} wide, expected one of: {known}")
    return widths[token.shape[-1]]
