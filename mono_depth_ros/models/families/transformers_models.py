# SPDX-License-Identifier: Apache-2.0
"""What the families share whose network is that of `transformers`: reading and checking a checkpoint directory.

The reference is `transformers` itself: the network with the processor of its family (`image_processing_pil_*.py`). Its
processors are not used: they want Pillow images on the host or torchvision. What is in the files decides, never their
name. Nothing in them is run: of a pickle only tensors are read, and no code from a checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.processing import ImageInput, SizeRule
from mono_depth_ros.models.runtime.engine import Network
from mono_depth_ros.models.weights.files import PICKLE, check_finite, check_is_binary, read_json, weight_files
from mono_depth_ros.models.weights.pickles import read_directory

PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"

_UNUSED_ENDS = ("mask_token", "relative_position_index", "num_batches_tracked", ".k_idx", ".k_minus_1")
"""Ends of names that some exports have and inference does not: pre-training's token, tables that are computed."""

_UNUSED_STARTS = ("neck.fusion_stage.layers.0.residual_layer1.", "fusion_stage.intermediate.0.residual_layer1.")
"""The first fusion has nothing to add: Intel/dpt-large lacks these, transformers has them and never uses them."""

_KERNELS = {2: "linear", 3: "cubic"}  # PIL.Image.Resampling
_SWITCHED_ON = ("do_resize", "do_rescale")
_WITHOUT_EFFECT = {
    *("image_processor_type", "feature_extractor_type", "processor_class", "image_seq_length", "return_tensors"),
    *("data_format", "input_data_format", "device", "disable_grouping", "do_convert_rgb", "default_to_square"),
    *("do_reduce_labels", "crop_size", "pad_size", "size_divisor", "antialias", "_valid_processor_keys"),
}
"""What describes the file, labels of segmentation, or belongs to a step that is switched off."""


