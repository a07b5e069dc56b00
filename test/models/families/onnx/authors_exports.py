# SPDX-License-Identifier: Apache-2.0
"""Runs the exporters of the networks' authors, for test_exporters.py: `python THIS NAME AUTHORS OUT DATA`.

AUTHORS is a folder with clones of the repositories that EXPORTS names, and of what they import `einops` and `addict`.
Packages that take no part in inference are empty stand-ins. The authors' own functions write OUT/NAME.onnx, by the
tracer that was torch's default when they were written; weights follow from the parameters' names. Where the network of
an exporter is not that of the family's tests, OUT/NAME.npz holds what it gives in torch for the frames in DATA.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import runpy
import sys
import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from mono_depth_ros.models.parity import deterministic as made

SIZES = {
    "unidepth_v2": {"nyu": (224, 294), "kitti": (154, 392)},
    "depth_anything_3": {"nyu": (378, 504), "kitti": (154, 504)},
}
"""(rows, columns) that the authors' code reads the frames at: of networks that are exported at one size."""
FRAMES = {"kitti": "kitti_depth/rgb/0000000050.png", "nyu": "nyu_depth/rgb/rgb_00050.jpg"}


class StandIns:
    """Finds modules of packages that are not installed; their names do nothing."""

    packages = (
        *("e3nn", "evo", "fire", "gsplat", "imageio", "matplotlib", "mmcv", "mmengine", "moviepy", "omegaconf"),
        *("plyfile", "pycolmap", "scipy", "timm", "torchvision", "trimesh", "utils3d", "wandb", "xformers_stand_in"),
    )

    def find_spec(self, name: str, *_: Any) -> Any:
        ours = name.partition(".")[0] in self.packages
        return importlib.util.spec_from_loader(name, self, is_package=True) if ours else None

    def create_module(self, spec: Any) -> types.ModuleType:
        known = {"trunc_normal_": nn.init.trunc_normal_, "DropPath": nn.Identity, "Compose": compose, "Config": Config}
        found = types.ModuleType(spec.name)

        def named(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return known.get(name, nothing)

        found.__getattr__ = named  # type: ignore[method-assign]
        return found

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing in it."""


def compose(steps: list[Any]) -> Any:
    """As that of torchvision."""
    return lambda value: functools.reduce(lambda found, step: step(found), steps, value)


def nothing(*args: Any, **_: Any) -> Any:
    return args[0] if args and callable(args[0]) else nothing


class Config(dict):
    """As far as Metric3D uses that of mmcv: files with their bases, values as attributes."""

    __getattr__ = dict.__getitem__

    @classmethod
    def fromfile(cls, path: str) -> Config:
        values = {key: value for key, value in runpy.run_path(path).items() if not key.startswith("__")}
        found = cls()
        bases = values.pop("_base_", [])
        for base in [bases] if isinstance(bases, str) else bases:
            found.merge(cls.fromfile(str(Path(path).parent / base)))
        return found.merge(values)

    def merge(self, other: dict[str, Any]) -> Config:
        for key, value in other.items():
            mapping = isinstance(value, dict)
            self[key] = (
                (self.get(key) if isinstance(self.get(key), Config) else Config()).merge(value) if mapping else value
            )
        return self


def file(path: Path, name: str) -> Any:
    """A module from its file."""
    spec = importlib.util.spec_from_file_location(name, path)
    found = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def fill(network: nn.Module, weight: Any = made.weight) -> nn.Module:
    shapes = {name: shape for name, shape in made.shapes_of(network).items() if ".image_" not in name}
    network.load_state_dict({name: weight(name, shape) for name, shape in shapes.items()}, strict=False)
    return network.eval()


def metric3d_v2(authors: Path, out: Path, _: Path) -> None:
    """github.com/YvanYin/Metric3D, onnx/metric3d_onnx_export.py: small."""
    root = authors / "Metric3D"
    sys.path.insert(0, str(root))
    for name in ("linspace", "ones", "zeros"):  # with device="cuda" in them
        original = getattr(torch, name)
        setattr(torch, name, lambda *args, original=original, device=None, **more: original(*args, **more))
    weight = file(Path(__file__).parents[1] / "metric3d_v2" / "conftest.py", "metric3d_conftest").authors_weight
    hub = file(root / "hubconf.py", "hubconf")
    torch.hub.load = lambda _, name, pretrain: fill(getattr(hub, name)(), weight)  # type: ignore[assignment]
    file(root / "onnx" / "metric3d_onnx_export.py", "exporter").main("metric3d_vit_small")
    (Path() / "metric3d_vit_small.onnx").rename(out / "metric3d_v2.onnx")


def depth_anything_v2(authors: Path, out: Path, data: Path) -> None:
    """github.com/fabio-sim/Depth-Anything-ONNX, which the authors' README names: dynamo.py, small, open sides."""
    sys.path.insert(0, str(authors / "Depth-Anything-ONNX"))
    exporter = importlib.import_module("dynamo")
    network = importlib.import_module("depth_anything_v2.dpt").DepthAnythingV2

    def weights(_: str) -> dict[str, torch.Tensor]:
        shapes = made.shapes_of(network("vits", features=64, out_channels=[48, 96, 192, 384]))
        return {name: made.weight(name, shape) for name, shape in shapes.items()}

    torch.hub.load_state_dict_from_url = weights  # type: ignore[assignment]
    found = {}
    for name, metric, limit in (("relative", None, None), ("metric", exporter.Metric.indoor, 20)):
        path = out / f"depth_anything_v2_{name}.onnx"
        exporter.export(exporter.Encoder.vits, metric, path, exporter.ExportFormat.onnx, 1, 0, 0, 17, False)
        model = fill(network("vits", features=64, out_channels=[48, 96, 192, 384], max_depth=limit))
        found |= {f"{name}_{frame}": model.infer_image(cv2.imread(str(data / FRAMES[frame]))) for frame in FRAMES}
    np.savez(out / "depth_anything_v2.npz", **found)


def moge_2(authors: Path, out: Path, data: Path) -> None:
    """github.com/microsoft/MoGe, docs/onnx.md: "Dynamic Shape & Variable Number of Tokens"."""
    sys.path.insert(0, str(authors / "MoGe"))
    model = fill(importlib.import_module("moge.model.v2").MoGeModel(**copy.deepcopy(made.MOGE_2)), made.moge_weight)
    model.onnx_compatible_mode = True
    torch.onnx.export(
        model,
        (torch.rand(1, 3, 518, 518), torch.tensor(200)),
        str(out / "moge_2.onnx"),
        input_names=["image", "num_tokens"],
        output_names=["points", "normal", "mask", "metric_scale"],
        dynamic_axes={"image": {0: "batch_size", 2: "height", 3: "width"}},
        opset_version=14,
    )
    found = {}
    for name, frame in FRAMES.items():
        image = torch.from_numpy(cv2.imread(str(data / frame))[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            found |= {f"{key}_{name}": value.numpy() for key, value in model(image, 200).items()}
    np.savez(out / "moge_2.npz", **found)


def unidepth_v2(authors: Path, out: Path, _: Path) -> None:
    """github.com/lpiccinelli-eth/UniDepth, unidepth/models/unidepthv2/export.py: with a camera and without."""
    sys.path.insert(0, str(authors / "UniDepth"))
    exporter = importlib.import_module("unidepth.models.unidepthv2.export")
    config = copy.deepcopy(made.UNIDEPTH_V2)
    config["training"] = {"export": True}
    config["model"] |= {"layer_scale": 1.0}
    config["model"]["pixel_decoder"] |= {"name": "Decoder", "dropout": 0.0}
    config["model"]["pixel_encoder"] |= {
        "lr": 0.0,
        "wd": 0.0,
        "frozen_stages": 0,
        "freeze_norm": True,
        "pretrained": None,
    }
    exporter.UniDepthV2.build_losses = nothing
    for name, shape in SIZES["unidepth_v2"].items():
        model = fill(exporter.UniDepthV2ONNXcam(copy.deepcopy(config)), made.unidepth_weight)
        exporter.export(model, str(out / f"unidepth_v2_{name}.onnx"), shape, with_camera=True)
    model = fill(exporter.UniDepthV2ONNX(copy.deepcopy(config)), made.unidepth_weight)
    exporter.export(model, str(out / "unidepth_v2_guess.onnx"), SIZES["unidepth_v2"]["nyu"])


def depth_anything_3(authors: Path, out: Path, _: Path) -> None:
    """github.com/ika-rwth-aachen/ros2-depth-anything-v3-trt, onnx/export.py: the metric network, in float32."""
    root = authors / "Depth-Anything-3" / "src"
    sys.path.insert(0, str(root))
    for name in ("depth_anything_3.api", "depth_anything_3.utils.visualize"):  # files, viewers and the hub
        sys.modules[name] = StandIns().create_module(types.SimpleNamespace(name=name))
    network = importlib.import_module("depth_anything_3.model.da3").DepthAnything3Net
    encoder = importlib.import_module("depth_anything_3.model.dinov2.dinov2").DinoV2
    vit = importlib.import_module("depth_anything_3.model.dinov2.vision_transformer").DinoVisionTransformer
    head = importlib.import_module("depth_anything_3.model.dpt").DPT
    backbone = encoder("vits", [0, 1, 2, 3], cat_token=False)
    more = {"alt_start": -1, "qknorm_start": -1, "rope_start": -1, "cat_token": False}
    backbone.pretrained = vit(
        img_size=518, patch_size=14, embed_dim=48, depth=4, num_heads=3, init_values=1.0, block_chunks=0,
        ffn_layer="mlp", num_register_tokens=0, interpolate_antialias=False, interpolate_offset=0.1, **more,
    )  # fmt: skip
    model = network(backbone, head(dim_in=48, output_dim=1, features=32, out_channels=[16, 24, 32, 48]))
    # It fills sky by a quantile, which cannot be exported, if the black picture that is traced has any: noise has.
    model._process_mono_sky_estimation = lambda output: output
    exporter = file(authors / "ros2-depth-anything-v3-trt" / "onnx" / "export.py", "exporter")
    exporter.load_model = lambda *_: fill(model)
    for name, (rows, columns) in SIZES["depth_anything_3"].items():
        path = out / f"depth_anything_3_{name}.onnx"
        exporter.export_onnx("DA3METRIC-LARGE", path, rows, columns, 1, 20, torch.device("cpu"))


EXPORTS = {
    "metric3d_v2": (metric3d_v2, ("Metric3D",)),
    "depth_anything_v2": (depth_anything_v2, ("Depth-Anything-ONNX",)),
    "moge_2": (moge_2, ("MoGe",)),
    "unidepth_v2": (unidepth_v2, ("UniDepth",)),
    "depth_anything_3": (depth_anything_3, ("Depth-Anything-3", "ros2-depth-anything-v3-trt")),
}
"""What exports each, and the folders of its repositories."""

if __name__ == "__main__":
    which, folder, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    sys.path.insert(0, str(folder))
    sys.meta_path.append(StandIns())
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.Tensor.cuda = nn.Module.cuda = lambda self, *_: self  # type: ignore[method-assign]
    export = torch.onnx.export
    torch.onnx.export = lambda *args, **more: export(*args, **{"dynamo": False, **more})
    EXPORTS[which][0](folder, target, Path(sys.argv[4]))
