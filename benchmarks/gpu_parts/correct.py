# SPDX-License-Identifier: Apache-2.0
"""Is it right on a GPU? Each check is a function that yields its rows; what it compares with is torch on the CPU."""

from __future__ import annotations

import copy
import importlib.util
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bag import write_bag
from gpu_parts.row import (
    NARROW,
    SKIP,
    Bench,
    Row,
    camera_of,
    depth_anything,
    last_error,
    picture,
    verdict,
    warnings_of_the_product,
)
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.config import BagConfig, DepthConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rectify import rectify
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.metric3d_v2 import Metric3D
from mono_depth_ros.models.loading import loader
from mono_depth_ros.models.networks.depth_anything import SIZES as depth_anything_sizes
from mono_depth_ros.models.networks.metric3d import Metric3DNetwork
from mono_depth_ros.models.networks.metric3d_encoder import SIZES, NetworkSize
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.runtime.engines import ENGINES, cannot_run
from mono_depth_ros.models.runtime.selfcheck import absrel
from mono_depth_ros.models.runtime.torch_engine import TorchEngine
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.tools.bag.convert import Job, convert

TOLERANCE = {"fp32": 3e-3, "fp16": 1e-2, "bf16": 5e-2}
"""Largest AbsRel to float32 on the CPU; the weights are noise, which loses more than trained do. The CPU resizes by
OpenCV, a GPU by torch: one grey level apart in a tenth of the pixels, which is 1.4e-3 for Metric3D."""

_NARROW = NetworkSize(VitSize(48, 2, 2, (1,) * 4), False, (12, 24, 48), (48, 24, 12), 6, 4)
_SMALL_CHECKPOINTS = Path(__file__).parents[2] / "test/models/families/transformers_models/small_checkpoints.py"


def families(bench: Bench) -> Iterator[Row]:
    """Each of our own families in each precision: right, the same at replay, and moved by another picture."""
    torch.manual_seed(0)
    size = SIZES["small"] if bench.real else _NARROW
    weights = Metric3DNetwork(size).state_dict()

    def metric3d(precision: str, device: torch.device | None = None) -> Metric3D:
        network = Metric3DNetwork(size)
        network.load_state_dict(weights)
        spec = ModelSpec.of(CATALOGUE["metric3d_v2_small"])
        options = EngineOptions(device or bench.device, "torch", precision)
        return Metric3D(spec, network, options, (532, 308) if bench.real else (168, 112))

    def anything(precision: str, device: torch.device | None = None) -> DepthModel:
        options = EngineOptions(device or bench.device, "torch", precision)
        return depth_anything(depth_anything_sizes["small"] if bench.real else NARROW, options)

    makers: dict[str, Callable[..., DepthModel]] = {
        "tiny": bench.tiny,
        "Depth Anything V2 small": anything,
        "Metric3D v2 small": metric3d,
    }
    for name, make in makers.items():
        reference = make("fp32", device=torch.device("cpu"))
        for precision in bench.precisions if bench.real or name != "Depth Anything V2 small" else ("fp32",):
            yield from _compared(bench, f"family {name} {precision}", partial(make, precision), reference)


def ported_families(bench: Bench) -> Iterator[Row]:
    """The families of `transformers`, narrow and shallow networks."""
    if importlib.util.find_spec("transformers") is None or not _SMALL_CHECKPOINTS.is_file():
        yield Row(SKIP, "families of transformers", "needs the package transformers and a checkout with test/")
        return
    sys.path.insert(0, str(_SMALL_CHECKPOINTS.parent))
    import small_checkpoints

    kinds: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("DPT", "dpt", {}),
        ("DPT hybrid", "dpt", {"hybrid": True}),
        ("GLPN", "glpn", {}),
        ("ZoeDepth", "zoedepth", {}),
        ("ZoeDepth NK", "zoedepth", {"heads": ("nyu", "kitti")}),
        ("Depth Pro", "depth_pro", {}),
    )
    for label, family, changes in kinds:
        with tempfile.TemporaryDirectory() as folder:
            small_checkpoints.save(Path(folder), family, **changes)

            load, source = loader(family), Path(folder)
            reference = load(source, EngineOptions(torch.device("cpu"), "torch", "fp32"), None)
            for precision in bench.precisions if bench.real else ("fp32",):
                options = EngineOptions(bench.device, "torch", precision)
                yield from _compared(
                    bench, f"family {label} {precision}", partial(load, source, options, None), reference
                )


