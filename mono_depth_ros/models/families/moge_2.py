# SPDX-License-Identifier: Apache-2.0
"""MoGe-2 (Wang et al. 2025, arXiv 2507.02546): metric depth and normals, with its authors' processing.

The reference is github.com/microsoft/MoGe, `MoGeModel.infer` of `moge/model/v2.py` with a known field of view. The
network does not see the camera: its points lack a constant in z, which follows from fx and the image's centre, as the
authors take both (`recover_focal_shift`), or with `exact_camera` from all of the calibration. Where its mask says that
nothing is there, which includes the sky, depth is unknown; so is all of it where no constant fits.

The configuration of the network is in its file, and differs between the sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.networks.moge_2 import MoGe2Network, NetworkSize, StackSize
from mono_depth_ros.models.networks.vit import PATCH, VitSize
from mono_depth_ros.models.postprocess import postprocess
from mono_depth_ros.models.preprocess import check_aspect, layout, normalised
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.resample import Size, resize_images, resize_maps
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.weights.files import check_digest, check_kind, fill
from mono_depth_ros.models.weights.known import check_number
from mono_depth_ros.models.weights.pickles import read_pth, tensors_in
from mono_depth_ros.prediction import DepthKind, DepthPrediction

PROCESSING = Processing(
    kind="metric",
    input=ImageInput(
        "image",
        SizeRule(source=True),
        "linear",
        1,
        antialias=True,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    outputs=Outputs("linear", points="points", points_shift=True, scale="scale", normals="normals", mask="mask"),
)
"""What is done at the size of the image; `MoGe2.preprocess` resizes to the token grid."""

_ENCODERS = {"dinov2_vits14": (384, 12, 6), "dinov2_vitb14": (768, 12, 12), "dinov2_vitl14": (1024, 24, 16)}
_RESAMPLERS = ("conv_transpose", "bilinear")
_UNUSED = ("encoder.backbone.mask_token", "encoder.image_mean", "encoder.image_std")


class MoGe2(EngineModel):
    """`DepthModel` of MoGe-2."""

    no_contract = "the size that it reads an image at follows from a number of tokens"

    def __init__(
        self, spec: ModelSpec, network: MoGe2Network, tokens: int, options: EngineOptions, files: tuple[Path, ...] = ()
    ) -> None:
        """`tokens`: about how many patches an image is read as; raises ModelError: see `make_engine`."""
        self.tokens = tokens
        outputs = replace(PROCESSING.outputs, shift_by="camera") if options.exact_camera else PROCESSING.outputs
        self._processing = replace(PROCESSING, outputs=outputs)
        names = ("points", "mask", "scale") + ("normals",) * spec.normals
        shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"}, {0: "batch"})
        graph = Network(spec.name, network.optimise(), ("image", "aspect"), names, shapes, _depth, files)
        self._names = names
        super().__init__(spec, graph, options)

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The image (N, 3, h, w) on its token grid, and its width by height (N,).

        Raises:
            ImageError: reason `image_shape`, for images of too extreme a shape.
        """
        height, width = rgb.shape[1:3]
        size = token_size(width, height, self.tokens)
        image = resize_images(normalised(rgb, PROCESSING.input), size, "linear", antialias=True)
        return image.permute(0, 3, 1, 2), torch.full((len(rgb),), width / height, device=rgb.device)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Metres at the size of the cameras."""
        return [
            self._predicted({name: value[i] for name, value in zip(self._names, outputs, strict=True)}, camera)
            for i, camera in enumerate(cameras)
        ]

    def _predicted(self, raw: dict[str, Tensor], camera: Camera) -> DepthPrediction:
        size = (camera.width, camera.height)
        return postprocess(self.maps(raw, size), self._processing, camera, layout(*size, PROCESSING.input))

    def maps(self, raw: dict[str, Tensor], size: Size) -> dict[str, Tensor]:
        """What the authors' `forward` gives: points without their shift, validity, scale and normals, at a size."""
        full = {name: resize_maps(raw[name], size, "linear") for name in self._names if name != "scale"}
        z = full["points"][2:].exp()
        found = {
            "points": torch.cat((full["points"][:2] * z, z)),
            "mask": full["mask"].sigmoid(),
            "scale": raw["scale"].exp(),
        }
        if "normals" in full:
            found["normals"] = full["normals"]
        return found


def _depth(outputs: Inputs) -> Tensor:
    return outputs[0][:, 2].exp()