class DepthOnly(nn.Module):
    """A depth network of `transformers` as engines take it: pixels (N, 3, h, w) in, `predicted_depth` (N, h, w) out.

    Attributes:
        settings: config.json as text: what tells two networks of the same weights apart.
    """

    def __init__(self, network: nn.Module, values: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.settings = json.dumps(values, sort_keys=True)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(pixel_values=pixels).predicted_depth


def read_config(directory: Path, model_type: str, architecture: str) -> dict[str, Any]:
    """config.json of a checkpoint of this type.

    Raises:
        ModelError: it is missing or unreadable, of another type or task, or brings code or a network of its own.
    """
    path = directory / "config.json"
    values = read_json(path)
    if values.get("model_type") != model_type:
        raise ModelError(f"{path} says model_type {values.get('model_type')!r}, expected '{model_type}'")
    found = values.get("architectures") or [architecture]
    if architecture not in found:
        raise ModelError(f"{path} says architectures {found!r}, expected '{architecture}'")
    _refuse_code(path, values)
    for key in ("backbone", "use_timm_backbone", "use_pretrained_backbone"):
        if values.get(key):
            raise ModelError(f"{path} takes its backbone from elsewhere ({key} = {values[key]!r}), expected it inside")
    return values


def _refuse_code(path: Path, values: dict[str, Any]) -> None:
    """Raise ModelError where a file of a checkpoint names Python code to run, at any depth."""
    if values.get("auto_map") or values.get("custom_pipelines"):
        raise ModelError(f"{path} names code of its own (auto_map), expected none: no code from a checkpoint is run")
    for value in values.values():
        if isinstance(value, dict):
            _refuse_code(path, value)


def positive_number(path: Path, key: str, value: Any) -> float:
    """`value` of `key`, or a ModelError where it is not a length in metres."""
    if not _positive(value):
        raise ModelError(f"{path} has {key} {value!r}, expected metres, such as 10 or 80")
    return float(value)


@dataclass(frozen=True)
class Preprocessor:
    """What the processor of a family does with an image, as the checkpoint wants it.

    Attributes:
        image: the declaration. multiple: sides are rounded to multiples of this, not necessarily a whole number.
        keep_aspect_ratio: by one factor, that of the side which needs less change.
        pad: by reflection, before the resize.
    """

    image: ImageInput
    multiple: float = 1
    keep_aspect_ratio: bool = False
    pad: bool = False


def read_preprocessor(
    directory: Path, published: Preprocessor, multiple: str, keys: Collection[str] = ()
) -> Preprocessor:
    """What the checkpoint's processor asks for; `published` where there is none or it does not say.

    It is in preprocessor_config.json, or under `image_processor` in processor_config.json, which counts where both are
    there, as in transformers.

    Args:
        multiple: the key in the file that `Preprocessor.multiple` comes from, "" for none.
        keys: further keys that this family can honour, of keep_aspect_ratio, do_pad.

    Raises:
        ModelError: the file is damaged or asks for something that is not done here; found and expected.
    """
    path, asked = directory / PREPROCESSOR, {}
    if (nested := directory / PROCESSOR).is_file():
        path, asked = nested, read_json(nested)
        _refuse_code(path, asked)
        inner = asked.get("image_processor", {})
        _check(path, "image_processor", inner, isinstance(inner, dict), "an object")
        asked = inner
    if not asked:
        path = directory / PREPROCESSOR
        if not path.is_file():
            return published
        asked = read_json(path)
    values = {key: value for key, value in asked.items() if value is not None}
    _refuse_code(path, values)
    changes: dict[str, Any] = {}
    image: dict[str, Any] = {}
    factor = 1 / 255
    for key, value in values.items():
        if key in _SWITCHED_ON:
            _check(path, key, value, value is True, "true")
        elif key == "size" and published.image.size.fixed is not None:
            image["size"] = SizeRule(fixed=_size(path, value))
        elif key == "resample":
            _check(path, key, value, value in _KERNELS, "2 (bilinear) or 3 (bicubic)")
            image["resample"] = _KERNELS[value]
        elif key == "rescale_factor":
            _check(path, key, value, _positive(value), "a positive number such as 1/255")
            factor = float(value)
        elif multiple and key == multiple:
            _check(path, key, value, _positive(value), "a positive number")
            changes["multiple"] = value
        elif key in keys:
            _check(path, key, value, isinstance(value, bool), "true or false")
            changes[{"do_pad": "pad"}.get(key, key)] = value
        elif key not in (*_WITHOUT_EFFECT, "size", "do_normalize", "image_mean", "image_std") and value is not False:
            known = ", ".join(sorted({"size", "resample", "image_mean", "image_std", *keys, multiple} - {""}))
            raise ModelError(f"{path} asks for {key} = {value!r}, which is not done here; expected only {known}")
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if values.get("do_normalize", True):
        mean = _channels(path, "image_mean", values.get("image_mean", published.image.mean))
        std = _channels(path, "image_std", values.get("image_std", published.image.std))
        _check(path, "image_std", values.get("image_std"), all(v > 0 for v in std), "positive numbers")
    return replace(published, image=replace(published.image, **image, **_scaled(factor, mean, std)), **changes)


def _scaled(factor: float, mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    """(grey levels * factor - mean) / std as range, mean and std of a declaration."""
    if math.isclose(factor, 1):
        return {"range": 255, "mean": mean, "std": std}
    scale = 1.0 if math.isclose(factor, 1 / 255) else factor * 255
    return {"range": 1, "mean": tuple(v / scale for v in mean), "std": tuple(v / scale for v in std)}


def _size(path: Path, value: Any) -> tuple[int, int]:
    if isinstance(value, dict) and set(value) == {"height", "width"}:
        width, height = value["width"], value["height"]
    else:
        width = height = value
    fits = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in (width, height))
    _check(path, "size", value, fits, "a number or height and width, in pixels")
    return width, height


def _channels(path: Path, key: str, value: Any) -> tuple[float, float, float]:
    values = list(value) if isinstance(value, (list, tuple)) else [value] * 3
    fits = len(values) == 3 and all(isinstance(v, (int, float)) and math.isfinite(v) for v in values)
    _check(path, key, value, fits, "a number or three")
    return float(values[0]), float(values[1]), float(values[2])


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _check(path: Path, key: str, value: Any, fits: bool, expected: str) -> None:
    if not fits:
        raise ModelError(f"{path} asks for {key} = {value!r}, expected {expected}")


def network_in(
    directory: Path,
    spec: ModelSpec,
    name: str,
    values: dict[str, Any],
    output: str,
    shapes: dict[int, str],
    unused: tuple[str, ...] = (),
    adapt: Callable[[nn.Module], nn.Module] = lambda network: network,
) -> Network:
    """The network of a directory for engines, which read it when they need it: see `load_network`.

    Args:
        output: what its depth is called. shapes: of its input, see `Network`. adapt: what is done to it once read.
    """

    def module() -> nn.Module:
        return DepthOnly(adapt(load_network(directory, name, values, unused)), values)

    files = (directory / "config.json", *weight_files(directory))
    return Network(spec.name, module, ("pixels",), (output,), (shapes,), files=files)


def load_network(directory: Path, name: str, values: dict[str, Any], unused: tuple[str, ...] = ()) -> nn.Module:
    """The depth network `name`ForDepthEstimation: float32, eval mode, on the CPU, every weight from the directory.

    Args:
        values: config.json, with what the caller changed in it.
        unused: beginnings of names of weights that the checkpoint may have and the network has not.

    Raises:
        ModelError: transformers is missing; the weights are missing, damaged, or do not fit the config exactly.
    """
    try:
        import transformers
    except ImportError as error:
        raise ModelError(f"{directory} needs the package transformers: pip install transformers") from error
    pickled = _check_weight_files(directory)
    network_class: Any = getattr(transformers, f"{name}ForDepthEstimation")
    with _quiet(transformers):
        try:
            network, report = network_class.from_pretrained(
                None if pickled else directory,
                state_dict=pickled,
                config=getattr(transformers, f"{name}Config").from_dict(values),
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                weights_only=True,
                ignore_mismatched_sizes=True,  # reported below, in words
                output_loading_info=True,
            )
        except Exception as error:  # safetensors, OS, shape and config errors share no base class
            reason = " ".join(str(error).split())[:300]
            raise ModelError(
                f"{directory}: the weights cannot be loaded, expected whole safetensors that fit config.json: {reason}"
            ) from error
    _check_report(directory, report, unused)
    for name, value in network.named_parameters():
        if name in report["missing_keys"]:
            value.data.zero_()  # never used; transformers makes them random, and so the hash of an exported graph
    check_finite(network.state_dict(), directory)
    return network.eval().requires_grad_(False)


def _check_weight_files(directory: Path) -> dict[str, Tensor] | None:
    """The weights of a pickle, which transformers does not get to see; None where there are safetensors."""
    files = sorted(directory.glob("*.safetensors"))
    if not files and (directory / PICKLE).is_file():
        return read_directory(directory)
    if not files:
        others = sorted(item.name for item in directory.iterdir() if item.suffix in (".bin", ".pth", ".pt", ".ckpt"))
        found = f"only {', '.join(others)}, which can run code when loaded" if others else "no weights"
        raise ModelError(f"{directory} holds {found}, expected model.safetensors")
    for path in files:
        check_is_binary(path, "safetensors")
    return None


def _check_report(directory: Path, report: dict[str, Any], unused: tuple[str, ...]) -> None:
    """transformers fills what is missing or of another shape with random numbers and only warns."""
    for name, found, expected in sorted(report["mismatched_keys"])[:1]:
        shapes = f"{name} is {tuple(found)}, expected {tuple(expected)} by its config.json"
        raise ModelError(f"{directory}: {len(report['mismatched_keys'])} weights are of another shape: {shapes}")
    starts = {"missing": _UNUSED_STARTS, "unexpected": (*_UNUSED_STARTS, *unused)}
    for problem, allowed in starts.items():
        found_names = [name for name in report[f"{problem}_keys"] if not name.endswith(_UNUSED_ENDS)]
        names = sorted(name for name in found_names if not name.startswith(allowed))
        if names:
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(f"{directory}: {len(names)} {problem} weights ({some}), expected those of its config.json")


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars and no warnings of transformers: what matters is raised."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