def _compared(bench: Bench, name: str, make: Callable[[], DepthModel], reference: DepthModel) -> Iterator[Row]:
    """One model beside the same in float32 on the CPU, for several sizes and batches, each twice and then otherwise."""
    with warnings_of_the_product() as said:
        try:
            model = make()
        except ModelError as error:
            yield verdict(False, name, str(error))
            return
        worst, one_knows, same, moved = 0.0, 0.0, True, True
        shapes = (((640, 480), 1), ((640, 480), 3), ((1280, 720), 1))
        for (width, height), count in shapes if bench.real else (((320, 240), 1), ((640, 360), 2)):
            cameras = [camera_of(width, height)] * count
            rgb = torch.from_numpy(np.stack([picture(width, height, seed) for seed in range(count)]))
            right = reference.predict(rgb, cameras)
            one, two = ([p.values.clone() for p in model.predict(rgb, cameras)] for _ in range(2))
            others = [p.values for p in model.predict(255 - rgb, cameras)]
            for first, again, other, expected in zip(one, two, others, right, strict=True):
                same &= bool(torch.equal(first.nan_to_num(), again.nan_to_num()))
                moved &= bool((first - other).nan_to_num().abs().max() > 0)
                both = first.cpu().isfinite() & expected.values.isfinite()
                worst = max(worst, absrel(first.cpu()[both], expected.values[both]))
                one_knows = max(one_knows, 1 - float(both.sum() / expected.values.isfinite().sum()))
    precision = name.rpartition(" ")[2]
    words = f"AbsRel to the CPU {worst:.1e}, the same at replay: {same}, moved by another picture: {moved}"
    good = worst <= TOLERANCE[precision] and one_knows <= TOLERANCE[precision]
    yield verdict(good and same and moved and not said, name, "; ".join([words, *said[:1]]))


def engines(bench: Bench) -> Iterator[Row]:
    """Every engine that can run here passes its own check, with Depth Anything V2 small; the others say why not."""
    reference = bench.depth_anything("fp32", device=torch.device("cpu"))
    camera, rgb = [camera_of(640, 480)], torch.from_numpy(picture(640, 480))[None]
    right = reference.predict(rgb, camera)[0].values
    for name, row in ENGINES.items():
        if name == "torch" or (name == "torch_compile" and not bench.real):
            continue  # torch is that of the families; compiling takes a minute
        for precision in row.precisions.get(bench.device.type, ()):
            try:
                reason = cannot_run(reference.network, name, bench.device, precision)
            except ModelError as missing:
                reason = str(missing)
            if reason is not None:
                yield Row(SKIP, f"engine {name} {precision}", reason)
                continue
            start = time.perf_counter()
            try:
                found = bench.depth_anything(precision, engine=name).predict(rgb, camera)[0].values.cpu()
            except ModelError as error:
                yield verdict(False, f"engine {name} {precision}", str(error))
                continue
            error_ = absrel(found, right)
            words = f"AbsRel to the CPU {error_:.1e}, ready after {time.perf_counter() - start:.0f} s"
            yield verdict(error_ <= TOLERANCE[precision], f"engine {name} {precision}", words)


