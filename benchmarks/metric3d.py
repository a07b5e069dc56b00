# SPDX-License-Identifier: Apache-2.0
"""Metric3D v2 in every engine there is here, against its authors' code in one run.

On a CPU the small network, on a CUDA device small and large, at 1064x616 and with random weights, the same for all.
`python benchmarks/metric3d.py peak-memory ours|authors [DIR]` runs one of them once and prints its peak memory.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common import add_reference, run
from models import CPU_RUNS, CUDA_RUNS, interleaved, matrix
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.metric3d_v2 import INPUT_SIZE, Metric3D
from mono_depth_ros.models.networks.metric3d import Metric3DNetwork
from mono_depth_ros.models.networks.metric3d_encoder import SIZES
from mono_depth_ros.models.runtime.engine import EngineOptions

PEAK_MEMORY = "peak-memory"
_ROUNDS = 5


def metric3d(reference: Path | None) -> dict[str, Any]:
    """The measurement, as plain values.

    Args:
        reference: a checkout of github.com/YvanYin/Metric3D whose requirements (mmengine or mmcv, timm) can be
            imported, to compare with; None leaves it out.

    Raises:
        ConfigError: `reference` does not hold the authors' code, or it cannot be imported.
    """
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    sizes, runs = (("small", "large"), CUDA_RUNS) if device.type == "cuda" else (("small",), CPU_RUNS)
    width, height = INPUT_SIZE
    result: dict[str, Any] = {
        "what": f"Metric3D v2, network alone, {width}x{height}, medians of interleaved runs",
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
    }
    image = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0)).to(device)
    for size in sizes:
        result[size] = _measure(size, image, runs, reference)
    if device.type == "cpu":
        result["peak_memory_mib"] = {"ours, torch fp32": _peak("ours", None)}
        if reference is not None:
            result["peak_memory_mib"]["authors fp32"] = _peak("authors", reference)
    return result


def _measure(size: str, image: Tensor, runs: tuple[tuple[str, str], ...], reference: Path | None) -> dict[str, Any]:
    candidates: dict[str, Callable[[], Any]] = {}
    found: dict[str, Any] = {}
    channels_last = image.to(memory_format=torch.channels_last)
    if reference is not None:
        network = authors(reference, size).to(image.device)
        candidates["authors fp32"] = lambda: network.inference({"input": image})
    for engine, precision in runs:
        name = f"{engine} {precision}" if engine != "auto" else "auto"
        try:
            model = ours(size, EngineOptions(image.device, engine, precision))
        except ModelError as error:
            found[name] = f"not here: {error}"
            continue
        candidates[name] = partial(_on_cpu, model, channels_last)
        if engine == "auto":
            found["auto_is"] = model.engine
    rates = {"matrix fp32": matrix(torch.float32, image.device), "matrix bf16": matrix(torch.bfloat16, image.device)}
    times = interleaved({**candidates, **rates}, _ROUNDS)
    gflop = CATALOGUE[f"metric3d_v2_{size}"].gflop
    assert gflop is not None
    floors = {name: times[name] * gflop / (2 * 2048**3 / 1e9) for name in rates}
    found["floor_ms"] = {name.removeprefix("matrix "): round(value, 1) for name, value in floors.items()}
    for name in candidates:
        found[name] = {"ms": round(times[name], 1), "gflops": round(gflop / times[name] * 1e3)}
        if "authors fp32" in times:
            found[name]["times_the_authors"] = round(times["authors fp32"] / times[name], 2)
    return found


def _on_cpu(model: Metric3D, image: Tensor) -> list[Tensor]:
    return [value.cpu() for value in model.run(image)]


def ours(size: str, options: EngineOptions) -> Metric3D:
    """The model with seeded random weights, depths amid its range."""
    torch.manual_seed(0)
    network = Metric3DNetwork(SIZES[size])
    with torch.no_grad():
        network.encoder.pos_embed.normal_(std=0.02)
    return Metric3D(ModelSpec.of(CATALOGUE[f"metric3d_v2_{size}"]), network, options)


def authors(reference: Path, size: str) -> Any:
    """The authors' network of a size, with random weights, as their code runs it in float32."""
    config = reference / "mono" / "configs" / "HourglassDecoder" / f"vit.raft5.{size.replace('giant', 'giant2')}.py"
    if not config.is_file():
        raise ConfigError(f"{reference} holds no {config.relative_to(reference)}, expected a checkout of Metric3D")
    sys.path.insert(0, str(reference))
    try:
        try:
            read = importlib.import_module("mmengine").Config.fromfile
        except (ImportError, AttributeError):
            read = importlib.import_module("mmcv.utils").Config.fromfile
        make = importlib.import_module("mono.model.monodepth_model").get_configured_monodepth_model
    except ImportError as error:
        raise ConfigError(f"the code in {reference} cannot be imported: {error}; expected its requirements") from error
    torch.manual_seed(0)
    network = make(read(str(config))).eval().requires_grad_(False)
    for value in network.parameters():  # some are left as the memory was
        value.normal_(std=0.02)
    return network


def _peak(who: str, reference: Path | None) -> int:
    command = [sys.executable, __file__, PEAK_MEMORY, who, *([str(reference)] if reference else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise ModelError(f"the measurement of {who}'s memory ended with exit code {done.returncode}, expected 0")
    return int(done.stdout.split()[-1])


def _print_peak(who: str, reference: str = "") -> None:
    width, height = INPUT_SIZE
    image = torch.rand(1, 3, height, width)
    with torch.inference_mode():
        if who == "authors":
            authors(Path(reference), "small").inference({"input": image})
        else:
            Metric3DNetwork(SIZES["small"]).optimise()(image.to(memory_format=torch.channels_last))
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)


def main(argv: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == [PEAK_MEMORY]:
        _print_peak(*given[1:])
        return 0
    return run(
        __file__,
        lambda arguments: metric3d(arguments.reference),
        argv,
        lambda parser: add_reference(parser, "github.com/YvanYin/Metric3D"),
    )


if __name__ == "__main__":
    sys.exit(main())
