# SPDX-License-Identifier: Apache-2.0
"""The shape that the models share: preprocess, run the network in an engine, postprocess, on the device.

Most families are their network and its declaration: `DeclaredModel`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import DepthModel, ModelSpec, check_batch
from mono_depth_ros.models.postprocess import postprocess
from mono_depth_ros.models.preprocess import image_input, layout
from mono_depth_ros.models.processing import Processing
from mono_depth_ros.models.prompts import PromptTensor, example_prompt, prompt_tensor
from mono_depth_ros.models.resample import Size
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.prediction import DepthPrediction, Prompt

CHECK_SIZES = ((640, 480), (518, 518))


class EngineModel(ABC):
    """`DepthModel` around a network; a family gives `preprocess` and `postprocess`.

    Attributes:
        network: what was given; its module may have been let go.
        run: the network in its engine, from what `preprocess` gives to what `postprocess` takes.
    """

    def __init__(self, spec: ModelSpec, network: Network | GraphFile, options: EngineOptions) -> None:
        """Load the network into an engine and check it. What the two methods need must be set before.

        Raises:
            ModelError: see `make_engine`.
        """
        self.spec, self.device, self.network = spec, options.device, network
        self.run = make_engine(network, self.examples, options)

    @property
    def engine(self) -> str:
        """What runs the network, such as "openvino bf16"."""
        return f"{self.run.name} {self.run.precision}"

    @torch.inference_mode()
    def examples(self) -> Iterator[Inputs]:
        """The network's inputs for the fixed images that engines are checked with, each made when it is taken.

        On CUDA two of each size: an engine that launches what it recorded could give the first one's depth for ever.
        """
        for size in CHECK_SIZES:
            rgb, cameras = check_frame(*size)
            for image in (rgb, 255 - rgb.flip(2)) if self.device.type == "cuda" else (rgb,):
                yield (*self.preprocess(image.to(self.device), cameras), *self.example_prompt(*size))

    def example_prompt(self, width: int, height: int) -> Inputs:
        """The further inputs of an example, where the network takes a prompt."""
        return ()

    @torch.inference_mode()
    def predict(self, rgb: Tensor, cameras: Sequence[Camera], prompts: Sequence[Prompt] = ()) -> list[DepthPrediction]:
        """Depth or inverse depth of (N, H, W, 3) uint8 images: see `DepthModel.predict`."""
        check_batch(rgb, cameras, prompts, self.spec)
        inputs = self.preprocess(rgb.to(self.device), cameras)
        return self.postprocess(self.run(*inputs), cameras)

    def prepare(self, width: int, height: int, count: int = 1) -> None:
        """Make what is made once for images of this size, up to `count` at a time, so that none waits for it.

        On CUDA these are recordings and engines of TensorRT; on a CPU a first image takes hardly longer than others.

        Raises:
            ModelError, ImageError, CameraError: as an image of this size would.
        """
        if self.device.type != "cuda":
            return
        rgb, cameras, *prompts = example_of(self, width, height)
        for size in sorted(
            {count, *(size for size in (4, 2, 1) if size < count)}, reverse=True
        ):  # the largest serves all
            self.predict(rgb.expand(size, -1, -1, -1), cameras * size, *(prompt * size for prompt in prompts))

    def scaled(self, factor: float) -> EngineModel:
        """This model, network and engine shared, that reads images at a fraction of the size.

        Raises:
            ModelError: it cannot; why not.
        """
        raise ModelError("it reads every image at a size of its own")

    @property
    def scale_depends_on_size(self) -> bool:
        """As of `Processing`."""
        return False

    def reads(self, width: int, height: int) -> Size:
        """(width, height) at which the network of a model that can be scaled reads an image of this size.

        Raises:
            ImageError, ModelError: it cannot read such an image, or cannot be scaled.
        """
        raise ModelError("it reads every image at a size of its own")

    @abstractmethod
    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The network's inputs, float32 on the device, of (N, H, W, 3) uint8 images on the device."""

    @abstractmethod
    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """One prediction at the size of its camera for each image, from the network's float32 outputs."""


