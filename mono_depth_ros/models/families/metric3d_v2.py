# SPDX-License-Identifier: Apache-2.0
"""Metric3D v2 (Hu, Yin et al. 2024, arXiv 2404.15506): metric depth and normals from one calibrated camera.

The reference is the authors' code, github.com/YvanYin/Metric3D, `mono/utils/do_test.py` and `hubconf.py`.

Depth from one image is known up to the focal length: an object twice as far seen with twice the focal length looks the
same. So the network gives depth as a canonical camera with a focal length of 1000 px would see it, and the true one is

    depth = canonical depth * focal length / 1000 px,

with the focal length in pixels of the image that the network reads: resizing by s makes it s times as long (Yin et al.
2023, arXiv 2307.10984, section 3.2, "CSTM_label": the image stays, the label is transformed). Cropping changes nothing,
the crop is put into the middle; binning and resizing before us are in the focal length already.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from mono_depth_ros.cache import sealed_sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.networks.metric3d import Metric3DNetwork
from mono_depth_ros.models.networks.metric3d_encoder import MULTIPLE, SIZES, NetworkSize
from mono_depth_ros.models.processing import ImageInput, Outputs, Padding, Processing, SizeRule
from mono_depth_ros.models.resample import Size
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.weights.files import check_digest, fill
from mono_depth_ros.models.weights.pickles import read_pth, tensors_in

INPUT_SIZE: Size = (1064, 616)
"""(width, height) that the network was trained at."""

PROCESSING = Processing(
    kind="canonical",
    focal_px=1000.0,
    input=ImageInput(
        name="image",
        size=SizeRule(fit=INPUT_SIZE, rounding="down", min_side=14),  # one patch
        # The mean colour, which the authors write as 123.675 116.28 103.53 and OpenCV rounds for images of bytes.
        pad=Padding("centre", (124.0, 116.0, 104.0)),
        resample="linear",
        resample_dtype="uint8",
        range=255,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
    ),
    # The confidence is a regressed number about 0 to 1.
    outputs=Outputs(
        "linear", "depth", normals="normals", confidence="confidence", confidence_clamp=True, range_m=(0.0, 300.0)
    ),
)

FILES = {
    "small": "metric_depth_vit_small_800k.pth",
    "large": "metric_depth_vit_large_800k.pth",
    "giant": "metric_depth_vit_giant2_800k.pth",
}
"""The authors' names, at https://huggingface.co/JUGGHM/Metric3D."""

Weights = dict[str, Tensor]


class Metric3D(DeclaredModel):
    """`DepthModel` around `Metric3DNetwork`: metric depth, its confidence, and normals.

    The focal length of the camera decides the scale; the network takes the image for a pinhole's.
    """

    def __init__(
        self,
        spec: ModelSpec,
        network: Metric3DNetwork | Callable[[], Metric3DNetwork],
        options: EngineOptions,
        input_size: Size = INPUT_SIZE,
        files: tuple[Path, ...] = (),
    ) -> None:
        """Load the network into an engine.

        Args:
            network: with its weights, of no use to anybody else afterwards; or what reads it.
            files: that it is read from.
            input_size: (width, height) at which images are read, multiples of 28. What it was trained at is best; a
                smaller one is faster, and the metric scale stays right.

        Raises:
            ModelError: `input_size` is not made of multiples of 28; or see `make_engine`.
        """
        if any(side < MULTIPLE or side % MULTIPLE for side in input_size):
            found = f"input size is {input_size[0]}x{input_size[1]}"
            raise ModelError(f"{found}, expected multiples of {MULTIPLE}, such as 1064x616")
        size = replace(PROCESSING.input.size, fit=tuple(input_size))
        processing = replace(PROCESSING, input=replace(PROCESSING.input, size=size))
        outputs = ("depth", "confidence", "normals")
        reading = cast(Callable[[], Metric3DNetwork], network)
        ready = cast(Metric3DNetwork, network)
        module = ready.optimise() if isinstance(network, nn.Module) else lambda: reading().optimise()
        graph = Network(spec.name, module, ("image",), outputs, ({0: "batch"},), files=files)
        super().__init__(spec, graph, processing, options)


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> Metric3D:
    """The model in one of the authors' .pth files, or in a directory with one: see `loading.Loader`."""
    path = find_file(source, expected.size if expected is not None else None)
    spec = ModelSpec.of(expected) if expected is not None else _unlisted(path)

    def network() -> Metric3DNetwork:
        size, weights = read(path)
        if expected is not None and size != expected.size:
            raise ModelError(f"{expected.name}: {path} is {size}, expected {expected.size}")
        if expected is not None and expected.official in expected.files:
            check_digest(path, expected.files[expected.official])
        return build(path, size, weights)

    return Metric3D(spec, network, options, options.input_size or INPUT_SIZE, (path,))


