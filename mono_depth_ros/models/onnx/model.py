# SPDX-License-Identifier: Apache-2.0
"""Any depth network in an ONNX file behind the model contract, as the contract file beside it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import check_batch
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.onnx.contract import OnnxContract, contract_of
from mono_depth_ros.models.onnx.fit import check_fit, takes_batches
from mono_depth_ros.models.onnx.graph import Graph, read_graph
from mono_depth_ros.models.onnx.layout import Layout, layout
from mono_depth_ros.models.onnx.postprocess import postprocess
from mono_depth_ros.models.onnx.preprocess import camera_input, image_input
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Inputs
from mono_depth_ros.models.runtime.engine_model import check_frames
from mono_depth_ros.prediction import DepthPrediction


def load(source: Path, options: EngineOptions, _expected: CatalogueEntry | None = None) -> OnnxModel:
    """The model in an .onnx file with its contract beside it: see `Loader`."""
    if options.engine in ("torch", "torch_compile"):
        raise ModelError(
            f"engine is '{options.engine}', which cannot run an ONNX file like {source.name}: "
            "expected auto, onnxruntime, openvino or tensorrt"
        )
    contract = contract_of(source)
    graph = read_graph(source)
    check_fit(graph, contract)
    return OnnxModel(graph, contract, options)


class OnnxModel:
    """`DepthModel` of a graph and its contract."""

    def __init__(self, graph: Graph, contract: OnnxContract, options: EngineOptions) -> None:
        """Load the graph into an engine, run it on two fixed images and look at what it gives.

        Raises:
            ModelError: the engine cannot load or run it, or its outputs are not what the contract says.
        """
        self.contract, self.device = contract, options.device
        self.spec = contract.spec(str(graph.path))
        self._ranks = {port.name: None if port.shape is None else len(port.shape) for port in graph.inputs}
        self._batches = takes_batches(graph, contract)
        file = GraphFile(
            name=graph.path.name,
            path=graph.path,
            inputs=contract.input_names,
            outputs=tuple(contract.outputs.wanted.values()),
            depth=self._depth,
        )
        self.run = make_engine(file, tuple(self._inputs(*frame)[0] for frame in self._check_frames()), options)
        self.engine = f"{self.run.name} {self.run.precision}"
        for rgb, cameras in self._check_frames():
            self._check(self.predict(rgb, cameras)[0])

    @torch.inference_mode()
    def predict(self, rgb: Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """See `DepthModel.predict`. A graph for one image gets them one after another.

        Raises:
            ImageError: reason `image_shape`, see `layout`.
            ModelError: see `postprocess`.
        """
        check_batch(rgb, cameras)
        if self._batches or len(rgb) == 1:
            return self._predict(rgb, cameras)
        return [self._predict(rgb[i : i + 1], cameras[i : i + 1])[0] for i in range(len(rgb))]

    def _predict(self, rgb: Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        inputs, place = self._inputs(rgb.to(self.device), cameras)
        outputs = dict(zip(self.contract.outputs.wanted, self.run(*inputs), strict=True))
        if len(rgb) > 1:
            for key, value in outputs.items():
                if value.ndim == 0 or len(value) != len(rgb):
                    found = f"{self.contract.outputs.wanted[key]} of shape {tuple(value.shape)}"
                    raise ModelError(f"the graph gives {found} for {len(rgb)} images, expected a batch of as many")
            return [
                postprocess({key: value[i] for key, value in outputs.items()}, self.contract, camera, place)
                for i, camera in enumerate(cameras)
            ]
        return [postprocess(outputs, self.contract, cameras[0], place)]

    def _inputs(self, rgb: Tensor, cameras: Sequence[Camera]) -> tuple[Inputs, Layout]:
        """The tensors of `contract.input_names`, and where the images lie."""
        contract = self.contract
        place = layout(rgb.shape[2], rgb.shape[1], contract.input)
        inputs = [image_input(rgb, contract.input, place)]
        if contract.intrinsics is not None:
            rank = self._ranks[contract.intrinsics.name]
            rank = {"focal_px": 1, "matrix": 3}[contract.intrinsics.form] if rank is None else rank
            seen = [place.camera(camera) for camera in cameras]
            inputs.append(camera_input(seen, rank, contract.intrinsics, contract).to(self.device))
        for name, value in contract.constants.items():
            inputs.append(torch.full((1,) * (self._ranks[name] or 0), value, device=self.device))
        return tuple(inputs), place

    def _check_frames(self) -> list[tuple[Tensor, tuple[Camera, ...]]]:
        return [(rgb.to(self.device), cameras) for rgb, cameras in check_frames()]

    def _depth(self, outputs: Inputs) -> Tensor:
        """What engines are compared by. Affine outputs may be negative: what counts here is their size."""
        values = outputs[0]
        if self.contract.outputs.points:
            values = values[..., 2] if values.shape[-1] == 3 else values.movedim(-3, 0)[2]
        return values.abs()

    def _check(self, prediction: DepthPrediction) -> None:
        """Raise ModelError where an output is out of the range that the contract promises."""
        confidence = prediction.confidence
        if confidence is not None:
            low, high = float(confidence.nan_to_num(0.5).min()), float(confidence.nan_to_num(0.5).max())
            if not 0 <= low <= high <= 1:
                name = self.contract.outputs.confidence
                raise ModelError(
                    f"{self.spec.name} gives {name} from {low:.3g} to {high:.3g} on a test image, "
                    "expected a confidence from 0 to 1: name it in 'ignored' instead"
                )