def token_size(width: int, height: int, tokens: int) -> Size:
    """The (width, height) that an image is read at: about so many patches of 14 x 14, of about its shape.

    Raises:
        ImageError: reason `image_shape`.
    """
    aspect = width / height
    check_aspect(width, height)
    return round((tokens * aspect) ** 0.5) * PATCH, round((tokens / aspect) ** 0.5) * PATCH


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> MoGe2:
    """The model in a model.pt of the authors: see `loading.Loader`."""
    if source.is_dir():
        source = source / "model.pt"
    check_kind(source, DepthKind.METRIC, None, expected)
    for name, digest in (expected.files if expected else {}).items():
        if name == source.name:
            check_digest(source, digest)
    network, tokens = read(source, expected)
    normals = network.normal_head is not None
    spec = ModelSpec(str(source), "moge_2", DepthKind.METRIC, "not stated", needs_camera=True, normals=normals)
    return MoGe2(ModelSpec.of(expected) if expected else spec, network, tokens, options, (source,))


def read(path: Path, expected: CatalogueEntry | None = None) -> tuple[MoGe2Network, int]:
    """The network in a file, float32, on the CPU, and the largest number of tokens that it was trained with.

    Raises:
        ModelError: the file is damaged, of another model or would run code; its weights do not fit its configuration.
    """
    found = read_pth(path, "a model.pt of MoGe-2")
    config = found.get("model_config") if isinstance(found, Mapping) else None
    if not isinstance(config, Mapping):
        raise ModelError(f"{path} holds no model_config, expected a model.pt of MoGe-2 with its configuration")
    weights = tensors_in(found.get("model"), path)
    check_number(sum(value.numel() for value in weights.values()), expected, path)
    size, tokens = _size(path, config)
    if expected is not None and expected.normals != (size.normal is not None):
        raise ModelError(f"{expected.name}: {path} has {'' if size.normal else 'no '}normals, expected the other one")
    with torch.device("meta"):
        network = MoGe2Network(size)
    fill(network, weights, path, "MoGe-2 by its model_config", _UNUSED)
    return network, tokens


def _size(path: Path, config: Mapping[str, Any]) -> tuple[NetworkSize, int]:
    def part(where: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = where.get(key)
        if not isinstance(value, Mapping):
            raise ModelError(f"{path} has no {key} in its model_config, expected that of a metric MoGe-2")
        return value

    try:
        encoder = part(config, "encoder")
        backbone, layers = encoder["backbone"], encoder["intermediate_layers"]
        if backbone not in _ENCODERS:
            raise ModelError(f"{path} has the encoder {backbone!r}, expected one of: {', '.join(_ENCODERS)}")
        if config.get("remap_output") != "exp":
            raise ModelError(f"{path} has remap_output {config.get('remap_output')!r}, expected 'exp'")
        dim, depth, heads = _ENCODERS[backbone]
        taps = tuple(range(depth - layers, depth)) if isinstance(layers, int) else tuple(int(i) for i in layers)
        normal = _stack(path, "normal_head", part(config, "normal_head")) if config.get("normal_head") else None
        neck, points, mask = (_stack(path, key, part(config, key)) for key in ("neck", "points_head", "mask_head"))
        scale = tuple(int(n) for n in part(config, "scale_head")["dims"])
        size = NetworkSize(VitSize(dim, depth, heads, taps), int(encoder["dim_out"]), neck, points, mask, normal, scale)
        return size, int(config.get("num_tokens_range", (1200, 3600))[1])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(f"{path} has a model_config that is not MoGe-2's: {error!r}") from error


def _stack(path: Path, name: str, values: Mapping[str, Any]) -> StackSize:
    """A stack of the configuration.

    Raises:
        ModelError: it has layers that none of the published ones has.
    """
    widths = tuple(int(n) for n in values["dim_res_blocks"])

    def each(key: str, default: Any, count: int) -> tuple[Any, ...]:
        value = values.get(key, default)
        return tuple(value) if isinstance(value, (list, tuple)) else (value,) * count

    resamplers = each("resamplers", None, len(widths) - 1)
    expected = {"res_block_in_norm": "none", "res_block_hidden_norm": "none", "activation": "relu"}
    defaults = {"res_block_in_norm": "layer_norm", "res_block_hidden_norm": "group_norm", "activation": "relu"}
    odd = {key: values.get(key, defaults[key]) for key in expected if values.get(key, defaults[key]) != expected[key]}
    if values.get("dim_times_res_block_hidden", 1) != 1:
        odd["dim_times_res_block_hidden"] = values["dim_times_res_block_hidden"]
    if set(resamplers) - set(_RESAMPLERS):
        odd["resamplers"] = resamplers
    if odd:
        raise ModelError(f"{path} has {odd} in {name}, expected what the published files of MoGe-2 have")
    count = len(widths)
    blocks = each("num_res_blocks", 1, count)
    return StackSize(each("dim_in", None, count), widths, blocks, resamplers, each("dim_out", None, count))
