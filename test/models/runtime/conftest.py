# SPDX-License-Identifier: Apache-2.0
"""A narrow Depth Anything network with everything of the small one, and a cache of our own."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.runtime import graph
from mono_depth_ros.models.runtime.engine import Engine, Inputs, Network
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.models.runtime.onnxruntime_providers import tensorrt_version

NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32)
CPU = torch.device("cpu")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder of this session's tests: empty at first, so that the narrow network is exported once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MONO_DEPTH_CACHE", str(folder))
        yield folder


def narrow_module(seed: int = 0, max_depth_m: float | None = 20.0) -> DepthAnythingNetwork:
    """Seeded weights whose depth is around the middle of the range and far from flat."""
    torch.manual_seed(seed)
    module = DepthAnythingNetwork(NARROW, max_depth_m)
    with torch.no_grad():
        module.pretrained.pos_embed.normal_(std=0.5)
        module.pretrained.cls_token.normal_(std=0.5)
        module.depth_head.scratch.output_conv2[2].weight.mul_(8)
    return module.optimise()


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """`make_network(seed=0, max_depth_m=20)` -> a fresh narrow network."""

    def make(seed: int = 0, max_depth_m: float | None = 20.0) -> Network:
        shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"},)
        return Network("narrow", narrow_module(seed, max_depth_m), ("image",), ("depth",), shapes)

    return make


@pytest.fixture
def network(make_network: Callable[..., Network]) -> Network:
    return make_network()


@pytest.fixture(scope="session")
def examples() -> tuple[Inputs, ...]:
    """Two inputs of different sizes, none of them the trained one."""
    generator = torch.Generator().manual_seed(0)
    return tuple((torch.randn(1, 3, *size, generator=generator),) for size in ((112, 154), (140, 140)))


class AddOne(torch.nn.Module):
    """The smallest network there is: it exports in a second."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1), requires_grad=False)
        self.bias = 1.0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.gain + self.bias


@pytest.fixture
def add_one() -> Callable[[], Network]:
    """`add_one()` -> a fresh network that adds one."""
    return lambda: Network("add_one", AddOne().eval(), ("image",), ("depth",), ({0: "batch", 2: "rows", 3: "columns"},))


@pytest.fixture
def quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of networks that multiply by their `gain` are written here, since torch's exporter takes a second."""
    onnx = pytest.importorskip("onnx")

    def write(network: Network, _examples: object, path: Path) -> None:
        gain = float(network.module.gain)
        kind, number = ("float16", 10) if network.module.gain.dtype == torch.float16 else ("float", 1)
        image, head = f"{kind}[batch, C, rows, columns]", '<ir_version: 8, opset_import: ["" : 18]> gain'
        head += f" ({image} image) => ({image} depth)"
        body = f"{{ c = Constant<value_float={gain}>() gain = Cast<to={number}>(c) depth = Mul(image, gain) }}"
        onnx.save(onnx.parser.parse_model(head + body), str(path))

    monkeypatch.setattr(graph, "write_graph", write)


class Stub:
    """An engine that is a function."""

    def __init__(self, function: Callable[..., Inputs], name: str = "openvino", precision: str = "fp32") -> None:
        self.name, self.precision, self.function = name, precision, function

    def __call__(self, *inputs: torch.Tensor) -> Inputs:
        return self.function(*inputs)


@pytest.fixture
def stub() -> Callable[..., Engine]:
    """`stub(function, name, precision)` -> an `Engine`."""
    return Stub


CPU_, CUDA_, TENSORRT_ = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
OPTIONS = {
    CUDA_: "device_id user_compute_stream use_tf32 cudnn_conv_algo_search arena_extend_strategy gpu_mem_limit",
    TENSORRT_: "device_id user_compute_stream trt_fp16_enable trt_engine_cache_enable trt_engine_cache_path "
    "trt_timing_cache_enable trt_timing_cache_path trt_profile_min_shapes trt_profile_opt_shapes "
    "trt_profile_max_shapes trt_dump_ep_context_model trt_ep_context_file_path",
}


