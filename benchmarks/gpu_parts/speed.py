# SPDX-License-Identifier: Apache-2.0
"""How fast is it on a GPU? Host to host, from uint8 pixels to filled messages, beside the bare network and a peer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from bag import write_bag
from gpu_parts.row import NARROW, Bench, Row, camera_of, depth_anything_network, figure, picture
from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.bags.messages import POINT_FIELD, empty, header_of
from mono_depth_ros.config import BagConfig, DepthConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rectify import rectify
from mono_depth_ros.models.networks.depth_anything import SIZES
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.streams.outputs import OUTPUTS, Contents, Result
from mono_depth_ros.tools.bag.convert import Job, convert

PICTURES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
_HEADER = header_of(SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0), frame_id="camera"))
TOPICS = {"depth": ("depth/image", "depth/camera_info"), "cloud": ("depth/image", "depth/camera_info", "depth/points")}
ALL_TOPICS = (*TOPICS["cloud"], "depth/normals", "depth/color")


def machine(bench: Bench) -> Iterator[Row]:
    """What the GPU and its bus can do: the rates that the others are held against."""
    side = 8192 if bench.real else 512
    a = torch.randn(side, side, device=bench.device).to(torch.float16 if bench.cuda else torch.float32)
    yield figure(2 * side**3 / 1e9 / bench.ms(lambda: a @ a), "TFLOP/s", f"matrix product {side}, {a.dtype}")
    if bench.cuda:
        host = torch.empty((64 if bench.real else 1) << 20, dtype=torch.uint8)
        for name, memory in (("pageable", host), ("pinned", host.pin_memory())):
            there = memory.to(bench.device)
            up = bench.ms(partial(there.copy_, memory, non_blocking=True), 5)
            down = bench.ms(partial(memory.copy_, there, non_blocking=True), 5)
            yield figure(67.1 / down, "GB/s", f"to the host, {name}", f"to the device {67.1 / up:.1f} GB/s")


def networks(bench: Bench) -> Iterator[Row]:
    """Depth Anything V2 at 518x518: the bare network, the network as we run it, and pictures a second host to host."""
    for size in SIZES if bench.real else ("small",):
        model = bench.depth_anything(size=size)
        rgb, camera = picture(518, 518), camera_of(518, 518)
        with torch.inference_mode():
            inputs = model.preprocess(torch.from_numpy(rgb)[None].to(bench.device), [camera])
            base, ours = bench.ms(_bare(bench, size, inputs)), bench.ms(partial(model.run, *inputs))
        yield figure(ours, "ms", f"network {size} {bench.fast} 518x518", f"bare and recorded by hand {base:.2f} ms")
        pipeline = Pipeline(model)
        for count in (1, 8) if bench.real else (1,):
            shots = [Shot(picture(518, 518, seed), camera) for seed in range(count)]
            took = bench.ms(partial(_depths, pipeline, shots))
            asked = " (asked: 300 on an H200)" if size == "small" else ""
            yield figure(1e3 * count / took, "pictures/s", f"host to host {size} 518x518 in batches of {count}{asked}")


def pictures(bench: Bench) -> Iterator[Row]:
    """Depth Anything V2 small from pixels to filled messages at every size, beside the network alone and a peer."""
    model = bench.depth_anything()
    pipeline = Pipeline(model, DepthConfig(edge_ratio=0.1))
    for width, height in PICTURES if bench.real else PICTURES[:1]:
        size, rgb, camera = f"{width}x{height}", picture(width, height), camera_of(width, height)
        with torch.inference_mode():
            inputs = model.preprocess(torch.from_numpy(rgb)[None].to(bench.device), [camera])
            network = bench.ms(partial(model.run, *inputs))
        yield figure(network, "ms", f"network alone, {size}")
        whole = {}
        for name, topics in (*TOPICS.items(), ("all topics", ALL_TOPICS)):
            config = DepthConfig(edge_ratio=0.1, cloud_normals=name == "all topics")
            ours = Pipeline(model, config)
            whole[name] = bench.ms(partial(published, ours, rgb, camera, topics))
            asked = " (asked: + 2 ms)" if (name, width) == ("cloud", 640) else ""
            words = f"network + {whole[name] - network:.2f} ms{asked}"
            yield figure(whole[name], "ms", f"image to {name} published, {size}", words)
        peer = bench.ms(_peer(bench, rgb, camera), 7)
        words = f"{peer / whole['cloud']:.1f} times ours with depth and cloud"
        yield figure(peer, "ms", f"the peers' way, {size}", words)
        with torch.inference_mode():
            frame = pipeline.estimate(rgb, camera)
            bench.wait()
            copies = bench.ms(partial(_messages, frame, TOPICS["cloud"])) - bench.ms(partial(_made, frame))
        asked = " (asked: 2 ms)" if width == 1920 else ""
        yield figure(copies, "ms", f"copies to the host and into messages, depth and cloud, {size}{asked}")


def stages(bench: Bench) -> Iterator[Row]:
    """Single steps at 1080p."""
    width, height = (1920, 1080) if bench.real else (640, 480)
    camera, rgb = camera_of(width, height), torch.from_numpy(picture(width, height)).to(bench.device)
    f = camera.fx
    lens = Camera(width, height, f, f, width / 2, height / 2, "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))
    turn = [0]

    def new_rays() -> Any:
        turn[0] += 1
        other = Camera(width, height, f + turn[0], f, width / 2, height / 2, "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))
        return rays(other, bench.device)

    model = bench.depth_anything()
    pipeline = Pipeline(model, DepthConfig(edge_ratio=0.1))
    with torch.inference_mode():
        frame = pipeline.estimate(rgb, camera)
        inputs = model.preprocess(rgb[None], [camera])
        outputs = model.run(*inputs)
        pixels = np.random.default_rng(0).choice(width * height, 3000, replace=False)
        metres = frame.depth.reshape(-1)[torch.from_numpy(pixels).to(bench.device)].cpu().numpy()
        wave = (metres * (1 + 0.1 * np.sin(pixels % width / 60))).astype(np.float32)
        known = np.isfinite(wave)
        samples = Samples(pixels // width, pixels % width, wave, (height, width)).select(known)
        steps: dict[str, Callable[[], Any]] = {
            "preprocess": lambda: model.preprocess(rgb[None], [camera]),
            "postprocess": lambda: model.postprocess(outputs, [camera]),
            "rectify": lambda: rectify(rgb, lens, camera),
            "rays of a distorted camera that has just changed": new_rays,
            "normals": lambda: _again(frame).normals,
            "packed cloud": lambda: _again(frame).packed_cloud(),
            "colour view": lambda: _again(frame).picture(),
            "local correction, 3000 samples": lambda: local_correction(frame.depth, samples),
        }
        for name, work in steps.items():
            yield figure(bench.ms(work, 7), "ms", f"{name}, {width}x{height}")


def cameras(bench: Bench) -> Iterator[Row]:
    """One to six cameras of 640x480 in one turn, depth of each on the host."""
    pipeline = Pipeline(bench.depth_anything())
    for count in range(1, 7) if bench.real else (1, 3):
        shots = [Shot(picture(640, 480, seed), camera_of(640, 480)) for seed in range(count)]
        took = bench.ms(partial(_depths, pipeline, shots))
        yield figure(took, "ms", f"{count} cameras, a turn", f"{1e3 * count / took:.0f} pictures/s")


def bags(bench: Bench) -> Iterator[Row]:
    """`mono_depth bag` with depth and cloud, beside the network alone over the same batches."""
    model, count = bench.depth_anything(), 96 if bench.real else 4
    size = 8 if bench.real else 1
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in", Path(folder) / "out.mcap"
        images = write_bag(source, count, (640, 480))
        rgb = torch.from_numpy(np.stack(images[:size])).to(bench.device)
        alone = bench.ms(lambda: model.predict(rgb, [camera_of(640, 480)] * size), 5) * count / size
        start = time.perf_counter()
        convert(Job(source, out, BagConfig(outputs="depth,points")), model)
        took = (time.perf_counter() - start) * 1e3
    words = f"{took:.0f} ms, network alone {alone:.0f} ms"
    yield figure(1e3 * count / took, "pictures/s", "recording 640x480 to depth and cloud", words)


@torch.inference_mode()
def published(pipeline: Pipeline, rgb: np.ndarray, camera: Camera, topics: tuple[str, ...]) -> list[Any]:
    """What the depth node does with an image: the messages, filled."""
    return _messages(pipeline.estimate(rgb, camera), topics)


def _depths(pipeline: Pipeline, shots: list[Shot]) -> list[torch.Tensor]:
    """Depth of each, on the host."""
    found = pipeline.estimate_batch(shots)
    return [frame.depth.cpu() for frame in found if isinstance(frame, Frame)]


def _messages(frame: Frame, topics: tuple[str, ...]) -> list[Any]:
    frame = _again(frame)
    result, messages = Result(frame, _HEADER, None, "32FC1", POINT_FIELD), []
    wanted = [output for output in OUTPUTS if output.topic in topics]
    contents = Contents((result, output) for output in wanted)
    for output in wanted:
        messages.append(empty(output.kind, _HEADER))
        contents.fill(messages[-1], output, result)
    return messages


def _made(frame: Frame) -> Any:
    frame = _again(frame)
    return frame.depth, frame.packed_cloud()


def _again(frame: Frame) -> Frame:
    """Without what was derived already."""
    return Frame(frame.rgb, frame.camera, frame.prediction, frame.config)


def _bare(bench: Bench, size: str, inputs: tuple[torch.Tensor, ...]) -> Callable[[], Any]:
    """The network without us: half precision on the GPU, recorded once by hand, its input there already."""
    dtype = torch.float16 if bench.cuda else torch.float32
    network = bench.module(size).to(device=bench.device, dtype=dtype)
    given = tuple(value.to(dtype).clone() for value in inputs)
    if not bench.cuda:
        return lambda: network(*given)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = torch.cuda.Stream(bench.device)
    side.wait_stream(torch.cuda.current_stream(bench.device))
    with torch.cuda.stream(side):
        for _ in range(3):
            network(*given)
    torch.cuda.current_stream(bench.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(bench.device), torch.cuda.graph(graph, stream=side):
        left = network(*given)
    kept = network, given, left  # which the recording reads and writes

    def replay() -> Any:
        graph.replay()
        return kept

    return replay


def _peer(bench: Bench, rgb: np.ndarray, camera: Camera) -> Callable[[], Any]:
    """As the usual node does it: OpenCV and NumPy on the host, float32, plain calls, a cloud by NumPy."""
    network = depth_anything_network(SIZES["small"] if bench.real else NARROW).to(bench.device)
    height, width = rgb.shape[:2]
    scale = 518 / min(width, height)
    size = round(width * scale / 14) * 14, round(height * scale / 14) * 14
    mean, deviation = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    @torch.inference_mode()
    def run() -> Any:
        image = cv2.resize(rgb.astype(np.float32) / 255, size, interpolation=cv2.INTER_CUBIC)
        image = ((image - mean) / deviation).transpose(2, 0, 1)[None].astype(np.float32)
        depth = network(torch.from_numpy(image).to(bench.device))
        depth = nn.functional.interpolate(depth.reshape(1, 1, *depth.shape[-2:]), (height, width), mode="bilinear")
        metres = depth[0, 0].cpu().numpy()
        u, v = np.meshgrid(np.arange(width), np.arange(height))
        points = np.stack([(u - camera.cx) * metres / camera.fx, (v - camera.cy) * metres / camera.fy, metres], -1)
        return metres.tobytes(), points.astype(np.float32).tobytes()

    return run
