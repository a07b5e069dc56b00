# SPDX-License-Identifier: Apache-2.0
"""Any depth network in an ONNX file: the contract file beside it is its declaration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec, check_batch
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel, check_frames
from mono_depth_ros.models.families.onnx_graph import Graph, check_fit, read_graph, takes_batches
from mono_depth_ros.models.preprocess import camera_input, layout
from mono_depth_ros.models.processing import DOCUMENTATION, Processing, contract_path
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Inputs
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.transfer import upload


def load(source: Path, options: EngineOptions, _expected: CatalogueEntry | None = None) -> OnnxModel:
    """The model in an .onnx file with its contract beside it: see `loading.Loader`."""
    if options.engine in ("torch", "torch_compile"):
        raise ModelError(
            f"engine is '{options.engine}', which cannot run an ONNX file like {source.name}: "
            "expected auto, onnxruntime, openvino or tensorrt"
        )
    processing = read_contract(source)
    graph = read_graph(source)
    check_fit(graph, processing)
    return OnnxModel(graph, processing, options)


def read_contract(source: Path) -> Processing:
    """The contract beside an ONNX file.

    Raises:
        ModelError: there is none; or as `Processing.read`.
    """
    path = contract_path(source)
    if not path.is_file():
        raise ModelError(
            f"{source} needs a contract file beside it, {path}, that says what the network reads and gives: "
            f"{DOCUMENTATION} describes it and has those of well-known models"
        )
    return Processing.read(path)


def spec_of(processing: Processing, name: str) -> ModelSpec:
    """What a contract says of its model."""
    outputs = processing.outputs
    farthest = outputs.range_m[1] if outputs.range_m else math.inf
    return ModelSpec(
        name,
        processing.family,
        processing.depth_kind,
        processing.licence,
        farthest if math.isfinite(farthest) else None,
        processing.needs_camera,
        confidence=bool(outputs.confidence),
        normals=bool(outputs.normals),
    )


class OnnxModel(DeclaredModel):
    """`DepthModel` of a graph and its contract. A graph for one image gets them one after another."""

    def __init__(self, graph: Graph, processing: Processing, options: EngineOptions) -> None:
        """Load the graph into an engine, run it on two fixed images and look at what it gives.

        Raises:
            ModelError: the engine cannot load or run it, or its outputs are not what the contract says.
        """
        self._ranks = {port.name: None if port.shape is None else len(port.shape) for port in graph.inputs}
        self._batches = takes_batches(graph, processing)
        self._seen: tuple[list[Camera], Tensor] = [], torch.empty(0)  # the newest cameras, and their input
        outputs = tuple(processing.outputs.wanted.values())
        beside = (contract_path(graph.path), *graph.beside)
        ports = {port.name: port for port in graph.inputs}
        file = GraphFile(
            graph.path.name,
            graph.path,
            processing.input_names,
            outputs,
            self._positive,
            beside,
            tuple(ports[name].open_axes() for name in processing.input_names),
            graph.precision,
        )
        super().__init__(spec_of(processing, str(graph.path)), file, processing, options)
        self._check_outputs()

    def predict(self, rgb: Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """See `DepthModel.predict`.

        Raises:
            ImageError: reason `image_shape`, see `layout`.
            ModelError: see `postprocess`.
        """
        if self._batches or len(rgb) == 1:
            return super().predict(rgb, cameras)
        check_batch(rgb, cameras)
        return [super(OnnxModel, self).predict(rgb[i : i + 1], cameras[i : i + 1])[0] for i in range(len(rgb))]

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The tensors of `processing.input_names`."""
        processing = self.processing
        inputs = super().preprocess(rgb, cameras)
        if processing.intrinsics is not None:
            place = layout(rgb.shape[2], rgb.shape[1], processing.input)
            rank = self._ranks[processing.intrinsics.name]
            rank = {"focal_px": 1, "matrix": 3}[processing.intrinsics.form] if rank is None else rank
            seen = [place.camera(camera) for camera in cameras]
            if seen != self._seen[0]:  # mostly those of the image before, which are on the device already
                self._seen = seen, upload(camera_input(seen, rank, processing.intrinsics, processing), self.device)
            inputs += (self._seen[1],)
        for name, value in processing.constants.items():
            inputs += (torch.full((1,) * (self._ranks[name] or 0), value, device=self.device),)
        return inputs

    def _positive(self, outputs: Inputs) -> Tensor:
        """What engines are compared by. Affine outputs may be negative: what counts here is their size."""
        values = outputs[0]
        if self.processing.outputs.points:
            values = values[..., 2] if values.shape[-1] == 3 else values.movedim(-3, 0)[2]
        return values.abs()

    def _check_outputs(self) -> None:
        """Raise ModelError where an output is not of the shape, or out of the range, that the contract promises."""
        for rgb, cameras in check_frames():
            confidence = self.predict(rgb, cameras)[0].confidence
            if confidence is None:
                continue
            low, high = float(confidence.nan_to_num(0.5).min()), float(confidence.nan_to_num(0.5).max())
            if not 0 <= low <= high <= 1:
                name = self.processing.outputs.confidence
                raise ModelError(
                    f"{self.spec.name} gives {name} from {low:.3g} to {high:.3g} on a test image, "
                    "expected a confidence from 0 to 1: set 'confidence_clamp' or name it in 'ignored' instead"
                )
