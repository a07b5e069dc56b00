# SPDX-License-Identifier: Apache-2.0
"""What each family makes of the picture with deterministic weights, by the code that real weights go through."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.models.families import (
    depth_anything_3,
    depth_anything_v2,
    metric3d_v2,
    moge_2,
    prompt_depth_anything,
    unidepth_v2,
)
from mono_depth_ros.models.loading import loader
from mono_depth_ros.models.networks.depth_anything import SIZES as DEPTH_ANYTHING_SIZES
from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork
from mono_depth_ros.models.networks.depth_anything_3 import DepthAnything3Network
from mono_depth_ros.models.networks.metric3d_encoder import SIZES as METRIC3D_SIZES
from mono_depth_ros.models.networks.moge_2 import MoGe2Network
from mono_depth_ros.models.networks.prompt_depth_anything import PromptDepthAnythingNetwork
from mono_depth_ros.models.networks.unidepth_v2 import UniDepthV2Network
from mono_depth_ros.models.parity import deterministic as made
from mono_depth_ros.models.parity import metric3d
from mono_depth_ros.models.prompts import KnownDepths
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind

Outputs = dict[str, Tensor]
Weight = Callable[[str, tuple[int, ...]], Tensor]


def filled(make: Callable[[], nn.Module], weight: Weight = made.weight) -> nn.Module:
    """A network with the weights that follow from its parameters' names."""
    with torch.device("meta"):
        network = make()
    network.load_state_dict({name: weight(name, shape) for name, shape in made.shapes_of(network).items()}, assign=True)
    return network


def _predicted(model: DepthModel, size: tuple[int, int], camera: Camera | None = None) -> Tensor:
    rgb = torch.from_numpy(made.pattern_image(*size))[None]
    return model.predict(rgb, [camera or Camera.from_fov(size, 60)])[0].values


def of_depth_anything_v2(options: EngineOptions, _: Path) -> Outputs:
    """The relative network, and the metric one with a range of 20 m."""
    found = {}
    for name, kind, limit in (("relative", DepthKind.INVERSE_AFFINE, None), ("metric", DepthKind.METRIC, 20.0)):
        network = filled(lambda limit=limit: DepthAnythingNetwork(made.NARROW, limit))  # type: ignore[misc]
        assert isinstance(network, DepthAnythingNetwork)
        spec = ModelSpec(f"parity {name}", "depth_anything_v2", kind, "none", limit)
        found[name] = _predicted(depth_anything_v2.DepthAnythingV2(spec, network, options), (640, 360))
    return found


def of_depth_anything_3(options: EngineOptions, _: Path) -> Outputs:
    """Depth of the canonical camera and sky of the metric network, at the size that it reads."""

    def network() -> DepthAnything3Network:
        found = filled(lambda: DepthAnything3Network(made.NARROW_3))
        assert isinstance(found, DepthAnything3Network)
        return found

    spec = ModelSpec("parity", "depth_anything_3", DepthKind.METRIC, "none", needs_camera=True)
    model = depth_anything_3.model_of(spec, network, depth_anything_3.PROCESSING, options)
    rgb = torch.from_numpy(made.pattern_image(640, 360))[None].to(options.device)
    with torch.inference_mode():
        depth, sky = model.run(*model.preprocess(rgb, [Camera.from_fov((640, 360), 60)]))
    return {"depth": depth[0], "sky": sky[0]}


def of_moge_2(options: EngineOptions, folder: Path) -> Outputs:
    """Points before their shift, which noise has none of, mask, normals and scale."""
    path = folder / "model.pt"
    with torch.device("meta"):
        network = MoGe2Network(moge_2._size(path, made.MOGE_2)[0])
    weights = {name: made.moge_weight(name, shape) for name, shape in made.shapes_of(network).items()}
    torch.save({"model_config": made.MOGE_2, "model": weights}, path)
    model = moge_2.load(path, options, None)
    with torch.inference_mode():
        rgb = torch.from_numpy(made.pattern_image(640, 360))[None].to(options.device)
        outputs = model.run(*model.preprocess(rgb, []))
        raw = {key: value[0] for key, value in zip(model._names, outputs, strict=True)}
        found = model.maps(raw, (640, 360))
    z = found["points"][2]
    return {"z": z, "mask": found["mask"][0], "scale": found["scale"].reshape(1, 1)}