def _unlisted(path: Path) -> ModelSpec:
    """What is known of a file that was given by its path: the licence, where it is one of the authors'."""
    entries = [entry for entry in CATALOGUE.values() if entry.family == "metric3d_v2"]
    theirs = sealed_sha256(path) in {entry.files.get(entry.official) for entry in entries}
    licence = entries[0].licence if theirs else "not stated"
    return replace(ModelSpec.of(entries[0]), name=str(path), licence=licence, hub="")


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
    """The size of a checkpoint, told by its tensors' shapes, and the tensors, under the authors' names from `encoder.`
    or `decoder.` on. Nothing in the file is run.

    Raises:
        ModelError: the file is damaged, of another format or of another model, or would run code.
    """
    state = tensors_in(read_pth(path, "a .pth of the authors of Metric3D v2"), path)
    weights = {re.sub(r"^(module\.|depth_model\.)+", "", name): value for name, value in state.items()}
    return _size_of(weights, path), weights


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


def build(path: Path, size: str, weights: Weights) -> Metric3DNetwork:
    """The network with the weights that `read` gave, float32, on the CPU.

    Raises:
        ModelError: a weight is missing, too many, of another shape or not finite.
    """
    what = f"the {size} Metric3D v2"
    with torch.device("meta"):
        network = Metric3DNetwork(SIZES[size])
    try:
        ours = merged({name: value.float() for name, value in weights.items()}, SIZES[size])
    except KeyError as error:
        raise ModelError(f"{path}: missing weights ({error.args[0]}), expected those of {what}") from error
    except RuntimeError as error:  # what is to be merged does not go together
        raise ModelError(f"{path} has weights of other shapes than {what}: {error}") from error
    fill(network, ours, path, what, ())
    return network


def unused(size: NetworkSize) -> tuple[str, ...]:
    """Parameters that a checkpoint may hold and that take no part in inference."""
    # The last norm of the giant encoder: its features are taken without one.
    return ("encoder.mask_token", *(("encoder.norm.weight", "encoder.norm.bias") if size.gated else ()))


def merged(official: Weights, size: NetworkSize) -> Weights:
    """The parameters of `Metric3DNetwork` from the authors' (without their `depth_model.`), each used or known unused.

    The network does the same in fewer steps.

    Raises:
        KeyError: one that is to be merged is missing. Others that are missing or too many stay so in the result.
    """
    left = dict(official)
    for name in unused(size):
        left.pop(name, None)
    for name in [name for name in left if ".norm3." in name]:
        left.pop(name)  # the authors' second name for `downsample.1`
    for index, unit in enumerate(("gru08", "gru16", "gru32")):  # the recurrent units, and which context they have
        _take_apart(left, unit, index, size.hidden)
    for part in ("weight", "bias"):
        name = f"decoder.update_block.mask.2.{part}"
        left[name] = left[name] * 0.25  # the authors' `mask = .25 * self.mask(net[0])`
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
