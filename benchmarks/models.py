# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 in every engine there is here, against its authors' code in one run.

On a CPU: the small network. On a CUDA device: small, base and large, end to end from uint8 on the host to depth and
cloud bytes on the host. Weights are random, the same for all; how long a network takes does not depend on them.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
import types
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common import add_reference, run, wait
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.depth_anything_v2 import DepthAnythingV2
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.pipeline import Pipeline

CPU_RUNS = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("torch_compile", "fp32"),
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("auto", "auto"),
)
CUDA_RUNS = (
    ("torch", "fp32"),
    ("torch", "fp16"),
    ("torch", "bf16"),
    ("torch_compile", "fp16"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "fp16"),
    ("tensorrt", "fp16"),
    ("auto", "auto"),
)
MATRIX = 2048
_ROUNDS = 7


def models(reference: Path | None) -> dict[str, Any]:
    """The measurement, as plain values.

    Args:
        reference: a checkout of github.com/DepthAnything/Depth-Anything-V2, to compare with; None leaves it out.

    Raises:
        ConfigError: `reference` does not hold the authors' code.
    """
    if torch.cuda.is_available():
        return _cuda(torch.device("cuda", 0))
    return _cpu(reference)


def _cpu(reference: Path | None) -> dict[str, Any]:
    device = torch.device("cpu")
    result: dict[str, Any] = {
        "what": "Depth Anything V2 small, network alone, medians of interleaved runs; preprocess and postprocess apart",
        "threads": torch.get_num_threads(),
        "load_s": {},
    }
    candidates: dict[str, Callable[[Tensor], Any]] = {}
    state = random_state("small")
    if reference is not None:
        candidates["authors fp32"] = _authors(reference, state)
    loaded: dict[str, DepthAnythingV2] = {}
    for engine, precision in CPU_RUNS:
        name = f"{engine} {precision}" if engine != "auto" else "auto"
        start = time.perf_counter()
        try:
            loaded[name] = depth_anything("small", state, None, EngineOptions(device, engine, precision))
        except ModelError as error:
            result["load_s"][name] = f"not here: {error}"
            continue
        result["load_s"][name] = round(time.perf_counter() - start, 2)
        candidates[name] = loaded[name].run
    result["auto_is"] = loaded["auto"].engine
    gflop = {"518x518": 115.0, "518x686": 168.0}
    for (label, work), shape in zip(gflop.items(), ((480, 480), (480, 640)), strict=True):
        rgb = _image(*shape)
        camera = [Camera.from_fov((shape[1], shape[0]), 60)]
        model = loaded["torch fp32"]
        inputs = model.preprocess(rgb, camera)
        assert f"{inputs[0].shape[2]}x{inputs[0].shape[3]}" == label
        outputs = model.run(*inputs)
        runs: dict[str, Callable[[], Any]] = {name: partial(run, inputs[0]) for name, run in candidates.items()}
        runs |= {f"matrix {p}": matrix(d, device) for p, d in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
        runs["preprocess"] = partial(model.preprocess, rgb, camera)
        runs["postprocess"] = partial(model.postprocess, outputs, camera)
        result[label] = _figures(interleaved(runs), work)
    return result


def _figures(ms: dict[str, float], gflop: float) -> dict[str, Any]:
    """Times, and what they mean: ratio to the authors' code, part of the matrix-product rate."""
    rates = {p: 2 * MATRIX**3 / 1e6 / ms.pop(f"matrix {p}") for p in ("fp32", "bf16")}
    around = {name: ms.pop(name) for name in ("preprocess", "postprocess")}
    figures: dict[str, Any] = {
        "matrix_gflops": {name: round(rate) for name, rate in rates.items()},
        **{f"{name}_ms": round(value, 2) for name, value in around.items()},
        "network": {},
    }
    authors = ms.get("authors fp32")
    for name, value in ms.items():
        row: dict[str, Any] = {"ms": round(value, 1), "gflops": round(gflop / value * 1e3)}
        if authors is not None:
            row["times_the_authors"] = round(authors / value, 2)
        precision = name.rpartition(" ")[2]
        if precision in rates:
            row["of_the_matrix_rate"] = round(gflop / value * 1e3 / rates[precision], 2)
        row["around_it"] = round(sum(around.values()) / value, 3)
        figures["network"][name] = row
    return figures


def _cuda(device: torch.device) -> dict[str, Any]:
    result: dict[str, Any] = {
        "what": "Depth Anything V2 metric, 518x518, end to end: uint8 on the host to depth and cloud bytes on the host",
        "gpu": torch.cuda.get_device_name(device),
    }
    product = matrix(torch.bfloat16, device, 8192)
    result["matrix_bf16_tflops"] = round(2 * 8192**3 / 1e9 / interleaved({"m": partial(_waited, product)})["m"])
    camera = Camera.from_fov((518, 518), 60)
    image = _image(518, 518)[0].numpy()
    for size in SIZES:
        state = random_state(size)
        gflop = CATALOGUE[f"depth_anything_v2_{size}"].gflop
        assert gflop is not None
        for engine, precision in CUDA_RUNS:
            try:
                model = depth_anything(size, state, 20.0, EngineOptions(device, engine, precision))
            except ModelError as error:
                result[f"{size} {engine} {precision}"] = f"not here: {error}"
                continue
            pipeline = Pipeline(model)

            def work(p: Pipeline = pipeline) -> Any:
                frame = p.estimate(image, camera)
                return frame.depth.cpu(), frame.packed_cloud().cpu()

            ms = interleaved({"e": work}, rounds=50)["e"]
            rate = gflop / ms / result["matrix_bf16_tflops"]
            result[f"{size} {engine} {precision}"] = {
                "engine": model.engine,
                "p50_ms": round(ms, 2),
                "frames_per_s": round(1e3 / ms, 1),
                "of_the_matrix_rate": round(rate, 3),
            }
            del pipeline, model
            torch.cuda.empty_cache()
    return result


def _waited(work: Callable[[], Any]) -> None:
    work()
    torch.cuda.synchronize()


def depth_anything(
    size: str, state: dict[str, Tensor], max_depth_m: float | None, options: EngineOptions
) -> DepthAnythingV2:
    network = DepthAnythingNetwork(SIZES[size], max_depth_m)
    network.load_state_dict(state)
    kind = "depth_anything_v2_metric_indoor_" if max_depth_m else "depth_anything_v2_"
    return DepthAnythingV2(ModelSpec.of(CATALOGUE[kind + size]), network, options)


def random_state(size: str | NetworkSize) -> dict[str, Tensor]:
    """Seeded random weights with which the network's output is in range."""
    torch.manual_seed(0)
    network = DepthAnythingNetwork(SIZES[size] if isinstance(size, str) else size, None)
    with torch.no_grad():
        network.pretrained.pos_embed.normal_(std=0.02)
        # A network of noise gives about 0: what the last layer adds puts its output in range.
        last = network.depth_head.scratch.output_conv2[2]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        last.weight.mul_(0.1)
        last.bias.fill_(0.5)
    return network.state_dict()


def _authors(reference: Path, state: dict[str, Tensor]) -> nn.Module:
    """The authors' small network with the same weights, as their code runs it: float32, their own attention."""
    if not (reference / "depth_anything_v2" / "dpt.py").is_file():
        raise ConfigError(f"{reference} holds no depth_anything_v2/dpt.py, expected a checkout of Depth-Anything-V2")
    if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is None:
        # Their file imports one name from it, for the preprocessing, which is not measured.
        transforms = types.ModuleType("torchvision.transforms")
        transforms.Compose = object  # type: ignore[attr-defined]
        sys.modules |= {"torchvision": types.ModuleType("torchvision"), "torchvision.transforms": transforms}
    sys.path.insert(0, str(reference))
    network = importlib.import_module("depth_anything_v2.dpt").DepthAnythingV2("vits", 64, [48, 96, 192, 384])
    unused = network.load_state_dict(state, strict=False)
    if unused.unexpected_keys or unused.missing_keys != ["pretrained.mask_token"]:
        raise ConfigError(f"{reference}: the network is not the one that is known: {unused}")
    return network.eval()


def _image(height: int, width: int) -> Tensor:
    generator = np.random.default_rng(0)
    return torch.from_numpy(generator.integers(0, 256, (1, height, width, 3), dtype=np.uint8))


def matrix(dtype: torch.dtype, device: torch.device, side: int = MATRIX) -> Callable[[], Any]:
    a = torch.randn(side, side, device=device).to(dtype)
    return lambda: a @ a


@torch.inference_mode()
def interleaved(runs: dict[str, Callable[[], Any]], rounds: int = _ROUNDS) -> dict[str, float]:
    """Median milliseconds of each, taken in turns so that a slow moment of the machine meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, work in runs.items():
            wait()
            start = time.perf_counter()
            work()
            wait()
            if turn:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def main(argv: Sequence[str] | None = None) -> int:
    return run(
        __file__,
        lambda arguments: models(arguments.reference),
        argv,
        lambda parser: add_reference(parser, "github.com/DepthAnything/Depth-Anything-V2"),
    )


if __name__ == "__main__":
    sys.exit(main())
