# SPDX-License-Identifier: Apache-2.0
"""Any depth network in an ONNX file: the contract file beside it is its declaration."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec, check_batch
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import DeclaredModel, check_frames
from mono_depth_ros.models.families.onnx_graph import Graph, check_fit, read_graph, takes_batches
from mono_depth_ros.models.preprocess import CAMERA_RANKS, camera_input, image_input, layout
from mono_depth_ros.models.processing import DOCUMENTATION, Processing, SizeRule, contract_path
from mono_depth_ros.models.prompts import example_prompt
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Inputs
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.prediction import DepthPrediction, Prompt
from mono_depth_ros.transfer import upload

LOGGER = logging.getLogger(__name__)

_OVERSHOOT = 0.05
"""Of a confidence beyond 0 and 1 that is clipped with a word: more is no confidence."""
_BATCH_TOLERANCE = 1e-2
_EXPORTED = ((518, 518), (504, 504), (512, 512), (384, 384), (256, 256), (224, 224), (686, 518), (644, 490), (518, 392))
"""Sizes at which people export, for graphs that run at one only."""


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
        confidence=bool(outputs.confidence) or (processing.prompt is not None and processing.prompt.range == "own"),
        normals=bool(outputs.normals),
        needs_prompt=processing.prompt is not None,
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
        if processing.prompt is not None:
            self.prompt_rank = self._ranks[processing.prompt.name] or 4
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
        try:
            super().__init__(spec_of(processing, str(graph.path)), file, processing, options)
        except ModelError as error:
            raise _only_size(graph, file, processing) or error from error
        self._check_outputs()

    def predict(self, rgb: Tensor, cameras: Sequence[Camera], prompts: Sequence[Prompt] = ()) -> list[DepthPrediction]:
        """See `DepthModel.predict`.

        Raises:
            ImageError: reason `image_shape`, see `layout`.
            ModelError: see `postprocess`.
        """
        if self._batches or len(rgb) == 1:
            return super().predict(rgb, cameras, prompts)
        check_batch(rgb, cameras, prompts, self.spec)
        each = (slice(i, i + 1) for i in range(len(rgb)))
        return [super(OnnxModel, self).predict(rgb[one], cameras[one], prompts[one])[0] for one in each]

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The tensors of `processing.input_names`."""
        processing = self.processing
        inputs = super().preprocess(rgb, cameras)
        if processing.intrinsics is not None:
            place = layout(rgb.shape[2], rgb.shape[1], processing.input)
            rank = self._ranks[processing.intrinsics.name]
            rank = CAMERA_RANKS[processing.intrinsics.form] + 1 if rank is None else rank
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

    @torch.inference_mode()
    def _check_outputs(self) -> None:
        """Look at what two fixed images become.

        Raises:
            ModelError: an output is not of the shape, or far out of the range, that the contract promises.
        """
        found = []
        for rgb, cameras in check_frames():
            size = (rgb.shape[2], rgb.shape[1])
            outputs = self.run(*self.preprocess(rgb.to(self.device), cameras), *self.example_prompt(*size))
            found.append(self.postprocess(outputs, cameras)[0])
            self._check_confidence(outputs)
            raw = outputs[0]
        if not any(bool((prediction.values.isfinite() & self._is_depth(prediction)).any()) for prediction in found):
            low, high = float(raw.min()), float(raw.max())
            LOGGER.warning(
                "%s gives no depth at all on two test images: every pixel is unknown or beyond range, as its output is "
                "from %.3g to %.3g. Does its contract say the right kind, factor and range_m?",
                self.spec.name,
                low,
                high,
            )
        if self._batches and not self._batch_is_right(found[0].values):
            self._batches = False
            LOGGER.warning(
                "%s declares its batch open but gives other results for two images at once: it was traced with one, "
                "so images go through it one after another",
                self.spec.name,
            )

    def _is_depth(self, prediction: DepthPrediction) -> Tensor:
        positive = prediction.kind.proportional
        return prediction.values > 0 if positive else torch.ones_like(prediction.values, dtype=torch.bool)

    def _check_confidence(self, outputs: Inputs) -> None:
        wanted = self.processing.outputs
        if not wanted.confidence or wanted.confidence_clamp or wanted.confidence_form != "share":
            return
        values = outputs[self._keys.index("confidence")].nan_to_num(0.5)
        low, high = float(values.min()), float(values.max())
        if 0 <= low <= high <= 1:
            return
        what = f"{self.spec.name} gives {wanted.confidence} from {low:.3g} to {high:.3g} on a test image"
        if -_OVERSHOOT <= low <= high <= 1 + _OVERSHOOT:
            LOGGER.warning("%s: clipped to 0 to 1 (larger is worse? say confidence_form: error)", what)
            return
        raise ModelError(
            f"{what}, expected a confidence from 0 to 1: set 'confidence_clamp', or where larger is worse "
            "'confidence_form: error' (higher is better, from 1 up: 'odds'), or name it in 'ignored' instead"
        )

    def _batch_is_right(self, alone: Tensor) -> bool:
        """Whether the first of two images at once becomes what it becomes alone: `alone`."""
        rgb, cameras = check_frames()[0]
        try:
            prompts = [example_prompt(rgb.shape[2], rgb.shape[1])] * 2 if self.spec.needs_prompt else ()
            beside = super().predict(torch.cat([rgb, 255 - rgb]), cameras * 2, prompts)[0].values
        except ModelError:
            return False
        return torch.allclose(beside, alone, rtol=_BATCH_TOLERANCE, atol=0.0, equal_nan=True)


def _only_size(graph: Graph, file: GraphFile, processing: Processing) -> ModelError | None:
    """What to say where the graph declares sizes open but was traced at one of them; None where that is not it."""
    rule = processing.input.size
    if rule.fixed or rule.fit or processing.intrinsics or processing.prompt or processing.constants:
        return None
    try:
        engine = OnnxRuntimeEngine(file, torch.device("cpu"), "fp32")
    except ModelError:
        return None
    refused, runs = [], []
    tried = {(size.canvas) for size in (layout(*frame[0].shape[2:0:-1], processing.input) for frame in check_frames())}
    for size in [*sorted(tried), *(size for size in _EXPORTED if size not in tried)]:
        at_size = replace(processing.input, size=SizeRule(fixed=size))
        place = layout(*check_frames()[0][0].shape[2:0:-1], at_size)
        try:
            engine(image_input(check_frames()[0][0], at_size, place))
            runs.append(size)
        except ModelError:
            refused.append(size)
        if runs and refused:
            break
    if not (runs and refused and set(refused) & tried):
        return None
    width, height = runs[0]
    port = next(port for port in graph.inputs if port.name == processing.input.name)
    return ModelError(
        f"{graph.path} declares height and width of its input {port} open, but it runs at {width}x{height} and not at "
        f"{refused[0][0]}x{refused[0][1]}: it was traced at one size. Say so in its contract file, "
        f"size: {{fixed: [{width}, {height}]}}, or export it with dynamic axes"
    )
