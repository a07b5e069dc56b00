# SPDX-License-Identifier: Apache-2.0
"""Depth Anything 3 any-view small on a CPU, in torch and in the engines that are chosen, against its authors' code.

One image, the network alone, random weights, the same for all; the authors' in float32 without their autocast, with
the rays that they always compute. CPU time of one thread, which a busy machine changes little.
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

import torch
from torch import Tensor

from common import add_reference, run
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.depth_anything_3 import ANY_VIEW, model_of
from mono_depth_ros.models.networks.depth_anything_3_any_view import FIRST, SIZES, AnyViewNetwork
from mono_depth_ros.models.runtime.engine import EngineOptions

INPUTS = ((504, 378), (504, 154))
SIZE = SIZES["small"]
RUNS = (("torch", "fp32"), ("auto", "fp32"), ("auto", "auto"))
_ROUNDS = 3


def any_view(reference: Path | None) -> dict[str, Any]:
    """The measurement, as plain values.

    Args:
        reference: a checkout of github.com/ByteDance-Seed/Depth-Anything-3 whose requirements (einops, addict) can be
            imported, to compare with; None leaves it out.

    Raises:
        ConfigError: `reference` does not hold the authors' code, or it cannot be imported.
    """
    result: dict[str, Any] = {
        "what": "Depth Anything 3 any-view small, network alone, CPU time of one thread, medians of interleaved runs",
        "load_s": {},
    }
    torch.set_num_threads(1)
    state = random_network().state_dict()
    candidates: dict[str, Callable[[Tensor], Any]] = {}
    if reference is not None:
        candidates["authors fp32"] = _authors(reference, state)
    spec = ModelSpec.of(CATALOGUE["depth_anything_3_small"])
    for engine, precision in RUNS:
        name = f"{engine} {precision}" if precision != "auto" else "auto"
        start = time.perf_counter()
        try:
            model = model_of(spec, random_network, ANY_VIEW, EngineOptions(torch.device("cpu"), engine, precision))
        except ModelError as error:
            result["load_s"][name] = f"not here: {error}"
            continue
        result["load_s"][name] = round(time.perf_counter() - start, 2)
        candidates[name] = model.run
        if engine == "auto":
            result.setdefault("chosen", {})[name] = model.engine
    for width, height in INPUTS:
        image = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0))
        ms = _cpu_ms({name: partial(work, image) for name, work in candidates.items()})
        authors = ms.get("authors fp32")
        result[f"{width}x{height}"] = {
            name: {"ms": round(value, 1)} | ({"times_the_authors": round(authors / value, 2)} if authors else {})
            for name, value in ms.items()
        }
        if reference is not None:
            with torch.inference_mode():
                one, other = (candidates[name](image)[0] for name in ("authors fp32", "torch fp32"))
            result[f"{width}x{height}"]["difference_in_the_mean"] = float((other / one - 1).abs().mean())
    return result


@torch.inference_mode()
def _cpu_ms(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(_ROUNDS + 1):
        for name, work in runs.items():
            start = time.process_time()
            work()
            if turn:
                times[name].append((time.process_time() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def random_network() -> AnyViewNetwork:
    """With seeded weights whose output is in range."""
    torch.manual_seed(0)
    network = AnyViewNetwork(SIZE)
    with torch.no_grad():
        encoder = network.backbone.pretrained
        for value in (encoder.pos_embed, encoder.cls_token, encoder.camera_token):
            value.normal_(std=0.02)
    return network


def _authors(reference: Path, state: dict[str, Tensor]) -> Callable[[Tensor], Any]:
    """The authors' encoder and head with the same weights; those of the rays are theirs, at random."""
    source = reference / "src" if (reference / "src").is_dir() else reference
    if not (source / "depth_anything_3" / "model" / "dualdpt.py").is_file():
        raise ConfigError(f"{reference} holds no depth_anything_3/model/dualdpt.py, expected the authors' checkout")
    sys.path.insert(0, str(source))
    # Their packages import all of the repository when they are imported themselves: point clouds, rendering, ...
    for name in ("depth_anything_3.model", "depth_anything_3.model.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(source / name.replace(".", "/"))]
        sys.modules[name] = package
    try:
        vit = importlib.import_module("depth_anything_3.model.dinov2.vision_transformer").DinoVisionTransformer
        dpt = importlib.import_module("depth_anything_3.model.dualdpt").DualDPT
    except ImportError as error:
        raise ConfigError(f"{reference}: the authors' code cannot be imported: {error}") from error
    own, taps = SIZE.vit, list(SIZE.vit.out_indices)
    encoder = vit(
        img_size=518,
        patch_size=14,
        embed_dim=own.embed_dim,
        depth=own.num_layers,
        num_heads=own.num_heads,
        block_chunks=0,
        alt_start=FIRST,
        qknorm_start=FIRST,
        rope_start=FIRST,
        cat_token=True,
    )
    head = dpt(2 * own.embed_dim, output_dim=2, features=SIZE.width, out_channels=SIZE.channels)
    for part, prefix in ((encoder, "backbone.pretrained."), (head, "head.")):
        weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        found = part.load_state_dict(weights, strict=False)
        if found.unexpected_keys or any("_aux" not in name for name in found.missing_keys):
            raise ConfigError(f"{reference}: the network is not the one that is known: {found}")
        part.eval()

    def work(image: Tensor) -> tuple[Tensor, ...]:
        features, _ = encoder.get_intermediate_layers(image[:, None], taps)
        found = head(features, image.shape[2], image.shape[3], patch_start_idx=0)
        return found["depth"][:, 0], found["depth_conf"][:, 0]

    return work


def main(argv: Sequence[str] | None = None) -> int:
    return run(
        __file__,
        lambda arguments: any_view(arguments.reference),
        argv,
        lambda parser: add_reference(parser, "github.com/ByteDance-Seed/Depth-Anything-3"),
    )


if __name__ == "__main__":
    sys.exit(main())
