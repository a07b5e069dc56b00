# SPDX-License-Identifier: Apache-2.0
"""MoGe-2, UniDepthV2 and Video Depth Anything, the small ones, from an image on the CPU to its depth, against their
authors' code in one run.

Weights are random, the same for both; how long a network takes does not depend on them. The authors' code runs in
float32, as it does on a CPU by itself (UniDepthV2) or with its half precision off (MoGe-2, without the shift of its
points, which needs SciPy). What they import and do not need for this may be missing: einops may not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import types
from collections.abc import Callable, Sequence
from functools import partial, reduce
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from common import run
from models import interleaved
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.engine_model import EngineModel, check_frame
from mono_depth_ros.models.families import moge_2, unidepth_v2, video_depth_anything
from mono_depth_ros.models.families.video_depth_anything import VideoDepthAnything
from mono_depth_ros.models.networks.depth_anything import SIZES
from mono_depth_ros.models.networks.video_depth_anything import VideoDepthAnythingNetwork
from mono_depth_ros.models.runtime.engine import EngineOptions

RUNS = (("torch", "fp32"), ("auto", "auto"))
SIZE = (640, 480)
_ROUNDS = 3

_STACK = {
    "dim_in": [384, 256, 128, 64, 32],
    "dim_res_blocks": [384, 256, 128, 64, 32],
    "num_res_blocks": [0, 1, 1, 1, 0],
    "res_block_in_norm": "none",
    "res_block_hidden_norm": "none",
    "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose", "bilinear"],
}
MOGE: dict[str, Any] = {
    "encoder": {"backbone": "dinov2_vits14", "intermediate_layers": [2, 5, 8, 11], "dim_out": 384},
    "neck": {**_STACK, "dim_in": [386, 2, 2, 2, 2], "dim_out": None, "num_res_blocks": [0, 2, 2, 2, 0]},
    **{
        f"{name}_head": {**_STACK, "dim_out": [None] * 4 + [n]}
        for name, n in (("points", 3), ("mask", 1), ("normal", 3))
    },
    "scale_head": {"dims": [384, 384, 384, 1]},
    "remap_output": "exp",
    "num_tokens_range": [1200, 3600],
}
"""The large one of its authors' configs/train/v2.json with the small encoder: that of the published file is in it."""
UNIDEPTH: dict[str, Any] = {
    "data": {
        "augmentations": {
            "shape_constraints": {"ratio_bounds": [0.5, 2.5], "pixels_max": 600000, "pixels_min": 200000},
        }
    },
    "model": {
        "name": "UniDepthV2",
        "num_heads": 8,
        "expansion": 4,
        "pixel_decoder": {"hidden_dim": 256, "depths": [2, 2, 2], "out_dim": 32, "kernel_size": 3},
        "pixel_encoder": {
            "name": "dinov2_vits14",
            "num_register_tokens": 0,
            "use_norm": True,
            "stacking_fn": "last",
            "output_idx": [3, 6, 9, 12],
        },
    },
}
"""As its authors' configs/config_v2_vits14.json."""

Work = Callable[[], Any]
Ours = Callable[[Path, EngineOptions], EngineModel]
Authors = Callable[[Path, Path, Tensor, Camera], Work]


def families(references: dict[str, Path], before: Path) -> dict[str, Any]:
    """The measurement, as plain values.

    Args:
        references: checkouts of the authors' code, by the family. Where there are some, these families are measured;
            where there are none, all are, and no authors' code.
        before: the file of an earlier measurement, which keeps its figures of the others.

    Raises:
        ConfigError: one does not hold the authors' code, or it cannot be imported.
    """
    result: dict[str, Any] = {
        "what": f"from uint8 {SIZE[0]}x{SIZE[1]} to depth on the CPU, medians of interleaved runs",
        "threads": torch.get_num_threads(),
    }
    if references and before.is_file():
        known = json.loads(before.read_text())
        result |= {name: known[name] for name in _FAMILIES if name in known}
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, (ours, authors, _) in _FAMILIES.items():
            if references and name not in references:
                continue
            result[name] = _measure(Path(folder), ours, authors, references.get(name))
    return result