def operations(bench: Bench) -> Iterator[Row]:
    """What is made of a prediction, and the rectified image, equal to those of the CPU."""
    lens = Camera(640, 480, 450.0, 452.0, 322.0, 238.0, "plumb_bob", (-0.2, 0.05, 1e-3, -1e-3, 0.0))
    rgb, into = torch.from_numpy(picture(640, 480)), camera_of(640, 480)
    here, there = (rectify(rgb.to(device), lens, into) for device in (bench.device, torch.device("cpu")))
    apart = float((here.cpu().float() - there.float()).abs().mean())
    yield verdict(apart < 0.2, "rectified image", f"{apart:.3f} grey levels from OpenCV's on average")
    prediction = bench.tiny(device=torch.device("cpu")).predict(rgb[None], [lens])[0]
    config = DepthConfig(edge_ratio=0.1, cloud_normals=True, max_depth=20.0)
    cpu = Frame(rgb, lens, prediction, config)
    gpu = Frame(rgb.to(bench.device), lens, _on(prediction, bench.device), config)
    for name in ("depth", "points", "normals", "cloud", "packed_cloud", "picture"):
        one, other = (_tensors(getattr(frame, name)) for frame in (cpu, gpu))
        shapes = [tuple(value.shape) for value in one] == [tuple(value.shape) for value in other]
        bits = name == "packed_cloud"  # colours are bits that are no numbers
        pairs = [(a[..., :3], b[..., :3]) if bits else (a, b) for a, b in zip(one, other, strict=False)]
        apart = max(_apart(a, b) for a, b in pairs)
        yield verdict(shapes and apart < 2e-3, f"frame {name}", f"largest relative difference {apart:.1e}")
    pixels = np.random.default_rng(0).choice(640 * 480, 2000, replace=False)
    metres = (prediction.values.reshape(-1)[torch.from_numpy(pixels)].numpy() * 1.3).astype(np.float32)
    samples = Samples(pixels // 640, pixels % 640, metres, (480, 640)).select(np.isfinite(metres))
    apart = _apart(cpu.align(samples).depth, gpu.align(samples).depth.cpu())
    yield verdict(apart < 2e-3, "frame align", f"largest relative difference {apart:.1e}")


def float32(bench: Bench) -> Iterator[Row]:
    """Precision fp32 is float32, and not the 10 bits of TF32, whatever the program has set."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(64, 64, 3), nn.Flatten(2), nn.Linear(100, 64)).eval().requires_grad_(False)
    engine = TorchEngine(Network("layers", module, ("x",), ("y",), ({0: "batch"},)), bench.device, "fp32")
    x = torch.rand(1, 64, 12, 12) - 0.5
    right = copy.deepcopy(module).double()(x.double())
    error = float((engine(x.to(bench.device))[0].cpu() - right).abs().max() / right.abs().max())
    yield verdict(error < 2e-5, "fp32 is float32", f"largest error {error:.1e} of float64, that of TF32 is about 5e-4")


def sizes(bench: Bench) -> Iterator[Row]:
    """Pictures from 64 x 48 to 4K through the whole pipeline, depth and cloud."""
    ours, reference = (Pipeline(bench.tiny(device=device)) for device in (bench.device, torch.device("cpu")))
    largest = ((1920, 1080), (3840, 2160)) if bench.real else ()
    for width, height in ((64, 48), (641, 479), (480, 640), (1280, 720), *largest):
        shot = picture(width, height), camera_of(width, height)
        one, other = ours.estimate(*shot), reference.estimate(*shot)
        error = absrel(one.depth.cpu(), other.depth)
        points = tuple(one.packed_cloud().shape[:2]) == (height, width)
        # Small ones are enlarged: by OpenCV on the CPU, which rounds some pixels to another grey level.
        yield verdict(error < 5e-3 and points, f"size {width}x{height}", f"AbsRel to the CPU {error:.1e}")


def batches(bench: Bench) -> Iterator[Row]:
    """Batches of 1 to 9 give what single pictures give, each picture its own."""
    pipeline = Pipeline(bench.depth_anything())
    shots = [Shot(picture(640, 480, seed), camera_of(640, 480)) for seed in range(9)]
    singly = [pipeline.estimate(shot.rgb, shot.camera).depth.cpu() for shot in shots]
    for count in (1, 2, 3, 5, 8, 9) if bench.real else (1, 3):
        found = pipeline.estimate_batch(shots[:count])
        errors = [
            absrel(frame.depth.cpu(), singly[k]) if isinstance(frame, Frame) else 1.0 for k, frame in enumerate(found)
        ]
        yield verdict(
            max(errors) < TOLERANCE[bench.fast], f"batch of {count}", f"AbsRel to single pictures {max(errors):.1e}"
        )


def second_thread(bench: Bench) -> Iterator[Row]:
    """Recordings of new shapes while another thread reads depth and clouds, as a program of one's own may."""
    pipeline = Pipeline(bench.depth_anything(), DepthConfig(edge_ratio=0.1))
    first = pipeline.estimate(picture(640, 480), camera_of(640, 480))
    stop, errors, turns = threading.Event(), list[str](), [0]

    def read() -> None:
        with torch.inference_mode():
            while not stop.is_set() and len(errors) < 4:
                frame = Frame(first.rgb, first.camera, first.prediction, first.config)
                try:
                    frame.depth.cpu(), frame.packed_cloud().cpu(), frame.picture().cpu()
                    turns[0] += 1
                except Exception as error:
                    errors.append(last_error(error))

    thread = threading.Thread(target=read)
    with warnings_of_the_product() as said:
        thread.start()
        for k in range(12 if bench.real else 3):
            width = 640 + 28 * k
            try:
                pipeline.estimate(picture(width, 480), camera_of(width, 480))
            except Exception as error:
                errors.append(last_error(error))
        stop.set()
        thread.join()
    left = bench.cuda and torch.cuda.current_stream(bench.device) != torch.cuda.default_stream(bench.device)
    words = f"{turns[0]} turns of the reader; errors {errors[:2]}; warnings {said[:1]}; left on a side stream: {left}"
    yield verdict(not (errors or said or left), "second thread", words)


def recording_of_a_bag(bench: Bench) -> Iterator[Row]:
    """`mono_depth bag`: every depth image equals that of the picture alone, the last and smaller batch included."""
    count = 21 if bench.cuda else 5
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in", Path(folder) / "out.mcap"
        images = write_bag(source, count, (640, 480))
        model = bench.tiny()
        with warnings_of_the_product() as said:
            convert(Job(source, out, BagConfig(outputs="depth,points")), model)
        pipeline, worst, seen = Pipeline(bench.tiny(device=torch.device("cpu"))), 0.0, 0
        with BagReader(out) as reader:
            for seen, message in enumerate(reader.messages({"/depth/image"}), 1):
                expected = pipeline.estimate(images[(seen - 1) % len(images)], camera_of(640, 480)).depth
                worst = max(worst, absrel(torch.from_numpy(decode_depth(reader.decode(message)).copy()), expected))
    words = f"{seen} of {count} images, AbsRel to single pictures on the CPU {worst:.1e}"
    yield verdict(seen == count and worst < 1e-2 and not said, "recording", "; ".join([words, *said[:1]]))


def other_gpu(bench: Bench) -> Iterator[Row]:
    """The second GPU: recorded there, not stale."""
    if not bench.cuda or torch.cuda.device_count() < 2:
        yield Row(SKIP, "second GPU", "needs two GPUs")
        return
    second = torch.device("cuda", 1 - (bench.device.index or 0))
    with warnings_of_the_product() as said:
        model = bench.depth_anything("fp16", device=second)
        rgb, camera = torch.from_numpy(picture(640, 480))[None], [camera_of(640, 480)]
        one, other = (model.predict(value, camera)[0].values.clone() for value in (rgb, 255 - rgb))
    stale = torch.equal(one, other)
    yield verdict(not stale and not said and one.device == second, "second GPU", f"stale: {stale}; {said[:1]}")


def _on(prediction: Any, device: torch.device) -> Any:
    from dataclasses import fields, replace

    tensors = {item.name: getattr(prediction, item.name) for item in fields(prediction)}
    return replace(prediction, **{k: v.to(device) for k, v in tensors.items() if isinstance(v, torch.Tensor)})


def _tensors(found: Any) -> tuple[torch.Tensor, ...]:
    """What a Frame gives, or its method, as tensors on the CPU."""
    found = found() if callable(found) else found
    return tuple(value.cpu() for value in (found if isinstance(found, tuple) else (found,)))


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference relative to 1 or the value; infinite where only one of them is known."""
    one, other = one.double(), other.double()
    if not bool((one.isnan() == other.isnan()).all() and (one.isposinf() == other.isposinf()).all()):
        return float(((one.isnan() != other.isnan()) | (one.isposinf() != other.isposinf())).double().mean())
    known = one.isfinite()
    return float(((one - other).abs() / one.abs().clamp(min=1))[known].max()) if bool(known.any()) else 0.0