class FakeRuntime:
    """The module onnxruntime with CUDA and TensorRT, as versions 1.18 to 1.23 treat options, errors and engines.

    The CPU computes.

    Attributes:
        fails: what a provider says instead of coming up; "" comes up without it and says nothing, as CUDA does.
        heeds: whether `enable_fallback` has an effect.
        chains: the providers of every session that was asked for. built: the engines that TensorRT had to build.
        sides: the sizes of named axes that the latest session was asked with.
    """

    def __init__(
        self, real: Any, version: str = "1.23.0", providers: tuple[str, ...] = (TENSORRT_, CUDA_, CPU_)
    ) -> None:
        self.__version__, self.__file__ = version, real.__file__
        self.fails: dict[str, str] = {}
        self.heeds = True
        self.chains: list[list[Any]] = []
        self.built: list[str] = []
        self.sides: dict[str, int] = {}
        self.get_available_providers = lambda: list(providers)
        self.RunOptions = real.RunOptions
        self._real = real

    def SessionOptions(self) -> Any:
        fake, options = self, self._real.SessionOptions()
        self.sides = {}

        class Options:
            def __setattr__(self, name: str, value: Any) -> None:
                setattr(options, name, value)

            def __getattr__(self, name: str) -> Any:
                return getattr(options, name)

            def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
                fake.sides[name] = size
                options.add_free_dimension_override_by_name(name, size)

        self._options = options
        return Options()

    def InferenceSession(self, path: str, options: Any, providers: list[Any], **kwargs: Any) -> Any:
        self.chains.append(providers)
        chain = [item if isinstance(item, tuple) else (item, {}) for item in providers]
        try:
            up = [name for name, values in chain if self._comes_up(name, values, path)]
        except RuntimeError as error:
            if self.heeds and not int(kwargs.get("enable_fallback", 1)):
                raise
            print(f"*************** EP Error ***************\nEP Error {error} when using {providers}\nFalling back")
            up = [CUDA_]
        session = self._real.InferenceSession(path, self._options, providers=[CPU_])
        return SimpleNamespace(
            get_providers=lambda: list(dict.fromkeys([*up, CPU_])),
            get_inputs=session.get_inputs,
            get_outputs=session.get_outputs,
            run=session.run,
            real=session,
        )

    def _comes_up(self, name: str, values: dict[str, Any], path: str) -> bool:
        if name in self.fails:
            if self.fails[name]:
                raise RuntimeError(self.fails[name])
            return False
        known = OPTIONS.get(name, "").split()
        if name == TENSORRT_ and tuple(map(int, self.__version__.split(".")[:2])) >= (1, 23):
            known.append("trt_bf16_enable")
        for option in values:
            if option not in known:
                raise RuntimeError(f"Invalid TensorRT EP option: {option}")
        if name == TENSORRT_ and values.get("trt_engine_cache_enable"):
            self._engine(Path(values["trt_engine_cache_path"]), path)
        return True

    def _engine(self, folder: Path, path: str) -> None:
        """Named by the graph's file name, its weights apart, as ONNX Runtime does."""
        name = hashlib.sha256(Path(path).name.encode()).hexdigest()[:8]
        engine = folder / f"TensorrtExecutionProvider_TRTKernel_graph_{name}_0_0_sm87.engine"
        if not engine.exists():
            self.built.append(str(engine))
            engine.parent.mkdir(parents=True, exist_ok=True)
            engine.write_bytes(b"engine")


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeRuntime]]:
    """`fake_runtime(version="1.23.0", providers=..., tensorrt="10.3.0")` -> it, and a fake GPU, an Orin."""
    real = pytest.importorskip("onnxruntime")

    def install(tensorrt: str = "10.3.0", **settings: Any) -> FakeRuntime:
        runtime = FakeRuntime(real, **settings)
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__=tensorrt) if tensorrt else None)
        monkeypatch.setattr(torch.cuda, "Stream", lambda _: SimpleNamespace(cuda_stream=1234))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Orin")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 7))
        monkeypatch.setattr(OnnxRuntimeEngine, "_run_bound", OnnxRuntimeEngine._run)
        tensorrt_version.cache_clear()
        return runtime

    yield install
    tensorrt_version.cache_clear()