def _measure(folder: Path, ours: Ours, authors: Authors, reference: Path | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rgb, cameras = check_frame(*SIZE)
    runs: dict[str, Work] = {}
    for engine, precision in RUNS:
        label = f"{engine} {precision}" if engine != "auto" else "auto"
        try:
            model = ours(folder, EngineOptions(torch.device("cpu"), engine, precision))
        except ModelError as error:
            found[label] = f"not here: {error}"
            continue
        more: dict[str, Any] = (
            {"memories": [model.memory()]} if isinstance(model, VideoDepthAnything) else {}
        )  # amid a stream
        runs[label] = partial(model.predict, rgb, cameras, **more)
        if engine == "auto":
            found["auto_is"] = model.engine
    if reference is not None:
        runs["authors fp32"] = authors(folder, reference, rgb, cameras[0])
    times = interleaved(runs, _ROUNDS)
    for label, value in times.items():
        found[label] = {"ms": round(value)}
        if "authors fp32" in times:
            found[label]["times_the_authors"] = round(times["authors fp32"] / value, 2)
    return found


def _moge(folder: Path, options: EngineOptions) -> EngineModel:
    path = folder / "model.pt"
    if not path.exists():
        network = moge_2.MoGe2Network(moge_2._size(path, MOGE)[0])
        torch.save({"model_config": MOGE, "model": network.state_dict()}, path)
    return moge_2.load(path, options, None)


def _moge_authors(folder: Path, reference: Path, rgb: Tensor, _: Camera) -> Work:
    module = _imported("moge.model.v2", reference)
    network = module.MoGeModel(**MOGE)
    _fill(network, torch.load(folder / "model.pt", weights_only=True)["model"], ("encoder.image_", "mask_token"))
    image = rgb.permute(0, 3, 1, 2).float() / 255
    return lambda: network(image, MOGE["num_tokens_range"][1])


def _unidepth(folder: Path, options: EngineOptions) -> EngineModel:
    place = folder / "unidepth"
    if not place.exists():
        place.mkdir()
        (place / "config.json").write_text(json.dumps(UNIDEPTH))
        network = unidepth_v2.UniDepthV2Network(unidepth_v2._sizes(place / "config.json")[0])
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(weights, place / "model.safetensors")
    return unidepth_v2.load(place, options, None)


def _unidepth_authors(folder: Path, reference: Path, rgb: Tensor, camera: Camera) -> Work:
    from safetensors.torch import load_file

    module = _imported("unidepth.models.unidepthv2.unidepthv2", reference)
    config = json.loads((reference / "configs" / "config_v2_vits14.json").read_text())  # of a training, losses and all
    network = module.UniDepthV2(config)
    weights = load_file(folder / "unidepth" / "model.safetensors")
    _fill(network, weights, ("camera_layer", "_token", "level_embeds"))
    image, matrix = rgb[0].permute(2, 0, 1), torch.from_numpy(camera.matrix).float()
    return lambda: network.infer(image, matrix.clone())  # which it scales in place


def _video(folder: Path, options: EngineOptions) -> EngineModel:
    path = folder / "video_depth_anything_vits.pth"
    if not path.exists():
        torch.save(VideoDepthAnythingNetwork(SIZES["small"]).state_dict(), path)
    return video_depth_anything.load(path, options, None)


def _video_authors(folder: Path, reference: Path, rgb: Tensor, _: Camera) -> Work:
    module = _imported("video_depth_anything.video_depth_stream", reference)
    network = module.VideoDepthAnything("vits", 64, [48, 96, 192, 384])
    _fill(network, torch.load(folder / "video_depth_anything_vits.pth", weights_only=True), ("mask_token",))
    image = rgb[0].numpy()
    return lambda: network.infer_video_depth_one(image, device="cpu", fp32=True)


_FAMILIES: dict[str, tuple[Ours, Authors, str]] = {
    "moge_2": (_moge, _moge_authors, "microsoft/MoGe"),
    "unidepth_v2": (_unidepth, _unidepth_authors, "lpiccinelli-eth/UniDepth"),
    "video_depth_anything": (_video, _video_authors, "DepthAnything/Video-Depth-Anything"),
}


def _fill(network: nn.Module, state: dict[str, Tensor], theirs: tuple[str, ...]) -> None:
    left = network.eval().load_state_dict(state, strict=False)
    missing = [name for name in left.missing_keys if not any(part in name for part in theirs)]
    if missing or left.unexpected_keys:
        raise ConfigError(
            f"the authors' network is not the one that is known: {missing[:3]}, {left.unexpected_keys[:3]}"
        )


def _imported(name: str, reference: Path) -> Any:
    """A module of the authors', with stand-ins for what is not installed and not run here."""
    if not (reference / f"{name.replace('.', '/')}.py").is_file():
        raise ConfigError(f"{reference} holds no {name.replace('.', '/')}.py, expected a checkout of its authors' code")
    if not any(isinstance(finder, _StandIns) for finder in sys.meta_path):
        sys.meta_path.append(_StandIns())
    sys.path.insert(0, str(reference))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"the code in {reference} cannot be imported: {error}; expected its requirements") from error


_NOT_NEEDED = ("timm", "wandb", "matplotlib", "utils3d", "scipy", "easydict", "torchvision", "h5py")


class _StandIn(types.ModuleType):
    """Has whatever is asked of it; what is run is in `_RUN`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _RUN.get(name, lambda *_, **__: None)


def _normalised(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    return (image - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


class _Compose(list[Callable[[Any], Any]]):
    def __call__(self, item: Any) -> Any:
        return reduce(lambda found, step: step(found), self, item)


class _EasyDict(dict[str, Any]):
    def __getattr__(self, name: str) -> Any:
        return self[name]


_RUN = {"normalize": _normalised, "Compose": _Compose, "EasyDict": _EasyDict}


class _StandIns(MetaPathFinder, Loader):
    """Last among those who find modules: only for packages that are not installed."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        known = fullname.partition(".")[0] in _NOT_NEEDED
        return ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def _add_options(parser: argparse.ArgumentParser) -> None:
    for family, (_, _, repository) in _FAMILIES.items():
        parser.add_argument(
            f"--{family.replace('_', '-')}", type=Path, metavar="DIR", help=f"A checkout of github.com/{repository}."
        )


def main(argv: Sequence[str] | None = None) -> int:
    return run(
        __file__,
        lambda arguments: families(
            {name: path for name in _FAMILIES if (path := getattr(arguments, name))}, arguments.out / "families.json"
        ),
        argv,
        _add_options,
    )


if __name__ == "__main__":
    sys.exit(main())