class DeclaredModel(EngineModel):
    """`DepthModel` whose images, prompts and outputs go through its `Processing`."""

    prompt_rank = 4  # axes of the prompt's input

    def __init__(
        self, spec: ModelSpec, network: Network | GraphFile, processing: Processing, options: EngineOptions
    ) -> None:
        """`network` has the inputs and outputs that `processing` names.

        Raises:
            ModelError: see `make_engine`.
        """
        self.processing = processing
        keys = {name: key for key, name in processing.outputs.wanted.items()}
        self._keys = [keys.get(name) for name in network.outputs]
        super().__init__(spec, network, options)

    @torch.inference_mode()
    def predict(self, rgb: Tensor, cameras: Sequence[Camera], prompts: Sequence[Prompt] = ()) -> list[DepthPrediction]:
        """See `DepthModel.predict`.

        Raises:
            SamplesError: reason `prompt`, see `prompt_tensor`.
        """
        if not self.spec.needs_prompt:
            return super().predict(rgb, cameras, prompts)
        check_batch(rgb, cameras, prompts, self.spec)
        given = self._prompt(prompts, (rgb.shape[1], rgb.shape[2]))
        outputs = self.run(*self.preprocess(rgb.to(self.device), cameras), given.values)
        named = zip(self._keys, outputs, strict=True)
        outputs = tuple(given.metres(value) if key == "depth" else value for key, value in named)
        found = self.postprocess(outputs, cameras)
        return [given.marked(prediction, index) for index, prediction in enumerate(found)]

    def example_prompt(self, width: int, height: int) -> Inputs:
        """See `EngineModel.example_prompt`."""
        if not self.spec.needs_prompt:
            return ()
        return (self._prompt([example_prompt(width, height)], (height, width)).values,)

    def _prompt(self, prompts: Sequence[Prompt], size: tuple[int, int]) -> PromptTensor:
        """Of images of a size (height, width)."""
        assert self.processing.prompt is not None
        return prompt_tensor(prompts, size, self.processing.prompt, self.prompt_rank, self.device)

    @property
    def scale_depends_on_size(self) -> bool:
        """As of its `Processing`."""
        return self.processing.scale_depends_on_size

    def scaled(self, factor: float) -> DeclaredModel:
        """See `EngineModel.scaled`."""
        image = self.processing.input
        rule = image.size.scaled(factor)
        axes = self.network.axes if isinstance(self.network, GraphFile) else self.network.shapes
        sides = {image.layout.index(side) for side in "hw"}  # of nchw, n1chw, hwc ...
        if not axes or not sides <= set(axes[0]):
            raise ModelError("its graph takes images of one size")
        found = copy.copy(self)
        found.processing = replace(self.processing, input=replace(image, size=rule))
        return found

    def reads(self, width: int, height: int) -> Size:
        """See `EngineModel.reads`."""
        return layout(width, height, self.processing.input).canvas

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The image as the network reads it.

        Raises:
            ImageError: reason `image_shape`, see `layout`.
        """
        image = self.processing.input
        return (image_input(rgb, image, layout(rgb.shape[2], rgb.shape[1], image)),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predictions at the size of the cameras.

        Raises:
            ModelError: see `postprocess`.
        """
        place = layout(cameras[0].width, cameras[0].height, self.processing.input)
        named = {key: value for key, value in zip(self._keys, outputs, strict=True) if key is not None}
        if len(cameras) == 1:  # a graph for one image may leave out the batch's axis
            return [postprocess(named, self.processing, cameras[0], place)]
        for key, value in named.items():
            if value.ndim == 0 or len(value) != len(cameras):
                found = f"{self.processing.outputs.wanted[key]} of shape {tuple(value.shape)}"
                raise ModelError(f"the graph gives {found} for {len(cameras)} images, expected a batch of as many")
        return [
            postprocess({key: value[index] for key, value in named.items()}, self.processing, camera, place)
            for index, camera in enumerate(cameras)
        ]


def example_of(model: DepthModel, width: int, height: int) -> tuple[Any, ...]:
    """What `model.predict` takes for one fixed image of a size: image, camera and, where it needs one, a prompt."""
    rgb, cameras = check_frame.__wrapped__(width, height)  # of a size that nobody asks for again
    return (rgb, cameras, (example_prompt(width, height),)) if model.spec.needs_prompt else (rgb, cameras)


def prepare(model: DepthModel, width: int, height: int, count: int = 1) -> None:
    """`EngineModel.prepare` of a model that has one."""
    if isinstance(model, EngineModel):
        model.prepare(width, height, count)


def contract_of(model: DepthModel) -> Processing:
    """The contract to put beside a model's exported graph, with which the graph can be loaded by its path.

    Raises:
        ModelError: its processing is none that a contract can describe.
    """
    spec = model.spec
    if not isinstance(model, DeclaredModel):
        why = getattr(model, "no_contract", "its processing is its own")
        raise ModelError(
            f"{spec.name} has no contract for its ONNX file, as {why}: expected a model that is its network and its "
            "declaration"
        )
    return replace(model.processing, family=spec.family, licence=spec.licence)


def check_frames() -> tuple[tuple[Tensor, tuple[Camera, ...]], ...]:
    """The two fixed images that engines are checked with, and their cameras: one 4:3, one square."""
    return tuple(check_frame(*size) for size in CHECK_SIZES)


@lru_cache(maxsize=4)
def check_frame(width: int, height: int) -> tuple[Tensor, tuple[Camera, ...]]:
    """A fixed image of any size, (1, H, W, 3) uint8, and its camera.

    Smooth shading, edges and fine texture, made from integers alone so that every machine has the same.
    """
    y, x = np.mgrid[:height, :width].astype(np.int64)
    rgb = np.stack([(x * 5 + y * 2) // 16, (x * y) >> 9, (x ^ y) // 4 + (x // 64 + y // 48) % 2 * 90], axis=-1)
    return torch.from_numpy(rgb.astype(np.uint8))[None], (Camera.from_fov((width, height), 60),)