def of_unidepth_v2(options: EngineOptions, folder: Path) -> Outputs:
    """Depth by a pinhole whose centre is not the picture's."""
    (folder / "config.json").write_text(json.dumps(made.UNIDEPTH_V2), encoding="utf-8")
    with torch.device("meta"):
        network = UniDepthV2Network(unidepth_v2._sizes(folder / "config.json")[0])
    weights = {name: made.unidepth_weight(name, shape) for name, shape in made.shapes_of(network).items()}
    save_file(weights, folder / "model.safetensors")
    camera = Camera(640, 360, 0.9 * 640, 0.95 * 640, 0.48 * 640, 0.53 * 360)
    return {"depth": _predicted(unidepth_v2.load(folder, options, None), (640, 360), camera)}


def of_metric3d_v2(options: EngineOptions, _: Path) -> Outputs:
    """The small network, which reads the picture at 336x196."""
    spec = ModelSpec(
        "parity", "metric3d_v2", DepthKind.METRIC, "none", needs_camera=True, confidence=True, normals=True
    )
    network = metric3d.network_of_noise(METRIC3D_SIZES["small"])
    model = metric3d_v2.Metric3D(spec, network, options, input_size=(336, 196))
    return {"depth": _predicted(model, (640, 360), Camera(640, 360, 700.0, 700.0, 319.5, 179.5))}


def of_prompt_depth_anything(options: EngineOptions, folder: Path) -> Outputs:
    """The small network with a prompt of steps and slopes, made of integers."""
    with torch.device("meta"):
        network = PromptDepthAnythingNetwork(DEPTH_ANYTHING_SIZES["small"])
    weights = {name: made.weight(name, shape) for name, shape in made.shapes_of(network).items()}
    torch.save(weights, folder / "model.ckpt")
    y, x = np.mgrid[:256, :256].astype(np.float64)
    depth = 1 + 8 * ((x * 7 + y * 3) % 61 + (x // 9 + y // 7) % 3 * 20) / 100
    rows, columns = (of.ravel() for of in np.mgrid[:256, :256])
    prompt = KnownDepths(rows, columns, depth.astype(np.float32).ravel(), (256, 256))
    model = prompt_depth_anything.load(folder / "model.ckpt", options, None)
    rgb = torch.from_numpy(made.pattern_image(518, 518))[None]
    return {"depth": model.predict(rgb, [Camera.from_fov((518, 518), 60)], [prompt])[0].values}


def _of_transformers(family: str, camera: Camera | None = None) -> Callable[[EngineOptions, Path], Outputs]:
    """A family whose network is that of `transformers`; what is compared are its processing and engines."""

    def outputs(options: EngineOptions, folder: Path) -> Outputs:
        try:
            from mono_depth_ros.models.parity.transformers_checkpoints import save
        except ImportError as error:
            raise ModelError(f"{family} needs transformers ({error}): pip install transformers") from error
        save(folder, family)
        return {"depth": _predicted(loader(family)(folder, options, None), (640, 360), camera)}

    return outputs


_GUESSED = Camera(640, 360, 62076.28125, 62076.28125, 320.0, 180.0)
"""The focal length that the network of noise of Depth Pro guesses, which its authors' code takes."""

FAMILIES: dict[str, Callable[[EngineOptions, Path], Outputs]] = {
    "depth_anything_v2": of_depth_anything_v2,
    "depth_anything_3": of_depth_anything_3,
    "metric3d_v2": of_metric3d_v2,
    "moge_2": of_moge_2,
    "prompt_depth_anything": of_prompt_depth_anything,
    "unidepth_v2": of_unidepth_v2,
    "zoedepth": _of_transformers("zoedepth"),
    "dpt": _of_transformers("dpt"),
    "glpn": _of_transformers("glpn"),
    "depth_pro": _of_transformers("depth_pro", _GUESSED),
}
"""Those whose authors' numbers are in authors.json."""
